# shellcheck shell=bash
# For the run.sh of samples, tests and bench, which source it: finds an interpreter, installs what is missing, builds.
#
# Whatever it does comes twice as a check: what is there is left alone, and what was installed is looked for again.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$root/.venv
python=
readonly root venv

# A clone in another folder finds what an earlier one compiled.
export CCACHE_BASEDIR=${CCACHE_BASEDIR:-$root} CCACHE_NOHASHDIR=${CCACHE_NOHASHDIR:-1}
# The packages of the caller's own environment must not stand in for those that we install.
unset PYTHONPATH PYTHONHOME
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1

say() { printf '==> %s\n' "$*"; }
note() { printf '    %s\n' "$*"; }
die() {
  printf 'error: %s\n' "$1" >&2
  shift
  (($# == 0)) || printf '       %s\n' "$@" >&2
  exit 1
}

# --- Interpreters ----------------------------------------------------------------------------------------------------

# describe_python EXE: "VERSION free-threaded|gil PATH" for a CPython of 3.11 or newer; fails for anything else.
describe_python() {
  "$1" -I -c '
import os, sys, sysconfig
if sys.implementation.name != "cpython" or sys.version_info < (3, 11): sys.exit(1)
kind = "free-threaded" if sysconfig.get_config_var("Py_GIL_DISABLED") else "gil"
print(sys.version.split()[0].rstrip("+"), kind, os.path.realpath(sys.executable))' 2>/dev/null
}

# every_python: one line of describe_python for each version on PATH and under pyenv.
every_python() {
  local directory candidate
  local -a directories
  IFS=: read -r -a directories <<<"$PATH"
  {
    for directory in "${directories[@]}"; do
      for candidate in "$directory"/python3 "$directory"/python3.[0-9][0-9] "$directory"/python3.[0-9][0-9]t; do
        [[ ! -x $candidate ]] || describe_python "$candidate" || true
      done
    done
    for candidate in "${PYENV_ROOT:-${HOME:-/nonexistent}/.pyenv}"/versions/*/bin/python3; do
      [[ ! -x $candidate ]] || describe_python "$candidate" || true
    done
  } | sort -u -k1,2
}

# Sets `python`: STRIDEPORT_PYTHON, else python3 on PATH, else the newest there is; empty where there is none.
choose_python() {
  if [[ -n ${STRIDEPORT_PYTHON:-} ]]; then
    python=$(command -v "$STRIDEPORT_PYTHON") || true
    describe_python "$python" >/dev/null ||
      die "STRIDEPORT_PYTHON=$STRIDEPORT_PYTHON is no CPython of 3.11 or newer."
  elif describe_python python3 >/dev/null; then
    python=$(describe_python python3 | cut -d' ' -f3-)
  else
    python=$(every_python | sort -V | grep ' gil ' | tail -n 1 | cut -d' ' -f3-) || true
  fi
}

# --- System packages -------------------------------------------------------------------------------------------------

has_compiler() {
  printf '#include <span>\nint main() { return sizeof(std::span<int>) == 0; }\n' |
    "${CXX:-c++}" -std=c++20 -x c++ -fsyntax-only - >/dev/null 2>&1
}
has_cmake() {
  local version
  version=$(cmake --version 2>/dev/null | sed -n '1s/[^0-9]*//p') && [[ -n $version ]] &&
    [[ $(printf '%s\n' 3.25 "$version" | sort -V | head -n 1) == 3.25 ]]
}
has_ninja() { command -v ninja >/dev/null || command -v ninja-build >/dev/null; }
has_python() { [[ -n $python ]]; }
has_venv() { has_python && "$python" -I -c 'import ensurepip, venv' 2>/dev/null; }
has_python_headers() {
  has_python && "$python" -I -c '
import os, sys, sysconfig
sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))'
}
has_header() { printf '#include <%s>\n' "$1" | "${CXX:-c++}" -std=c++20 -x c++ -E - >/dev/null 2>&1; }
has_googletest() { has_header gtest/gtest.h; }
has_googlebenchmark() { has_header benchmark/benchmark.h; }
has_highway() { has_header hwy/highway.h; }
has_eigen() { [[ -e /usr/include/eigen3/Eigen/Core || -e /usr/local/include/eigen3/Eigen/Core ]]; }
has_ccache() { command -v ccache >/dev/null; }
# libFuzzer and its sanitizers, for the fuzz targets.
has_clang() { command -v clang++ >/dev/null; }
has_fuzzer() {
  local program status=0
  has_clang || return 1
  program=$(mktemp)
  printf '#include <span>\nextern "C" int LLVMFuzzerTestOneInput(const unsigned char*, std::size_t) { return 0; }\n' |
    clang++ -std=c++20 -fsanitize=fuzzer,address,undefined -x c++ - -o "$program" >/dev/null 2>&1 || status=1
  rm -f "$program"
  return "$status"
}
# For the tests of NEON on other machines than Arm's.
has_aarch64_compiler() { command -v aarch64-linux-gnu-g++ >/dev/null; }
has_qemu() { command -v qemu-aarch64-static >/dev/null || command -v qemu-aarch64 >/dev/null; }

# The Debian and Ubuntu package behind each check.
package_of() {
  case $1 in
    compiler) echo g++ ;;
    cmake) echo cmake ;;
    ninja) echo ninja-build ;;
    python) echo python3 ;;
    venv) echo python3-venv ;;
    python_headers) echo python3-dev ;;
    googletest) echo libgtest-dev ;;
    googlebenchmark) echo libbenchmark-dev ;;
    highway) echo libhwy-dev ;;
    eigen) echo libeigen3-dev ;;
    ccache) echo ccache ;;
    clang) echo clang ;;
    fuzzer) echo libclang-rt-dev ;;
    aarch64_compiler) echo g++-aarch64-linux-gnu ;;
    qemu) echo qemu-user-static ;;
  esac
}

