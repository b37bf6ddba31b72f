"""NumPy's own test_dlpack with Strideport in between, in a process of its own: it stands in for the module numpy."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("numpy_dlpack.py")


def test_numpys_suite_differs_exactly_as_listed():
    run = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True, env=os.environ, timeout=600)
    if run.returncode == 77:
        pytest.skip(run.stdout.strip())
    print(run.stdout)
    assert run.returncode == 0, run.stdout + run.stderr
    lines = re.findall(r"(\w+): (\d+) cases of \d+ tests, (\d+) listed.*, (\d+) not listed; (\d+) calls", run.stdout)
    found = {place: tuple(map(int, numbers)) for place, *numbers in lines}
    assert set(found) == {"producer", "consumer", "between", "nowhere"}
    for place, (cases, listed, others, calls) in found.items():
        assert cases >= 40 and others == 0 and listed <= 6
        assert (calls == 0) == (place == "nowhere")
    assert found["between"][1] == found["nowhere"][1] == 0
