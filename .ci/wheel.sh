#!/usr/bin/env bash
# Builds the source distribution and the wheel from it, and installs the wheel into an empty environment of every
# interpreter on the machine: it has to import there, and to work without NumPy. tests/run.sh comes first: it makes .venv.
set -euo pipefail

# shellcheck source=.ci/setup.sh
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
[[ -x $venv/bin/python ]] || die "there is no .venv: run tests/run.sh first."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$venv/bin/python" -m venv "$work/tools"
"$work/tools/bin/python" -m pip install --quiet 'pip>=24.2' build abi3audit

say "Building the source distribution, and the wheel from it"
"$work/tools/bin/python" -m build --outdir "$work/dist" "$root" >"$work/log" 2>&1 || die "it failed:" "$(cat "$work/log")"
wheel=$(echo "$work"/dist/*.whl)
note "$(basename "$work"/dist/*.tar.gz)" "$(basename "$wheel")"
[[ $wheel == *-cp311-abi3-* ]] || die "$(basename "$wheel") is no abi3 wheel for CPython 3.11 and later."

say "Checking that the module keeps to the stable ABI of 3.11, exports one symbol and needs no C++ runtime library"
"$work/tools/bin/abi3audit" --strict "$wheel"
(cd "$work" && "$work/tools/bin/python" -m zipfile -e "$wheel" "$work/unpacked")
module=$work/unpacked/strideport/_core.abi3.so
[[ $(nm -D --defined-only "$module" | awk '{ print $NF }') == PyInit__core ]] ||
  die "it exports more than PyInit__core:" "$(nm -DC --defined-only "$module")"
! objdump -p "$module" | grep -E 'NEEDED.*(libstdc|libgcc|libpython)' || die "the libraries above are not on every machine."
note "$(stat -c %s "$wheel") bytes"
"$work/tools/bin/python" -c '
import sys
sys.exit(bytes.fromhex("50ed55ba") not in open(sys.argv[1], "rb").read())' "$module" ||
  die "it holds no fat binary of kernels: $(grep -a 'CUDA' "$work/log")"
[[ -e $work/unpacked/strideport/py.typed ]] || die "the wheel lacks py.typed."
compgen -G "$work/unpacked/strideport/*.pyi" >/dev/null || die "the wheel lacks the stubs."

passed=0
while read -r version kind executable; do
  [[ $kind == gil ]] || continue
  "$executable" -m venv --without-pip "$work/$version"
  "$work/tools/bin/python" -m pip --python "$work/$version/bin/python" install --quiet --no-index "$wheel" </dev/null
  (cd "$work" && "$work/$version/bin/python" -c '
import importlib.util, sys
import strideport as sp
assert importlib.util.find_spec("numpy") is None
view = memoryview(sp.asbuffer(bytearray(range(6))).cast("B", (2, 3)).T)
assert view.tolist() == [[0, 3], [1, 4], [2, 5]], view.tolist()
print("    CPython", sys.version.split()[0], "imports strideport", sp.__version__)' </dev/null)
  passed=$((passed + 1))
done < <(every_python)
printf '%d passed, 0 failed\n' "$passed"
((passed > 0))
