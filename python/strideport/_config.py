"""What this installation is and what it finds. Imports no framework: their versions come from their metadata."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from typing import Any, Literal

from strideport import _core

__all__ = ["show_config"]

# Distribution names, in the order in which they are shown.
_FRAMEWORKS = {
    "numpy": ("numpy",),
    "ml_dtypes": ("ml-dtypes",),
    "torch": ("torch",),
    "jax": ("jax",),
    "cupy": ("cupy", "cupy-cuda13x", "cupy-cuda12x", "cupy-cuda11x", "cupy-rocm-5-0"),
    "pyarrow": ("pyarrow",),
    "tensorflow": ("tensorflow", "tensorflow-cpu"),
    "mlx": ("mlx",),
    "paddle": ("paddlepaddle", "paddlepaddle-gpu"),
    "tvm_ffi": ("apache-tvm-ffi",),
    "pillow": ("pillow",),
    "opencv": ("opencv-python", "opencv-python-headless"),
    "numba": ("numba",),
}


def _version(distributions: tuple[str, ...]) -> str | None:
    for name in distributions:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None


def config() -> dict[str, Any]:
    """Everything that `show_config` prints, as plain values that JSON can carry."""
    build = dict(_core._build_info())
    return {
        "strideport": build.pop("version"),
        "build": build,
        "python": {
            "version": platform.python_version(),
            "implementation": platform.python_implementation(),
            "executable": sys.executable,
        },
        "machine": {
            "system": f"{platform.system()} {platform.release()}",
            "architecture": platform.machine(),
            "cpus": os.cpu_count(),
        },
        "devices": _devices(),
        "threads": {"used": _core.num_threads(), "STRIDEPORT_THREADS": os.environ.get("STRIDEPORT_THREADS")},
        "frameworks": {name: _version(distributions) for name, distributions in _FRAMEWORKS.items()},
    }


def _devices() -> dict[str, Any]:
    """What drivers say of each device, and for each kind of device that is missing, why."""
    found: dict[str, Any] = {name: dict(_core.device_info(name)) for name in _core.devices()}
    found.update({kind: reason for kind in ("cuda", "simulated") if (reason := _core.why_no_device(kind))})
    return found


def _device_text(entry: dict[str, Any]) -> str:
    """One device in a line."""
    size = f"{entry['total_bytes'] / 2**30:.1f} GiB"
    if entry["compute_capability"] is None:
        return size
    kind = "simulated in host memory, no GPU; " if entry["simulated"] else ""
    capability = ".".join(map(str, entry["compute_capability"]))
    return f"{entry['name']} ({kind}{size}, compute capability {capability}, driver {entry['driver_version']})"


def text() -> str:
    """`config` for people: a fact a line, sections indented."""
    lines = []
    for key, value in config().items():
        if isinstance(value, dict):
            lines.append(f"{key}:")
            lines += [f"  {name}: {_word(entry)}" for name, entry in value.items()]
        else:
            lines.append(f"{key}: {_word(value)}")
    return "\n".join(lines)


def _word(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, dict):
        return _device_text(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def show_config(mode: Literal["stdout", "dicts"] = "stdout") -> dict[str, Any] | None:
    """Shows versions, devices, threads, and the frameworks found beside this package.

    Parameters
    ----------
    mode : {'stdout', 'dicts'}
        Whether to print, or to return, what there is to say.

    Returns
    -------
    dict or None
        None for 'stdout'.

    Raises
    ------
    ValueError
        For another mode.
    """
    if mode == "dicts":
        return config()
    if mode != "stdout":
        raise ValueError(f"mode must be 'stdout' or 'dicts', not {mode!r}")
    print(text())
    return None
