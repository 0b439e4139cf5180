#!/bin/sh
# Writes the locks: requirements.lock for the environment of people who change Trunkline, and out of the same versions
# deploy/runtime.lock (what the image installs) and deploy/build.lock (what builds the wheel for it); and
# deploy/tools.lock, programs that judge Dockerfile, Compose file and chart. `make lock` runs this.
# --upgrade takes newer versions; without it those that are locked are kept.
# No file names a registry, so that mirrors work.
set -eu
cd "$(dirname "$0")/.."
command -v uv >/dev/null || { echo "make lock: uv is not on PATH; pip install uv" >&2; exit 1; }

lock() {
    uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url "$@"
}
lock "$@" --extra embedded --extra otel --group dev pyproject.toml -o requirements.lock
lock --upgrade -c requirements.lock --extra otel pyproject.toml -o deploy/runtime.lock
lock --upgrade -c requirements.lock --group build -o deploy/build.lock
lock "$@" --group tools -o deploy/tools.lock
