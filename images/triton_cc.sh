#!/bin/sh
# The image's CC. Triton compiles one C source when its first kernel starts, always the same: this
# hands out what was compiled from it when the image was made, and there is no other compiler.
set -eu
compiled=$(dirname "$0")/../share/triton
source=${1:-}
while [ $# -gt 1 ] && [ "$1" != -o ]; do shift; done
if [ $# -lt 2 ] || ! cmp -s "$source" "$compiled/driver.c"; then
  echo "triton-cc: this image has no C compiler, only what Triton needs from one. To compile '$source', derive an image with gcc in it and CC=gcc." >&2
  exit 1
fi
exec cp "$compiled/cuda_utils.so" "$2"
