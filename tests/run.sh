#!/usr/bin/env bash
# Sets everything up, builds, and runs the tests.
set -euo pipefail

usage() {
  cat <<'HELP'
usage: bash tests/run.sh [--label L]... [--sanitize address|thread] [--no-cuda] [--slow] [--torch]
                         [--fuzz SECONDS] [--help]

Installs what is missing, builds Strideport, and runs the C++ tests (ctest) and the Python tests (pytest), the latter on
the default interpreter and on every CPython of another version, 3.11 or newer, that is on PATH or under pyenv, all with
one and the same module. System packages come through apt-get where root or sudo allows, Python packages into .venv and,
for the other interpreters, .venv-<version>; the CUDA compiler (300 MB from PyPI) into .venv too where the machine has
none. A second run finds everything in place.

  --label L      only tests with this label: cpu, simulated, gpu, python, sample, slow; may be given more than once;
                 those with the label gpu run only if asked for, here or by tests/gpu.sh; python alone builds no C++ test
  --sanitize S   build with a sanitizer, address (with undefined behaviour) or thread: the C++ tests, and under address
                 the Python tests on the default interpreter
  --no-cuda      build without the device side, which needs no CUDA compiler: the C++ tests, and the Python tests on the
                 default interpreter
  --slow         slow tests too, the host engine's built for 64-bit Arm and run under QEMU, and ten minutes of --fuzz
  --fuzz S       nothing but the fuzz targets, all at once and S seconds each, under clang's libFuzzer and sanitizers:
                 a crash is a failure, and its input stays in build/fuzz/crashes; what else they find goes nowhere
  --torch        install PyTorch too (about 5 GB); its tests run anyway where .venv has it
  --help         this text

STRIDEPORT_PYTHON chooses the default interpreter: python3 on PATH otherwise, or the newest that pyenv has.
STRIDEPORT_SEED seeds the random tests, which print the seed that they took, and the fuzzers, whose seed is 1 otherwise;
STRIDEPORT_ROUNDS is how often each random test draws, a tenth of what is usual under a sanitizer.
HELP
}

arguments=("$@")
labels=()
sanitize=
cuda=yes
slow=no
torch=no
fuzz=
bad_usage() {
  printf 'error: %s\n\n' "$1" >&2
  usage >&2
  exit 2
}
while (($#)); do
  case $1 in
    --label) [[ ${2:-} =~ ^(cpu|simulated|gpu|python|sample|slow)$ ]] ||
      bad_usage "--label wants cpu, simulated, gpu, python, sample or slow"
      labels+=("$2") && shift ;;
    --sanitize) [[ ${2:-} =~ ^(address|thread)$ ]] || bad_usage "--sanitize wants address or thread"
      sanitize=$2 && shift ;;
    --no-cuda) cuda=no ;;
    --slow) slow=yes ;;
    --torch) torch=yes ;;
    --fuzz) [[ ${2:-} =~ ^[1-9][0-9]{0,5}$ ]] || bad_usage "--fuzz wants seconds for each target"
      fuzz=$2 && shift ;;
    -h | --help) usage && exit ;;
    *) bad_usage "unknown argument $1" ;;
  esac
  shift
done
[[ -z $sanitize || $cuda == yes ]] || bad_usage "--no-cuda is a build without a sanitizer"
[[ " ${labels[*]} " != *" slow "* ]] || slow=yes
[[ -z $fuzz || ${labels[*]}$sanitize$slow$torch$cuda == nonoyes ]] || bad_usage "--fuzz stands alone"

# shellcheck source=.ci/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/../.ci/setup.sh"

