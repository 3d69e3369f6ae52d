#!/bin/sh
# Removes from /opt/tenyson/venv what no container reads, and compiles what stays.
set -eu

site=$(echo /opt/tenyson/venv/lib/python3.*/site-packages)
remove() { # what `find` finds with these conditions, after saying how much it is
  find "$site" "$@" -prune -print0 | du -sck --files0-from=- 2>/dev/null |
    awk -v what="$*" 'END { if ($1 > 0) printf "slim: %d KiB less without %s\n", $1, what }'
  find "$site" "$@" -prune -exec rm -rf {} +
}

remove -type d \( -name tests -o -name test \) # the packages' own tests
remove -type f \( -name '*.a' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.pyi' \)
# C and C++ headers: nothing is compiled in a container. images/compile.sh still reads Triton's.
remove -type d -path '*/include' ! -path '*/triton/*'
# Of CUDA's libraries those that no other names: multi-GPU solvers of their own API, a second nvrtc,
# FFTW's and BLAS's interfaces.
remove -type f \( -name 'libcusolverMg.so*' -o -name 'libnvrtc*.alt.so*' -o -name 'libcufftw.so*' -o -name 'libnvblas.so*' \)
remove -type f -path '*/torch/bin/protoc*'

# Unchecked: a builder may set all times to one, and then every start would compile anew. Some
# packages carry templates that are no Python; what cannot be compiled is not.
/opt/tenyson/venv/bin/python -m compileall -q -q -f -j 0 --invalidation-mode unchecked-hash "$site" || true
rm -f /opt/tenyson/venv/bin/*.fish /opt/tenyson/venv/bin/*.csh
