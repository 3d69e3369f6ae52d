#!/bin/sh
# cpu_torch.sh ACCELERATOR: for `cpu`, makes torch load without CUDA's libraries. The compiler that
# this takes stays in the build stage.
set -eu
case "$1" in
  cuda) exit 0 ;;
  cpu) ;;
  *) echo "cpu_torch.sh: ACCELERATOR is '$1', and it must be cuda or cpu." >&2; exit 1 ;;
esac
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends gcc libc6-dev >/dev/null
/opt/tenyson/venv/bin/python /build/cpu_torch.py /opt/tenyson/venv/lib/python3.*/site-packages
