#!/usr/bin/env bash
# Builds and tests on a machine with an NVIDIA GPU, in one call of less than nine minutes and without a network.
set -euo pipefail

usage() {
  cat <<'HELP'
usage: bash tests/gpu.sh [--out FOLDER] [--build FOLDER] [STAGE]...
       bash tests/gpu.sh --deps
       bash tests/gpu.sh --build-only [--build FOLDER]

On a machine with an NVIDIA GPU: builds the device tests and the Python module for that GPU, runs the tests that have the
label gpu (with STRIDEPORT_REQUIRE_GPU=1, so that none skips itself for want of a GPU), a reduced set of them under
compute-sanitizer, the samples, and the device benchmarks. A summary comes last. Every stage has a time limit; what would
run past nine minutes in all is cut off. Needs nvcc (12.4 or newer), CMake, Ninja and a C++ compiler; Python with NumPy for
the samples and benchmarks, where PyTorch, CuPy and JAX are compared with if they are there.

  STAGE          one or more of build tests sanitizers samples pytest bench; all of them if none is named
  --out FOLDER   where logs and tables go (default: $OUT, else build/gpu/results)
  --build FOLDER where to build (default: build/gpu)
  --deps         fills .deps, which git ignores, with what such a machine may lack: the sources of GoogleTest, and
                 DLPack's and Highway's headers. To be run before, where there are package servers (Debian's or
                 Ubuntu's, and PyPI)
  --build-only   the stage build alone, for compute capability 9.0, on a machine that may have no GPU
  --help         this text

Exits with 0 if all that ran passed, 1 if a stage failed or there is no GPU.
HELP
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
deps=$root/.deps
build=$root/build/gpu
out=${OUT:-}
mode=run
stages=()
readonly root deps total_seconds=525

say() { printf '==> %s\n' "$*"; }
note() { printf '    %s\n' "$*"; }
die() {
  printf 'error: %s\n' "$1" >&2
  shift
  (($# == 0)) || printf '       %s\n' "$@" >&2
  exit 1
}
bad_usage() {
  printf 'error: %s\n\n' "$1" >&2
  usage >&2
  exit 2
}

while (($#)); do
  case $1 in
    --deps) mode=deps ;;
    --build-only) mode=build ;;
    --out | --build) [[ -n ${2:-} ]] || bad_usage "$1 wants a folder"
      if [[ $1 == --out ]]; then out=$2; else build=$2; fi
      shift ;;
    -h | --help) usage && exit ;;
    build | tests | sanitizers | samples | pytest | bench) stages+=("$1") ;;
    *) bad_usage "unknown argument $1" ;;
  esac
  shift
