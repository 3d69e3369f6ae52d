#!/bin/sh
# lock.sh EXTRA...: writes what uv.lock pins for these extras as requirements with hashes, which
# install from any index (the lock itself names none, see docs/decisions/0002).
#   requirements.txt  what the image runs on
#   building.txt      what builds the project's wheel, which the image does not keep
# ACCELERATOR=cpu leaves out what only a GPU needs; images/cpu_torch.py then makes torch do without.
set -eu

exported() { # the packages of the extras, each with its hashes on the lines after it
  options=
  for extra in "$@"; do options="$options --extra $extra"; done
  # shellcheck disable=SC2086
  uv export --quiet --frozen --no-emit-project --no-header --no-annotate --format requirements.txt $options
}

selected() { # of the packages on stdin those for which awk's condition on `name` holds
  awk "/^[a-zA-Z0-9]/ { split(\$1, parts, \"==\"); name = parts[1]; keep = $1 } keep"
}

# vLLM's part of the lock does not go with the training's: what both name is the training's.
plain=
vllm=no
for extra in "$@"; do
  if [ "$extra" = vllm ]; then vllm=yes; else plain="$plain $extra"; fi
done
# shellcheck disable=SC2086
exported $plain >requirements.txt
if [ $vllm = yes ]; then
  known=$(sed -n 's/^\([a-zA-Z0-9][a-zA-Z0-9._-]*\)==.*/\1/p' requirements.txt | paste -sd'|')
  exported vllm | selected "name !~ /^($known)$/" >>requirements.txt
fi
if [ "${ACCELERATOR:-cuda}" = cpu ]; then
  selected 'name == "nvidia-cuda-runtime" || name !~ /^(nvidia-|cuda-|triton$)/' <requirements.txt >kept.txt
  mv kept.txt requirements.txt
fi
exported dev | selected 'name ~ /^(hatchling|packaging|pathspec|pluggy|tomlkit|trove-classifiers)$/' >building.txt