# wants LABEL: whether tests with it are to run.
wants() { ((${#labels[@]} == 0)) || [[ " ${labels[*]} " == *" $1 "* ]]; }

# The host engine's loops for NEON: whole release builds alone, and not where the release is NEON's itself.
emulated=no
if [[ $slow == yes && -z $sanitize && $cuda == yes && $(uname -m) != aarch64 ]] && { wants cpu || wants slow; }; then
  emulated=yes
fi
emulation=()
[[ $emulated == no ]] || emulation=(aarch64_compiler qemu)
fuzzing=()
if [[ $slow == yes && -z $sanitize && $cuda == yes ]] && { wants cpu || wants slow; }; then fuzzing=(clang fuzzer); fi
if [[ -n $fuzz ]]; then
  install_system clang fuzzer cmake ninja python venv highway -- ccache
else
  install_system compiler cmake ninja python venv python_headers googletest highway -- eigen ccache \
    "${emulation[@]}" "${fuzzing[@]}"
fi
make_venv "$venv" "$python"
pip_install "$venv" "$root/tests/requirements.txt"
[[ $cuda == no || -n $fuzz ]] || install_cuda

preset=${sanitize:-release}
[[ $cuda == yes ]] || preset=no-cuda
# Recent kernels spread a program's mappings wider than ThreadSanitizer's shadow memory allows for.
if [[ $sanitize == thread && -z ${STRIDEPORT_UNSPREAD:-} ]] && setarch "$(uname -m)" -R true 2>/dev/null; then
  STRIDEPORT_UNSPREAD=yes exec setarch "$(uname -m)" -R bash "${BASH_SOURCE[0]}" "${arguments[@]}"
fi
# Beside the build, which does not need it.
torch_installation=
if [[ $torch == yes ]]; then
  pip_install "$venv" "$root/.ci/requirements-torch.txt" &
  torch_installation=$!
fi
# Nothing but the module is wanted.
if [[ ${labels[*]} == python ]]; then targets=(strideport_python); fi
[[ -n $fuzz ]] || build "$preset"
[[ -z $torch_installation ]] || wait "$torch_installation" || die "PyTorch could not be installed."

summary=()
passed=0
failed=0
skipped=0

# number_of PATTERN FILE: the number in the last match of PATTERN, or 0.
number_of() { { grep -oE "$1" "$2" || echo 0; } | tail -n 1 | grep -oE '[0-9]+' | head -n 1; }

# count TITLE PASSED FAILED SKIPPED STATUS: a suite that fails without a failed test has failed as a whole.
count() {
  local failures=$3
  if [[ $5 != 0 && $failures == 0 ]]; then failures=1; fi
  passed=$((passed + $2)) failed=$((failed + failures)) skipped=$((skipped + $4))
  summary+=("$(printf '%-36s %6d passed %4d failed %4d skipped' "$1" "$2" "$failures" "$4")")
}

# run_ctest PRESET: its tests with the labels that are wanted.
run_ctest() {
  local log=$root/build/$1/ctest.log status total failures skips
  local -a filter=()
  if ((${#labels[@]})); then filter+=(-L "^($(IFS='|' && echo "${labels[*]}"))\$"); fi
  local -a left_out=()
  [[ $slow == yes ]] || left_out+=(slow)
  [[ " ${labels[*]} " == *" gpu "* ]] || left_out+=(gpu)
  if ((${#left_out[@]})); then filter+=(-LE "^($(IFS='|' && echo "${left_out[*]}"))\$"); fi
  printf '\n'
  say "ctest $1 ${filter[*]}"
  set +e
  ctest --test-dir "$root/build/$1" --output-on-failure --no-tests=ignore -j "$(nproc)" "${filter[@]}" \
    </dev/null 2>&1 | tee "$log" | grep -vE '^ *(Start +[0-9]+:|[0-9]+/[0-9]+ Test .* Passed )'
  status=${PIPESTATUS[0]}
  set -e
  total=$(number_of 'failed out of [0-9]+' "$log")
  failures=$(number_of '[0-9]+ tests? failed out of' "$log")
  skips=$(grep -cE '\((Skipped|Disabled)\)$' "$log" || true)
  count "ctest $1" $((total - failures - skips)) "$failures" "$skips" "$status"
}

# All of the emulated tests have the label cpu and, in this suite, slow.
run_emulated() {
  local -a missing
  mapfile -t missing < <(lacking "${emulation[@]}")
  if ((${#missing[@]})); then
    note "the host engine's tests on 64-bit Arm are left out: they need ${missing[*]}"
    count "ctest aarch64" 0 0 1 0
    return
  fi
  build aarch64
  run_ctest aarch64
}

# run_fuzzers SECONDS: every target that long, all at once, from its corpus and from one seed. A process that crashes is a
# failure, and nothing else is: a fast machine gets further in the time, and what it finds is a mistake all the same. One
# input may take twenty minutes, which no pause of the machine does. Older clangs' AddressSanitizer cannot live with the
# addresses that recent kernels give.
run_fuzzers() {
  local seconds=$1 folder=$root/build/fuzz target name log status
  local seed=$((${STRIDEPORT_SEED:-1} & 0x7fffffff)) found
  local -a missing=() unspread=()
  local -A pids=()
  mapfile -t missing < <(lacking clang fuzzer)
  if ((${#missing[@]})); then
    note "the fuzz targets are left out: they need ${missing[*]}"
    count "fuzz" 0 0 1 0
    return
  fi
  (targets=() && build fuzz)
  if setarch "$(uname -m)" -R true 2>/dev/null; then unspread=(setarch "$(uname -m)" -R); fi
  mkdir -p "$folder/crashes"
  found=$(mktemp -d)
  printf '\n'
  say "Fuzzing for $seconds s with seed $seed"
  for target in "$folder"/tests/fuzz/*_fuzz; do
    name=$(basename "$target" _fuzz)
    mkdir "$found/$name"
    "${unspread[@]}" "$target" -seed="$seed" -max_total_time="$seconds" -max_len=600 -timeout=1200 \
      -report_slow_units=1200 -rss_limit_mb=4096 -print_funcs=0 -print_final_stats=1 \
      -artifact_prefix="$folder/crashes/$name-" "$found/$name" "$root/tests/fuzz/corpus/$name" \
      </dev/null >"$folder/$name.log" 2>&1 &
    pids[$name]=$!
  done
  for name in "${!pids[@]}"; do
    log=$folder/$name.log status=0
    wait "${pids[$name]}" || status=$?
    if [[ $status != 0 ]]; then grep -vE '^(#[0-9]+|INFO:)' "$log" | head -n 60; fi
    note "$name: $(number_of 'number_of_executed_units: [0-9]+' "$log") inputs, $(number_of 'cov: [0-9]+' "$log") edges"
    count "fuzz $name" $((status == 0)) $((status != 0)) 0 "$status"
  done
  rm -rf "$found"
}

# begin_pytest TITLE INTERPRETER [SETTING=VALUE]...: in the background, as soon as fewer run than there are processors.
pytests=()
begin_pytest() {
  local log=$root/build/$preset/pytest-$1.log
  local -a filter=(-m "not slow")
  if [[ $slow == yes ]]; then filter=(--slow); fi
  if [[ ${labels[*]} == slow ]]; then filter+=(-m slow); fi
  while (($(jobs -pr | wc -l) >= $(nproc))); do wait -n || true; done
  say "pytest on CPython $1: begins"
  rm -f "$log.status"
  {
    status=0
    cd "$root" && PYTHONPATH=$root/build/$preset/python PYTHONDONTWRITEBYTECODE=1 env "${@:3}" "$2" -m pytest -q \
      -o cache_dir="$root/build/$preset/pytest-cache-$1" "${filter[@]}" </dev/null >"$log" 2>&1 || status=$?
    printf '%d\n' "$status" >"$log.status"
  } &
  pytests+=("$1")
}

# Waits for those that were begun, and shows each.
end_pytests() {
  local title log
  wait
  for title in "${pytests[@]}"; do
    log=$root/build/$preset/pytest-$title.log
    printf '\n'
    say "pytest on CPython $title"
    cat "$log"
    # The last line is pytest's own: "3 failed, 120 passed, 2 skipped in 4.56s".
    tail -n 1 "$log" >"$log.end"
    count "pytest $title" "$(number_of '[0-9]+ passed' "$log.end")" \
      $(($(number_of '[0-9]+ failed' "$log.end") + $(number_of '[0-9]+ error' "$log.end"))) \
      "$(number_of '[0-9]+ skipped' "$log.end")" "$(<"$log.status")"
  done
}

# begin_free_threaded VERSION INTERPRETER: with a module of its own, since there the Limited API does not serve. Tests
# of packages that do not know such interpreters yet skip themselves.
begin_free_threaded() {
  local folder=$root/build/free-threaded-$1 own=$venv-$1t name dlpack
  local -r find='import importlib.util as u; print(u.find_spec("tvm_ffi").submodule_search_locations[0])'
  make_venv "$own" "$2" --without-pip
  # What has no wheel for such an interpreter would be compiled for half an hour, with all that it needs.
  for name in 'pytest>=8' 'numpy>=1.26' 'ml_dtypes>=0.5'; do
    "$venv/bin/python" -m pip --python "$own/bin/python" install --quiet --only-binary :all: "$name" ||
      note "CPython $1t has no $name: its tests skip themselves there"
  done
  dlpack=$("$venv/bin/python" -c "$find")
  say "Building the module for CPython $1, free-threaded"
  (cd "$root" && cmake --preset release -B "$folder" -DPython3_EXECUTABLE="$own/bin/python" -DSTRIDEPORT_TESTS=OFF \
    -DSTRIDEPORT_SAMPLES=OFF -DDLPACK_INCLUDE_DIR="$dlpack/include") >"$root/build/$preset/configure-$1t.log" 2>&1 &&
    cmake --build "$folder" --target strideport_python || return 1
  begin_pytest "$1t" "$own/bin/python" PYTHONPATH="$folder/python"
}

begin_every_pytest() {
  local default default_kind version kind executable free_threaded=no
  read -r default default_kind executable < <(describe_python "$venv/bin/python")
  begin_pytest "$default" "$venv/bin/python"
  if [[ $default_kind == free-threaded ]]; then
    note "the module was built for the free-threaded CPython $default, which is the default here, and for no other"
    return
  fi
  while read -r version kind executable; do
    [[ "$version $kind" != "$default $default_kind" ]] || continue
    if [[ "${version%.*} $kind" == "${default%.*} $default_kind" ]]; then
      note "CPython $version is left out: $default stands for ${default%.*}"
      continue
    fi
    if [[ $kind == free-threaded ]]; then
      free_threaded=yes
      begin_free_threaded "$version" "$executable" </dev/null || count "pytest ${version}t: no module" 0 1 0 1
    else
      make_venv "$venv-$version" "$executable" --without-pip
      pip_install "$venv-$version" "$root/tests/requirements-other.txt"
      begin_pytest "$version" "$venv-$version/bin/python"
    fi
  done < <(every_python)
  if [[ $free_threaded == no ]]; then
    note "no free-threaded CPython is on PATH or under pyenv: nothing runs on one"
    count "pytest free-threaded: not run" 0 0 1 0
  fi
}

# With NumPy alone beside it: the larger frameworks are not ours to check, and slow to start under a sanitizer. Leaks
# are left to the C++ tests, since the interpreter keeps memory until it ends.
begin_sanitized_pytest() {
  local library standard
  make_venv "$venv-address" "$python" --without-pip
  pip_install "$venv-address" "$root/tests/requirements-other.txt"
  library=$("${CXX:-c++}" -print-file-name=libasan.so)
  # The interpreter is C: without this the sanitizer looks for __cxa_throw before there is one, and ends at the first throw.
  standard=$("${CXX:-c++}" -print-file-name=libstdc++.so.6)
  if [[ $library != /* ]]; then
    note "the Python tests are left out: $library of ${CXX:-c++} cannot be loaded into an interpreter"
    return
  fi
  begin_pytest "$(describe_python "$python" | cut -d' ' -f1) with AddressSanitizer" "$venv-address/bin/python" \
    LD_PRELOAD="$library $standard" ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 PYTHONMALLOC=malloc
}

# What ran, in one table; fails where a test did.
finish() {
  local line
  printf '\n'
  say "Tests"
  for line in "${summary[@]}"; do note "$line"; done
  printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
  ((passed > 0)) || die "no test ran: nothing has the label ${labels[*]}."
  ((failed == 0))
}

if [[ -n $fuzz ]]; then
  run_fuzzers "$fuzz"
  finish
  exit
fi

# Under a sanitizer both take long, and neither measures time: side by side.
python_wanted=no
if wants python || wants slow; then python_wanted=yes; fi
if [[ $sanitize == address && $python_wanted == yes ]]; then begin_sanitized_pytest; fi
run_ctest "$preset"
[[ $emulated == no ]] || run_emulated
((${#fuzzing[@]} == 0)) || run_fuzzers 600
if [[ $sanitize == thread ]]; then
  note "the Python tests are left out: an interpreter built without ThreadSanitizer hides the order of its locks"
elif [[ -z $sanitize && $cuda == no ]]; then
  if [[ $python_wanted == yes ]]; then
    # What says nothing of devices is left to the other builds.
    begin_pytest "$(describe_python "$python" | cut -d' ' -f1) without CUDA" "$venv/bin/python" \
      PYTEST_ADDOPTS="--ignore=tests/interpose --ignore-glob=*/test_conformance_*.py --ignore-glob=*/test_exchange_*.py"
  fi
elif [[ -z $sanitize ]]; then
  publish "$preset"
  if [[ $python_wanted == yes ]]; then begin_every_pytest; fi
  "$venv/bin/python" -c 'import torch' 2>/dev/null ||
    note "tests of exchange with PyTorch skipped themselves: 'bash tests/run.sh --torch' installs it (about 5 GB)"
fi
end_pytests
finish