done
out=${out:-$build/results}
((${#stages[@]})) || stages=(build tests sanitizers samples pytest bench)

# --- What the machine may lack ---------------------------------------------------------------------------------------

# The sources of GoogleTest and Highway's headers are Debian packages; DLPack's header is inside a PyPI package.
fill_deps() {
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  mkdir -p "$deps"

  say "GoogleTest"
  if [[ ! -e /usr/src/googletest/CMakeLists.txt ]]; then
    (cd "$scratch" && apt-get download -qq googletest && dpkg-deb -x googletest_*.deb .) ||
      die "neither /usr/src/googletest nor the package googletest is to be had."
  fi
  rm -rf "$deps/googletest"
  if [[ -e $scratch/usr/src/googletest ]]; then
    cp -r "$scratch/usr/src/googletest" "$deps/googletest"
  else
    cp -r /usr/src/googletest "$deps/googletest"
  fi
  # Only what FetchContent builds travels.
  rm -rf "$deps"/googletest/google{test,mock}/{test,samples,docs,scripts}

  say "Highway's headers"
  if [[ ! -e /usr/include/hwy/highway.h ]]; then
    (cd "$scratch" && apt-get download -qq libhwy-dev && dpkg-deb -x libhwy-dev_*.deb .) ||
      die "neither /usr/include/hwy nor the package libhwy-dev is to be had."
  fi
  rm -rf "$deps/highway"
  mkdir -p "$deps/highway"
  if [[ -e $scratch/usr/include/hwy ]]; then
    cp -r "$scratch/usr/include/hwy" "$deps/highway/hwy"
  else
    cp -r /usr/include/hwy "$deps/highway/hwy"
  fi

  say "DLPack's header"
  python3 -m pip download -q --no-deps --only-binary=:all: -d "$scratch" 'apache-tvm-ffi>=0.1.3' ||
    die "the package apache-tvm-ffi, which holds DLPack's header, cannot be downloaded."
  rm -rf "$deps/dlpack"
  mkdir -p "$deps/dlpack/dlpack"
  python3 - "$scratch" "$deps/dlpack/dlpack/dlpack.h" <<'PYTHON'
import glob, sys, zipfile
with zipfile.ZipFile(glob.glob(sys.argv[1] + "/*.whl")[0]) as wheel:
    header = next(name for name in wheel.namelist() if name.endswith("/include/dlpack/dlpack.h"))
    with open(sys.argv[2], "wb") as file:
        file.write(wheel.read(header))
PYTHON
  note "$(du -sh "$deps" | cut -f1) in $deps"
}

# --- Stages ----------------------------------------------------------------------------------------------------------

summary=()
failed=0

seconds_left() { echo $((total_seconds - SECONDS)); }

# stage NAME LIMIT COMMAND...: runs a command under its time limit, or what is left of the whole, and keeps what it
# writes in stages.log. A status of 77 means that there was nothing to do.
stage() {
  local name=$1 limit=$2 status=0 begin=$SECONDS log=$out/$1.log verdict
  shift 2
  if (($(seconds_left) < 15)); then
    summary+=("$name|not run: no time left") failed=1
    return 1
  fi
  if ((limit > $(seconds_left))); then limit=$(seconds_left); fi
  say "$name (at most $limit s)"
  # A shell of its own, which knows the functions of this one, so that `timeout` can end the whole of a stage.
  timeout -k 5 "$limit" bash -c 'set -euo pipefail; "$@"' stage "$@" >"$log" 2>&1 </dev/null || status=$?
  case $status in
    0) verdict=passed ;;
    77) verdict=skipped ;;
    124 | 137) verdict="FAILED: ran past $limit s" failed=1 ;;
    *) verdict="FAILED with status $status" failed=1 ;;
  esac
  if [[ $verdict == FAILED* ]]; then tail -n 40 "$log" | sed 's/^/    | /'; fi
  summary+=("$name|$verdict, $((SECONDS - begin)) s$(result_of "$log")")
  note "$verdict"
  { printf '\n===== %s: %s\n' "$name" "$verdict" && cat "$log"; } >>"$out/stages.log"
  rm -f "$log"
  [[ $verdict != FAILED* ]]
}

# What a stage wants in the summary: its lines that begin with "result: ".
result_of() { sed -n 's/^result: /; /p' "$1" | tr -d '\n'; }

has_python_headers() {
  python3 -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' \
    2>/dev/null
}

do_build() {
  local -a options=(-DCMAKE_BUILD_TYPE=Release -DSTRIDEPORT_SAMPLES=ON -DSTRIDEPORT_WERROR=OFF
    "-DSTRIDEPORT_CUDA_ARCHITECTURES=$architecture")
  local -a targets=(strideport_device_tests strideport_samples)
  if [[ -e $deps/googletest ]]; then
    options+=("-DFETCHCONTENT_SOURCE_DIR_GOOGLETEST=$deps/googletest" -DCMAKE_DISABLE_FIND_PACKAGE_GTest=ON)
  fi
  [[ ! -e $deps/highway ]] || options+=("-DHIGHWAY_INCLUDE_DIR=$deps/highway")
  [[ ! -e $deps/dlpack ]] || options+=("-DDLPACK_INCLUDE_DIR=$deps/dlpack")
  if has_python_headers; then
    options+=(-DSTRIDEPORT_PYTHON=ON "-DPython3_EXECUTABLE=$(command -v python3)")
    targets+=(strideport_python)
  else
    echo "result: without the Python module, for want of Python.h"
  fi
  cmake -S "$root" -B "$build" -G Ninja "${options[@]}"
  cmake --build "$build" --target "${targets[@]}"
  echo "result: compute capability ${architecture/%?/.${architecture: -1}}"
}

