#!/bin/sh
# Sees to what both images stand on: a Python that uv.lock is made for, certificates, and the user.
# Then it removes itself, so that no build script stays in an image.
set -eu

fail() { echo "python.sh: $1" >&2; exit 1; }

fitting_python() { # the path of a Python 3.11 to 3.13 with its whole standard library
  for name in python3 python3.13 python3.12 python3.11; do
    if "$name" -c 'import sys, ssl, sqlite3; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then
      command -v "$name"; return
    fi
  done
  return 1
}

[ "$(id -u)" = 0 ] || fail "BASE_IMAGE runs as $(id -un); this build stage must be root."
if ! fitting_python >/dev/null || [ ! -s /etc/ssl/certs/ca-certificates.crt ]; then
  command -v apt-get >/dev/null ||
    fail "BASE_IMAGE has no Python 3.11 to 3.13 with certificates, and no apt-get to install them. Take a python:3.11-slim, Debian 12 or 13, Ubuntu 24.04, or a CUDA image made on one of them."
  export DEBIAN_FRONTEND=noninteractive DEBCONF_NOWARNINGS=yes
  apt-get update -qq
  apt-get install -qq -y --no-install-recommends ca-certificates >/dev/null
  fitting_python >/dev/null || apt-get install -qq -y --no-install-recommends python3 >/dev/null
  rm -rf /var/lib/apt/lists/* /var/cache/apt /var/cache/debconf/*-old /var/log/apt /var/log/dpkg.log
fi
python=$(fitting_python) ||
  fail "BASE_IMAGE offers $(python3 --version 2>&1 || echo 'no Python'), and 3.11 to 3.13 is needed. Take a python:3.11-slim, Debian 12 or 13, Ubuntu 24.04, or a CUDA image made on one of them."

# An installer has nothing to do in a container that only runs.
"$python" - <<'PYTHON'
import shutil, site, sysconfig
from pathlib import Path
libraries = {Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib")} | set(map(Path, site.getsitepackages()))
for library in libraries:
    for name in ("pip", "pip-*", "setuptools", "setuptools-*", "pkg_resources", "wheel", "wheel-*", "ensurepip"):
        for path in library.glob(name):
            shutil.rmtree(path)
PYTHON
rm -f /usr/local/bin/pip* /usr/local/bin/wheel /usr/local/bin/idle* /usr/bin/pip*

# A read-only root cannot keep bytecode, and a builder may change the times that bytecode is
# usually checked by: the standard library is compiled once, not to be checked.
stdlib=$("$python" -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')
"$python" -m compileall -q -q -f -j 0 --invalidation-mode unchecked-hash \
  -x '/(test|tests|idlelib|lib2to3|turtledemo|site-packages|dist-packages)/' "$stdlib" || true

# A name for the user: libraries ask for it, and Kubernetes gives only the number.
grep -q ':65532:' /etc/passwd || echo 'tenyson:x:65532:65532:Tenyson:/tmp:/usr/sbin/nologin' >>/etc/passwd
grep -q ':65532:' /etc/group || echo 'tenyson:x:65532:' >>/etc/group

# Nobody in the container is to become another user.
find / -xdev -type f -perm /6000 -exec chmod a-s {} +

mkdir -p /opt/tenyson
ln -s "$python" /opt/tenyson/base-python
rm -- "$0"
