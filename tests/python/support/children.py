"""Python in a child process, with the same import path as this one."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap


def run_python(code: str, *, timeout: float = 600, check: bool = True, **env: str) -> subprocess.CompletedProcess:
    """Runs `code`. Errors on exit, warnings on stderr and crashes are for the caller to see; a failure raises."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p), **env}
    result = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=timeout,
    )
    if check:
        assert result.returncode == 0, f"exit {result.returncode}\n{result.stdout}\n{result.stderr}"
    return result
