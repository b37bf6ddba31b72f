#!/usr/bin/env bash
# Sets everything up, builds the Python module, and measures host copies beside their peers.
set -euo pipefail

usage() {
  cat <<'HELP'
usage: bash bench/run.sh [--only PATTERN] [--seconds S] [--threads N] [--out STEM] [--torch] [--help]

Installs what is missing as tests/run.sh does (Python packages into .venv), builds the release module without the
device side, and copies the layouts of bench/layouts.tsv beside memcpy, NumPy, PyTorch, JAX and HPTT: on one thread,
then on all. Prints one table, and saves it with a plot as bench/results/<date>-host.txt and .png. Under ten minutes.

  --only PATTERN  the layouts whose names match, such as 'transpose_f32_*'
  --seconds S     for each layout; the largest take longer
  --threads N     this number of threads alone
  --out STEM      saves STEM.txt and STEM.png; a part of the whole goes to build/bench/<date>-host otherwise
  --torch         install PyTorch too (about 5 GB); it takes part anyway where .venv has it
  --help          this text

A peer that is not installed is left out, with a note. HPTT takes part where HPTT_LIB names its built library.
STRIDEPORT_PYTHON chooses the interpreter: python3 on PATH otherwise, or the newest that pyenv has.
HELP
}

torch=no
for argument in "$@"; do
  case $argument in
    --torch) torch=yes ;;
    -h | --help) usage && exit ;;
  esac
done

# shellcheck source=.ci/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/../.ci/setup.sh"

install_system compiler cmake ninja python venv python_headers highway -- ccache
make_venv "$venv" "$python"
pip_install "$venv" "$root/bench/requirements.txt"
[[ $torch == no ]] || pip_install "$venv" "$root/.ci/requirements-torch.txt"

# The module alone: a build of the tests, or of the device side, would take longer than all that is measured.
folder=$root/build/host-bench
mkdir -p "$folder"
say "Building the Python module in ${folder#"$root"/}"
cmake -G Ninja -S "$root" -B "$folder" -DCMAKE_BUILD_TYPE=Release -DPython3_EXECUTABLE="$venv/bin/python" \
  -DSTRIDEPORT_PYTHON=ON -DSTRIDEPORT_CUDA=OFF -DSTRIDEPORT_TESTS=OFF -DSTRIDEPORT_SAMPLES=OFF \
  >"$folder/configure.log" 2>&1 || die "cmake failed:" "$(cat "$folder/configure.log")"
cmake --build "$folder" --target strideport_python

cd "$root"
PYTHONPATH=$folder/python PYTHONDONTWRITEBYTECODE=1 exec "$venv/bin/python" bench/host_copies.py "$@"
