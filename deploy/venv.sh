#!/usr/bin/env bash
# Makes .venv with the locked dependencies and this package; does nothing when that is there already.
set -euo pipefail
cd "$(dirname "$0")/.."

stamp=.venv/holdfast-$(cat requirements.lock pyproject.toml | sha256sum | cut -c1-16)
[[ -e $stamp ]] && exit 0

say() { echo "setup: $*" >&2; }

find_python() {
    local name
    for name in python3 python3.13 python3.12 python3.11; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$name"
            return 0
        fi
    done
    return 1
}

install() {
    if [[ $EUID -ne 0 ]] || ! command -v apt-get >/dev/null; then
        say "please install Python 3.11 or newer with venv (Debian, as root: apt-get install python3-venv)"
        exit 69
    fi
    deploy/apt.sh "$@"
}

python=$(find_python) || { install python3-venv && python=$(find_python); }
"$python" -c 'import venv, ensurepip' 2>/dev/null || install python3-venv

if [[ ! -x .venv/bin/python ]] || ! .venv/bin/python -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    say "making .venv with $("$python" --version)"
    "$python" -m venv --clear .venv
fi
say "installing the locked dependencies"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
rm -f .venv/holdfast-*
touch "$stamp"
