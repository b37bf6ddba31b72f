"""Devices for the tests: the simulated one wherever the build has a device side, and a GPU where there is one.

conftest.py asks for two simulated devices. A test says `@needs_devices` and takes the fixture-like parameters below.
"""

from __future__ import annotations

import gc
import os
import weakref
from threading import Event

import pytest
import strideport as sp

KINDS = [kind for kind in ("simulated", "cuda") if sp.why_no_device(kind) is None]
needs_devices = pytest.mark.skipif(not KINDS, reason=f"there is no device: {sp.why_no_device('simulated')}")
if os.environ.get("STRIDEPORT_REQUIRE_GPU") == "1":
    assert "cuda" in KINDS, sp.why_no_device("cuda")

DEVICES = [device for device in sp.devices() if device != "cpu"]  # "simulated:0", "simulated:1", "cuda:0", ...
FIRST = [f"{kind}:0" for kind in KINDS]
HOSTS = [f"{kind}_host:0" for kind in KINDS]  # pinned memory
MANAGED = [f"{kind}_managed:0" for kind in KINDS]
PLACES = ["cpu", *DEVICES, *HOSTS, *MANAGED]

each_device = pytest.mark.parametrize("device", FIRST)
each_place = pytest.mark.parametrize("place", PLACES)


def kind_of(place: str) -> str | None:
    """The driver that knows a place; None for plain host memory."""
    name = place.split(":")[0]
    return None if name == "cpu" else name.removesuffix("_host").removesuffix("_managed")


def reach_each_other(*places: str) -> bool:
    """Copies go between any two places of one driver, and between each and the host."""
    return len({kind_of(place) for place in places} - {None}) <= 1


def pairs() -> list[tuple[str, str]]:
    return [(a, b) for a in PLACES for b in PLACES if reach_each_other(a, b)]


def other_device(device: str) -> str:
    """Another device of the same driver, or a skip."""
    for candidate in DEVICES:
        if candidate != device and kind_of(candidate) == kind_of(device):
            return candidate
    pytest.skip(f"there is no other device beside {device}")


def wait_until_gone(reference: weakref.ref) -> bool:
    """True once nobody refers to the object any more; the thread that waits for devices may be the last to let go.
    Without a GIL the object goes then when the thread that made it, this one, runs Python again: it wakes up to."""
    gone = Event()
    finalizer = weakref.finalize(target, gone.set) if (target := reference()) is not None else None
    del target
    gc.collect()
    return finalizer is None or any(gone.wait(0.1) for _ in range(600))