# lacking NAME...: the names whose check fails.
lacking() {
  local name
  for name in "$@"; do "has_$name" || echo "$name"; done
}

packages_of() {
  local name
  for name in "$@"; do package_of "$name"; done | sort -u
}

run_as_root() {
  if [[ $(id -u) == 0 ]]; then "$@"; else sudo -n "$@"; fi
}
can_be_root() { [[ $(id -u) == 0 ]] || { command -v sudo >/dev/null && sudo -n true 2>/dev/null; }; }

# install_system NEEDED... -- USEFUL...: installs what is missing of both. Without the right to, stops with the line to
# type where something needed is missing, and goes on where only something useful is.
install_system() {
  local -a needed=() useful=() packages=()
  while (($#)) && [[ $1 != -- ]]; do needed+=("$1") && shift; done
  (($# == 0)) || useful=("${@:2}")
  choose_python
  mapfile -t needed < <(lacking "${needed[@]}")
  mapfile -t useful < <(lacking "${useful[@]}")
  mapfile -t packages < <(packages_of "${needed[@]}" "${useful[@]}")
  ((${#packages[@]})) || return 0

  if command -v apt-get >/dev/null && can_be_root; then
    say "Installing system packages: ${packages[*]}"
    run_as_root apt-get update -qq || note "apt-get update had errors; trying with the lists that there are"
    run_as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" \
      >"$root/.apt.log" 2>&1 || note "apt-get install failed, its last lines are:" "$(tail -n 5 "$root/.apt.log")"
    rm -f "$root/.apt.log"
    hash -r
    choose_python
    mapfile -t needed < <(lacking "${needed[@]}")
    ((${#needed[@]} == 0)) || die "still missing after the installation: ${needed[*]}."
  elif ((${#needed[@]})); then
    if command -v apt-get >/dev/null; then
      die "missing on this machine: ${needed[*]}. There is no right to install it here, so type this as root:" "" \
        "apt-get update && apt-get install -y --no-install-recommends ${packages[*]}" "" "and start this script again."
    fi
    die "missing on this machine: ${needed[*]}. Install what your system calls these Debian packages, and start this" \
      "script again: ${packages[*]}"
  else
    note "not here, and not needed: ${useful[*]} (as root: apt-get install ${packages[*]})"
  fi
}

# --- Python packages -------------------------------------------------------------------------------------------------

# make_venv FOLDER EXE [OPTION...]: the virtual environment, made again where it is broken or another version's.
make_venv() {
  local folder=$1 interpreter=$2 wanted
  wanted=$(describe_python "$interpreter")
  if [[ -e $folder/.strideport-made && $(<"$folder/.strideport-made") == "$wanted" ]] &&
    "$folder/bin/python" -c '' 2>/dev/null; then
    return
  fi
  say "Making ${folder##*/} for $interpreter"
  "$interpreter" -m venv --clear "${@:3}" "$folder"
  printf '%s\n' "$wanted" >"$folder/.strideport-made"
}

# pip_install FOLDER FILE: installs a requirements file with the pip of .venv, once for each content of the file.
pip_install() {
  local folder=$1 file=$2 stamp key
  stamp=$folder/.strideport-$(basename "$file")
  key=$(sha256sum <"$file")
  [[ ! -e $stamp || $(<"$stamp") != "$key" ]] || return 0
  say "Installing ${file#"$root"/} into ${folder##*/}"
  "$venv/bin/python" -m pip --python "$folder/bin/python" install --quiet --requirement "$file" || return 1
  printf '%s\n' "$key" >"$stamp"
}

# --- CUDA compiler ----------------------------------------------------------------------------------------------------

# has_toolkit: whether the build's own search finds a CUDA toolkit on this machine, Python's packages left aside.
has_toolkit() { cmake -DPython3_EXECUTABLE=/bin/false -P "$root/cmake/find_cuda.cmake" >/dev/null 2>&1; }

# install_cuda: nvcc from PyPI into .venv, where the machine has no toolkit. What it compiles needs no GPU to be compiled.
install_cuda() {
  if ! has_toolkit; then
    note "no CUDA toolkit on this machine: its compiler comes from PyPI, which takes 300 MB"
    pip_install "$venv" "$root/.ci/requirements-cuda.txt"
  fi
}

# --- Build -----------------------------------------------------------------------------------------------------------

# build PRESET [cmake arguments]: configures and builds; what `targets` names alone, where it names any.
targets=()
build() {
  local preset=$1 log=$root/build/$1/configure.log
  shift
  say "Building: cmake --preset $preset"
  mkdir -p "$root/build/$preset"
  (cd "$root" && cmake --preset "$preset" -DPython3_EXECUTABLE="$venv/bin/python" "$@") >"$log" 2>&1 ||
    die "cmake --preset $preset failed:" "$(cat "$log")"
  grep -E '^-- (CUDA|DLPack|Highway|GoogleTest|Google Benchmark|Sample|Python) ' "$log" | sed 's/^-- /    /' || true
  (cd "$root" && cmake --build --preset "$preset" ${targets[0]:+--target "${targets[@]}"})
}

# publish PRESET: `python -c "import strideport"` works in .venv, on the package of that build.
publish() {
  "$venv/bin/python" -c '
import pathlib, sys, sysconfig
path = pathlib.Path(sysconfig.get_path("purelib"), "strideport-build.pth")
path.write_text(sys.argv[1] + "\n")' "$root/build/$1/python"
}