do_tests() {
  local status=0
  STRIDEPORT_REQUIRE_GPU=1 ctest --test-dir "$build" -L '^gpu$' --no-tests=error --output-on-failure --timeout 90 \
    -j "$(nproc)" >"$out/ctest.txt" 2>&1 || status=$?
  cat "$out/ctest.txt"
  echo "result: $(grep -oE '[0-9]+% tests passed.*' "$out/ctest.txt" | tail -n 1)"
  rm -f "$out/ctest.txt"
  return "$status"
}

# The programs behind the tests with the label gpu.
gpu_programs() {
  ctest --test-dir "$build" -L '^gpu$' --show-only=json-v1 | python3 -c '
import json, sys
for program in sorted({test["command"][0] for test in json.load(sys.stdin)["tests"] if "command" in test}):
    print(program)'
}

# sanitize TOOL PROGRAM: one program under one tool, with fewer rounds of random structures. A forked child has no device to
# look at, errors that the driver returns are what tests of errors ask for, and programs whose cases all need a driver that
# fails on purpose never call CUDA.
sanitize() {
  local tool=$1 program=$2 log status=0
  local -a options=(--tool "$tool" --require-cuda-init no --target-processes application-only --error-exitcode 86 --print-limit 5)
  # Memory is freed on another stream than it was allocated on, in an order that the host knows and the tool does not.
  if [[ $tool == memcheck ]]; then options+=(--report-api-errors no --track-stream-ordered-races no); fi
  log=$(mktemp)
  STRIDEPORT_REQUIRE_GPU=1 STRIDEPORT_ROUNDS=200 timeout -k 5 "$sanitizer_seconds" \
    compute-sanitizer "${options[@]}" "$program" --gtest_brief=1 \
    --gtest_filter='-Slow*:*Fork*:RealDriver*:*ExitWithWorkPending*:*OutOfMemory*:*RandomLayouts*' >"$log" 2>&1 ||
    status=$?
  if grep -q 'Device not supported' "$log"; then status=77; fi
  {
    printf '===== %s %s: status %d\n' "$tool" "$(basename "$program")" "$status"
    if [[ $status != 0 ]]; then cat "$log"; else grep -E 'ERROR SUMMARY|RACECHECK SUMMARY' "$log" || true; fi
  } >>"$out/sanitizers.txt"
  rm -f "$log"
  echo "$tool $status" >>"$out/sanitizers.list"
}

do_sanitizers() {
  local tool status=0
  command -v compute-sanitizer >/dev/null || { echo "result: there is no compute-sanitizer"; exit 77; }
  [[ -n $(gpu_programs) ]] || { echo "result: no test has the label gpu"; exit 1; }
  rm -f "$out"/sanitizers.{txt,list}
  touch "$out"/sanitizers.{txt,list}
  for tool in memcheck racecheck initcheck synccheck; do
    gpu_programs | sed "s/^/$tool /"
  done | xargs -P "$(($(nproc) / 2 > 0 ? $(nproc) / 2 : 1))" -L 1 bash -c 'sanitize "$@"' sanitize
  cat "$out/sanitizers.txt"
  for tool in memcheck racecheck initcheck synccheck; do
    echo "result: $tool $(grep -c "^$tool 0\$" "$out/sanitizers.list") of $(grep -c "^$tool " "$out/sanitizers.list") clean"
  done
  if grep -q ' 77$' "$out/sanitizers.list"; then
    echo "result: compute-sanitizer does not support the device here"
    status=77
  fi
  ! grep -qvE ' (0|77)$' "$out/sanitizers.list" || status=1
  rm -f "$out"/sanitizers.{txt,list}
  exit "$status"
}

# run_sample FILE: right only on the GPU: left to themselves, samples go on with a simulated device.
run_sample() {
  local log status=0
  log=$(mktemp)
  case $1 in
    *.py) PYTHONPATH=$build/python python3 "$root/samples/$1" >"$log" 2>&1 || status=$? ;;
    *) "$build/samples/${1%.*}" >"$log" 2>&1 || status=$? ;;
  esac
  printf '\n===== %s: status %d\n' "$1" "$status"
  cat "$log"
  if grep -q "it is simulated" "$log"; then echo "FAILED: it ran on a simulated device" && status=1; fi
  rm -f "$log"
  return "$status"
}

