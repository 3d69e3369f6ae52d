#!/bin/sh
# Fills /opt/tenyson/venv with exactly /build/requirements.txt, by hash, and /build/hatch with what
# builds the project's wheel.
# The machine's package configuration comes as build secrets and is kept nowhere: `index` (an
# address), `uv.toml`, `ca.crt`. Without them uv asks its usual index.
set -eu

secrets=/run/secrets/tenyson
if [ -s $secrets/ca.crt ]; then export SSL_CERT_FILE=$secrets/ca.crt UV_SYSTEM_CERTS=1; fi
if [ -s $secrets/uv.toml ]; then export UV_CONFIG_FILE=$secrets/uv.toml; fi
if [ -s $secrets/index ]; then UV_DEFAULT_INDEX=$(cat $secrets/index) && export UV_DEFAULT_INDEX; fi
export UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never

uv venv --quiet --python /opt/tenyson/base-python /opt/tenyson/venv
uv pip sync --quiet --require-hashes --python /opt/tenyson/venv/bin/python /build/requirements.txt
uv pip install --quiet --require-hashes --python /opt/tenyson/venv/bin/python --target /build/hatch -r /build/building.txt

# The code lies beside the packages, in a layer of its own; tasks of a derived image do, too.
for folder in app tasks; do echo /opt/tenyson/$folder; done \
  >"$(echo /opt/tenyson/venv/lib/python3.*/site-packages)/tenyson.pth"
