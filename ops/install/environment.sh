#!/bin/sh
# Makes the virtual environment $1 and installs the hash-locked requirements $2 and this project into it.
set -eu
venv=$1 lock=$2 python=${PYTHON:-python3}

say() { printf '==> %s\n' "$*"; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

command -v "$python" >/dev/null || fail "$python is not installed. Install Python 3.11 or later, or name one: make PYTHON=/path/to/python"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$($python --version) is too old: 3.11 or later is needed. Name another: make PYTHON=python3.12"

if [ ! -x "$venv/bin/pip" ]; then
    say "creating the virtual environment $venv with $($python --version)"
    if ! "$python" -c 'import ensurepip' 2>/dev/null; then
        # Debian keeps this part of the standard library in a package of its own.
        [ "$(id -u)" = 0 ] && apt-get install -y -q python3-venv >/dev/null 2>&1 ||
            fail "Python's venv module is incomplete. On Debian or Ubuntu: apt-get install python3-venv"
    fi
    "$python" -m venv "$venv"
fi

say "installing $lock (hashes checked)"
"$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r requirements/build.txt -r "$lock"
"$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
