#!/usr/bin/env bash
# Writes requirements.lock: every dependency with its hashes, for all supported Pythons, without any index address.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=$(command -v uv || true)
if [[ -z $uv ]]; then
    python3 -m venv .venv-lock
    trap 'rm -rf .venv-lock' EXIT
    .venv-lock/bin/pip install --quiet uv
    uv=.venv-lock/bin/uv
fi
"$uv" pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes \
    --no-emit-index-url --no-emit-find-links --no-header --no-annotate --quiet -o requirements.lock "$@"
sed -i '1i # Written by make lock; names no index, so that pip asks the one that this machine is set up for.' requirements.lock
if grep -nE '://|^--|file:' requirements.lock; then
    echo "requirements.lock must not hold addresses or options" >&2
    exit 1
fi