do_samples() {
  local file needs count=0 right=0
  while read -r file needs; do
    [[ $needs == device* ]] || continue
    if [[ $file == *.py ]]; then has_module numpy || continue; else [[ -x $build/samples/${file%.*} ]] || continue; fi
    count=$((count + 1))
    if run_sample "$file"; then right=$((right + 1)); fi
  done <"$root/samples/samples.txt"
  echo "result: $right of $count right"
  ((right == count && count > 0))
}

# has_module NAME: whether Python has it, and the module of this library.
has_module() { [[ -d $build/python/strideport ]] && python3 -c "import $1" 2>/dev/null; }

do_pytest() {
  local -a files=()
  has_module numpy,pytest || { echo "result: there is no Python module, no NumPy or no pytest"; exit 77; }
  mapfile -t files < <(cd "$root" && grep -ls 'support.devices' tests/python/test_*.py)
  ((${#files[@]})) || { echo "result: no Python test asks for a device"; exit 77; }
  cd "$root"
  STRIDEPORT_REQUIRE_GPU=1 STRIDEPORT_SIMULATED_DEVICES=0 PYTHONPATH=$build/python PYTHONDONTWRITEBYTECODE=1 \
    python3 -m pytest -q --maxfail=20 -o cache_dir="$build/pytest-cache" -m 'not slow' "${files[@]}"
}

# bench NAME: bench/device_NAME.py, whose table comes back as a file.
do_bench() {
  has_module numpy || { echo "result: there is no Python module, or no NumPy"; exit 77; }
  [[ -e $root/bench/device_$1.py ]] || { echo "result: there is no bench/device_$1.py"; exit 77; }
  cd "$root"
  PYTHONUNBUFFERED=1 PYTHONPATH=$build/python python3 "bench/device_$1.py" --device cuda:0 --out "$out/device_$1.txt" "${@:2}"
}

has_gpu() { nvidia-smi -L >/dev/null 2>&1 || compgen -G '/dev/nvidia[0-9]*' >/dev/null; }

# 90 for a GPU of compute capability 9.0; "native" leaves it to nvcc.
architecture_of_gpu() {
  local found
  found=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | head -n 1 | tr -cd '0-9')
  echo "${found:-native}"
}

wants() { [[ " ${stages[*]} " == *" $1 "* ]]; }

run_stages() {
  if wants build; then stage build 260 do_build || return 0; fi
  if wants tests; then stage tests 120 do_tests || true; fi
  if wants samples; then stage samples 40 do_samples || true; fi
  if wants sanitizers; then stage sanitizers 130 do_sanitizers || true; fi
  if wants pytest; then stage pytest 60 do_pytest || true; fi
  if wants bench; then
    stage bench_transfers 70 do_bench transfers --mib 64 --seconds 0.2 || true
    stage bench_layouts 150 do_bench layouts --seconds 0.2 || true
  fi
}

if [[ $mode == deps ]]; then
  fill_deps
  exit
fi
for tool in cmake ninja nvcc python3; do
  command -v "$tool" >/dev/null || die "$tool is not on PATH."
done
if [[ $mode == build ]]; then
  stages=(build)
  architecture=90
else
  has_gpu || die "there is no NVIDIA GPU on this machine: nvidia-smi finds none, and there is no /dev/nvidia0." \
    "'bash tests/run.sh' runs the same tests on simulated devices."
  architecture=$(architecture_of_gpu)
fi
mkdir -p "$out"
rm -f "$out"/{stages.log,summary.txt}
sanitizer_seconds=80
# Nothing may fall back to a simulated device without a word.
unset STRIDEPORT_SIMULATED_DEVICES STRIDEPORT_LIBCUDA
export root deps build out architecture sanitizer_seconds
export -f do_build do_tests do_sanitizers do_samples do_pytest do_bench sanitize gpu_programs has_python_headers
export -f run_sample has_module

if [[ $mode == run ]]; then
  say "$(nvidia-smi --query-gpu=name,driver_version --format=csv,noheader 2>/dev/null | head -n 1), $(nproc) CPUs"
fi
run_stages

{
  printf '\n'
  say "Summary, $SECONDS s"
  for line in "${summary[@]}"; do printf '    %-16s %s\n' "${line%%|*}" "${line#*|}"; done
  if ((failed)); then echo "FAILED"; else echo "all that ran passed"; fi
} | tee "$out/summary.txt"
((failed == 0))
