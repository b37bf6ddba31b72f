"""Large host memory: freed, it is kept for the next Buffer, and trim_host gives it back."""

from __future__ import annotations

import os
import pathlib
import threading

import strideport as sp

MIB = 1 << 20


def resident_bytes() -> int:
    return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def used_and_freed(size: int) -> int:
    """What is resident while a Buffer of so many bytes is written."""
    buffer = sp.empty(size, "uint8")
    sp.copy(buffer, sp.asbuffer(bytes(size)))
    return resident_bytes()


def test_trim_host_gives_memory_back():
    sp.trim_host()
    used = used_and_freed(64 * MIB)
    assert sp.trim_host() is None
    assert resident_bytes() < used - 32 * MIB


def test_trim_host_leaves_buffers_alone():
    buffers = [sp.asbuffer(bytes([i]) * (6 * MIB)).to("cpu", copy=True) for i in range(3)]
    used_and_freed(6 * MIB)
    sp.trim_host()
    for i, buffer in enumerate(buffers):
        assert buffer.tobytes() == bytes([i]) * (6 * MIB)


def test_trim_host_runs_beside_copies():
    source = sp.asbuffer(bytes(range(256)) * (20 << 10))[::-1]
    stop = threading.Event()

    def trim():
        while not stop.is_set():
            sp.trim_host()

    trimmer = threading.Thread(target=trim)
    trimmer.start()
    try:
        for _ in range(20):
            assert source.contiguous()[:256].tobytes() == bytes(range(255, -1, -1))
    finally:
        stop.set()
        trimmer.join()
