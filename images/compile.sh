#!/bin/sh
# compile.sh ACCELERATOR: compiles what the runner would compile at run time, or what makes torch do
# without a GPU. The compiler stays in this build stage.
set -eu
site=$(echo /opt/tenyson/venv/lib/python3.*/site-packages)
python=/opt/tenyson/venv/bin/python

apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends gcc libc6-dev >/dev/null
cp /build/triton_cc.sh /opt/tenyson/venv/bin/triton-cc
chmod 755 /opt/tenyson/venv/bin/triton-cc

case "$1" in
  cpu)
    $python /build/cpu_torch.py "$site"
    $python -c 'import torch; assert not torch.cuda.is_available(); torch.ones(2, 2) @ torch.ones(2, 2)'
    exit ;;
  cuda) ;;
  *) echo "compile.sh: ACCELERATOR is '$1', and it must be cuda or cpu." >&2; exit 1 ;;
esac

# Triton's one C module. It links against the driver, which is the node's: a library of that name
# stands for it here.
headers=$($python -c 'import sysconfig; print(sysconfig.get_path("include"))')
[ -e "$headers/Python.h" ] ||
  DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends libpython3-dev >/dev/null
triton=$site/triton/backends/nvidia
compiled=/opt/tenyson/venv/share/triton
mkdir -p $compiled
cp "$triton/driver.c" $compiled
gcc -shared -fPIC -x c /dev/null -Wl,-soname,libcuda.so.1 -o /build/libcuda.so.1
gcc "$triton/driver.c" -O3 -shared -fPIC -Wno-psabi -o $compiled/cuda_utils.so \
  -Wl,--no-as-needed -L/build -l:libcuda.so.1 -I"$triton/include" -I"$headers"

# It must load, and Triton must get it: this is the last time that a compiler is at hand to mend it.
$python /build/check_triton.py "$triton/driver.c" $compiled/cuda_utils.so

# Then nothing reads C headers any more, nor what only Triton's profiler loads.
rm -rf "$triton/include" "$triton/lib/cupti" "$site/triton/backends/amd/include"
