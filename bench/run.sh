#!/usr/bin/env bash
# Sets everything up, builds, and measures beside the peers: host copies, or, with --exchange, exports and imports.
set -euo pipefail

usage() {
  cat <<'HELP'
usage: bash bench/run.sh [--only PATTERN] [--seconds S] [--threads N] [--out STEM] [--torch] [--help]
       bash bench/run.sh --exchange [--only PATTERN] [--seconds S] [--out STEM] [--torch]

Installs what is missing as tests/run.sh does (Python packages into .venv), builds the release module without the
device side, and copies the layouts of bench/layouts.tsv beside memcpy, NumPy, PyTorch, JAX and HPTT: on one thread,
then on all. Prints one table, and saves it with a plot as bench/results/<date>-host.txt and .png. Under ten minutes.

With --exchange: the nanoseconds of asbuffer, from_dlpack, exports and views beside memoryview, NumPy, PyTorch, JAX,
tvm-ffi and a function of nanobind's; on every CPython of 3.11 or newer that is on PATH or under pyenv, the default one
with all peers and the others with NumPy (.venv-<version>); and in C++. Saved as bench/results/<date>-exchange.txt. Two
to three minutes.

  --only PATTERN  the layouts whose names match, such as 'transpose_f32_*'; with --exchange the rows, or those of one
                  table: import, export, view, c++
  --seconds S     for each layout; the largest take longer. With --exchange for each contestant of a row
  --threads N     this number of threads alone
  --out STEM      saves STEM.txt and STEM.png; a part of the whole goes to build/bench/<date>-... otherwise
  --torch         install PyTorch too (about 5 GB); it takes part anyway where .venv has it
  --help          this text

A peer that is not installed is left out, with a note. HPTT takes part where HPTT_LIB names its built library.
STRIDEPORT_PYTHON chooses the interpreter: python3 on PATH otherwise, or the newest that pyenv has.
HELP
}

torch=no
exchange=no
for argument in "$@"; do
  case $argument in
    --exchange) exchange=yes ;;
    --torch) torch=yes ;;
    -h | --help) usage && exit ;;
  esac
done

# shellcheck source=.ci/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/../.ci/setup.sh"

useful=(ccache)
[[ $exchange == no ]] || useful+=(googlebenchmark)
install_system compiler cmake ninja python venv python_headers highway -- "${useful[@]}"
make_venv "$venv" "$python"
pip_install "$venv" "$root/bench/requirements.txt"
[[ $torch == no ]] || pip_install "$venv" "$root/.ci/requirements-torch.txt"

# The module alone: a build of the tests, or of the device side, would take longer than all that is measured.
folder=$root/build/host-bench
mkdir -p "$folder"
say "Building the Python module in ${folder#"$root"/}"
cmake -G Ninja -S "$root" -B "$folder" -DCMAKE_BUILD_TYPE=Release -DPython3_EXECUTABLE="$venv/bin/python" \
  -DSTRIDEPORT_PYTHON=ON -DSTRIDEPORT_CUDA=OFF -DSTRIDEPORT_TESTS=OFF -DSTRIDEPORT_SAMPLES=OFF \
  -DSTRIDEPORT_BENCH="$([[ $exchange == yes ]] && echo ON || echo OFF)" \
  >"$folder/configure.log" 2>&1 || die "cmake failed:" "$(cat "$folder/configure.log")"
cmake --build "$folder" --target strideport_python

cd "$root"
export PYTHONDONTWRITEBYTECODE=1
if [[ $exchange == no ]]; then
  PYTHONPATH=$folder/python exec "$venv/bin/python" bench/host_copies.py "$@"
fi

cmake --build "$folder" --target exchange_cost
cmake --build "$folder" --target exchange_nanobind >"$folder/nanobind.log" 2>&1 ||
  note "nanobind's argument is left out, ${folder#"$root"/}/nanobind.log says why: $(tail -n 1 "$folder/nanobind.log")"
interpreters=(--interpreter "$venv/bin/python")
default=$(describe_python "$venv/bin/python" | cut -d' ' -f1)
while read -r version kind executable; do
  if [[ $version != "$default" && $kind == gil ]]; then
    make_venv "$venv-$version" "$executable" --without-pip
    pip_install "$venv-$version" "$root/tests/requirements-other.txt" ||
      note "CPython $version is measured without NumPy, which could not be installed"
    interpreters+=(--interpreter "$venv-$version/bin/python")
  fi
done < <(every_python)
exec "$venv/bin/python" bench/exchange.py --build "$folder" "${interpreters[@]}" "$@"
