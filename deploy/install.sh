#!/bin/sh
# Makes .venv with exactly what requirements.lock names and the project itself, editable. `make install` runs this.
# With COMPILED=1: .venv-compiled, in which the project is not editable and its hot paths are compiled (docs/compiled.md).
# uv does it when it is on PATH, else Python's own venv and pip. Needs no root; asks the package index, nothing else.
# --no-deps: the lock is whole, so nothing is left to resolve. pip 23.2 takes a dependency on "coverage[toml]" for another
# package than the locked "coverage", and from the day of its next release refuses that for want of a hash (pip issue 12345).
set -eu
cd "$(dirname "$0")/.."
venv=.venv
project=--editable
if [ -n "${COMPILED:-}" ]; then
    venv=.venv-compiled
    project=--force-reinstall
    export HATCH_BUILD_HOOK_ENABLE_CUSTOM=true
fi

say() { printf 'install: %s\n' "$*" >&2; }
new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
version_of() { "$1" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null || echo none; }

if [ -n "${PYTHON:-}" ]; then set -- "$PYTHON"; else set -- python3 python3.14 python3.13 python3.12 python3.11; fi
python=
for candidate in "$@"; do
    if new_enough "$candidate"; then python=$candidate; break; fi
done
if [ -z "$python" ]; then
    say "no Python 3.11 or newer: ${PYTHON:-python3} is $(version_of "${PYTHON:-python3}")."
    say "Install one (Debian 12, Ubuntu 24.04 or newer: apt-get install python3 python3-venv),"
    say "or name one: make install PYTHON=/path/to/python3.12"
    exit 1
fi

# An environment that works is kept; only a PYTHON that was asked for and is another version makes a new one.
if [ -d $venv ] && { ! new_enough $venv/bin/python ||
    { [ -n "${PYTHON:-}" ] && [ "$(version_of "$python")" != "$(version_of $venv/bin/python)" ]; }; }; then
    say "making $venv again with Python $(version_of "$python")"
    rm -rf $venv
fi

if command -v uv >/dev/null 2>&1; then
    [ -d $venv ] || uv venv --quiet --python "$(command -v "$python")" $venv
    uv pip install --quiet --python $venv/bin/python --no-deps --require-hashes -r requirements.lock
    uv pip install --quiet --python $venv/bin/python --no-deps --no-build-isolation "$project" .
else
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        say "Python $(version_of "$python") has no venv module (Debian and Ubuntu package it by itself)."
        say "Run: apt-get install python3-venv        (as root), or put uv on PATH"
        exit 1
    fi
    [ -d $venv ] || "$python" -m venv $venv
    $venv/bin/python -m pip --version >/dev/null 2>&1 || $venv/bin/python -m ensurepip --upgrade >/dev/null
    pip="env PIP_DISABLE_PIP_VERSION_CHECK=1 $venv/bin/python -m pip install --quiet --progress-bar off"
    $pip --no-deps --require-hashes -r requirements.lock
    $pip --no-deps --no-build-isolation "$project" .
fi
say "ready: $venv with Python $(version_of $venv/bin/python)"
