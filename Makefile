# Holdfast. `make` alone lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
.DEFAULT_GOAL := help
export PATH := $(CURDIR)/.venv/bin:$(CURDIR)/.parts/usr/bin:$(CURDIR)/.parts/bin:$(PATH):/usr/local/sbin:/usr/sbin:/sbin
PY := .venv/bin/python
PYTEST := $(PY) -m tests.parts.namespace $(PY) -m pytest
# who says it; outlives Ctrl-C, so that what ends in order can say so
SAID = 2>&1 | (trap '' INT; exec sed -u 's/^/$@: /')
ARGS ?=
N ?= 200

.PHONY: help demo clean-demo test unit test-world test-alone bench chaos soak check format generate lock setup parts clean mutants matrix

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: setup parts ## run desired/ on real containers behind a real proxy, replace a tag, take a broken one back
	@deploy/demo/run.sh

clean-demo: ## remove everything that make demo made
	@deploy/demo/clean.sh

test: setup parts ## all tests on real parts; ARGS="tests/core -x" chooses
ifneq ($(strip $(ARGS)),)
	@$(PYTEST) $(ARGS)
else
	@$(MAKE) --no-print-directory -j 2 test-world test-alone
	@$(PYTEST) -n 2 --dist loadfile -m "not alone and not load" tests/contract tests/e2e
	@$(PYTEST) -m load tests/contract tests/e2e
endif

unit: setup ## the core and the simulated world, without an Engine and without root, in under three minutes; ARGS="-x" adds
	@$(PY) -m pytest -q -n auto --dist worksteal $(ARGS) tests/core tests/sim

test-world:
	@nice -n 19 $(PYTEST) -n auto --dist worksteal tests/core tests/sim $(SAID)

test-alone:
	@$(PYTEST) -m alone tests/contract tests/e2e $(SAID)

chaos: setup parts ## kill the controller N=200 times in each of three stories, on real parts
	@CHAOS=$(N) $(PYTEST) tests/e2e/test_chaos.py $(ARGS)

bench: setup parts ## what Holdfast costs beside the least that does the same, as ratios; ARGS="-n 24 -r 5"
	@$(PY) -m tests.parts.namespace $(PY) -m tests.bench $(ARGS)

matrix: setup ## play the whole crash matrix and write tests/MATRIX.md (minutes); ARGS="deploy evict": only these stories
	@nice -n 10 $(PY) -m tests.sim.run_matrix $(ARGS)

soak: N = 10000
soak: setup ## play N=10000 random histories on all cores, from a first seed of your own with ARGS=SEED
	@nice $(PY) -m tests.sim.soak $(N) $(ARGS)

mutants: setup ## what share of small mistakes in the core the tests notice; ARGS="-n 50 --only planning.routes"
	@nice -n 15 $(PY) -m tests.mutants $(ARGS)

check: setup ## lint, types, import rules, generated files
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy --strict controller tests
	@.venv/bin/lint-imports
	@$(PY) -m controller.cli.generate --check
	@$(PY) -m tests.fields --check

format: setup ## put the code into the project's form
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

generate: setup ## write crds/, schema and reference anew from the models; the table of fields, and what golden cases tell
	@$(PY) -m controller.cli.generate
	@$(PY) -m tests.fields
	@$(PY) -m tests.core.snapshots

lock: ## resolve the dependencies anew into requirements.lock
	@deploy/lock.sh

setup:
	@deploy/venv.sh

parts:
	@deploy/parts.sh

clean: clean-demo ## remove the virtual environment, unpacked parts and caches too
	@rm -rf .venv .parts .test .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
