#!/bin/sh
# code.sh FOLDER: builds the project's wheel and unpacks it, compiled, into /opt/tenyson/app.
set -eu

python=/opt/tenyson/venv/bin/python
cd "$1"
PYTHONPATH=/build/hatch $python -P -m hatchling build -t wheel -d /build/wheel >/dev/null
uv pip install --quiet --offline --no-deps --python $python --target /opt/tenyson/app /build/wheel/*.whl
rm -f /opt/tenyson/app/.lock
# Unchecked: a builder may set all times to one, and then every start would compile anew.
$python -m compileall -q -f --invalidation-mode unchecked-hash /opt/tenyson/app
