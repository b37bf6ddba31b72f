#!/usr/bin/env bash
# Sets everything up, builds, and runs the samples.
set -euo pipefail

usage() {
  cat <<'HELP'
usage: bash samples/run.sh [--torch] [--help]

Installs what is missing, builds Strideport, and runs the samples of samples/samples.txt in order. System packages come
through apt-get where root or sudo allows, Python packages into .venv, the CUDA compiler (300 MB from PyPI) as well
where the machine has none. A second run finds everything in place.

  --torch    install PyTorch too (about 5 GB), so that the samples exchange with it; used anyway where .venv has it
  --help     this text

STRIDEPORT_PYTHON chooses the interpreter: python3 on PATH otherwise, or the newest that pyenv has.
HELP
}

torch=no
while (($#)); do
  case $1 in
    --torch) torch=yes ;;
    -h | --help) usage && exit ;;
    *) usage >&2 && exit 2 ;;
  esac
  shift
done

# shellcheck source=.ci/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/../.ci/setup.sh"

install_system compiler cmake ninja python venv python_headers highway -- eigen ccache
make_venv "$venv" "$python"
pip_install "$venv" "$root/samples/requirements.txt"
install_cuda
[[ $torch == no ]] || pip_install "$venv" "$root/.ci/requirements-torch.txt"
build samples
publish samples

passed=0
skipped=()
failed=()

# run_sample FILE COMMAND...
run_sample() {
  printf '\n'
  say "$1"
  if "${@:2}"; then passed=$((passed + 1)); else failed+=("$1"); fi
}

while read -r file needs; do
  [[ -n $file && $file != \#* ]] || continue
  read -r -a modules <<<"${needs/#device/}"
  stem=${file%.*}
  if [[ $file == *.cpp || $file == *.cu ]]; then
    if [[ -x $root/build/samples/samples/$stem ]]; then
      run_sample "$file" "$root/build/samples/samples/$stem" </dev/null
    else
      skipped+=("$file: it needs $needs, which CMake did not find")
    fi
  else
    absent=$("$venv/bin/python" -c '
import sys; from importlib.util import find_spec
print(*(name for name in sys.argv[1:] if find_spec(name) is None))' "${modules[@]}")
    if [[ -z $absent ]]; then
      run_sample "$file" "$venv/bin/python" "$root/samples/$file" </dev/null
    else
      skipped+=("$file: it needs $absent, which .venv has not")
    fi
  fi
done <"$root/samples/samples.txt"

"$venv/bin/python" -c 'import torch' 2>/dev/null ||
  skipped+=("exchange with PyTorch: not in .venv ('bash samples/run.sh --torch' installs it, about 5 GB)")

printf '\n'
say "Samples"
for line in "${skipped[@]}"; do note "skipped $line"; done
for line in "${failed[@]}"; do note "FAILED $line"; done
for line in "$root"/samples/out/*; do [[ ! -e $line ]] || note "wrote ${line#"$root"/}"; done
printf '%d passed, %d failed, %d skipped\n' "$passed" "${#failed[@]}" "${#skipped[@]}"
((${#failed[@]} == 0))
