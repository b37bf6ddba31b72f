"""Owners of device memory: kept until the work queued on it is done, let go exactly once, from whatever thread."""

import gc
import signal
import sys
import threading
import weakref

import pytest
import strideport as sp
from support import dlpack as dl
from support.children import run_python
from support.devices import each_device, each_place, needs_devices, wait_until_gone
from support.dlpack import Producer, Taken, Tensor

pytestmark = needs_devices

SIZE = 1 << 20


class Owner:
    """Weakly referenceable; holds the memory that it owns."""

    def __init__(self, memory):
        self.memory = memory


def owned(place, size=SIZE):
    """(a Buffer that an Owner owns, a weak reference to the Owner)."""
    owner = Owner(sp.empty(size, "uint8", device=place))
    sp.copy(owner.memory, bytes(size))
    buffer = sp.from_pointer(owner.memory.ptr, size, "uint8", device=place, owner=owner)
    return buffer, weakref.ref(owner)


@each_place
def test_an_owner_lives_as_long_as_its_buffers(place):
    buffer, owner = owned(place)
    view = buffer[10:20]
    del buffer
    gc.collect()
    assert owner() is not None and view.obj is owner() and view.tobytes() == bytes(10)
    view.release()
    assert wait_until_gone(owner)


@each_device
def test_an_owner_outlives_the_work_that_is_queued_on_its_memory(device):
    """What reads the memory was queued before the last reference went: the result is right, and then the owner goes."""
    stream = sp.Stream(device)
    for _ in range(10):
        buffer, owner = owned(device)
        target = sp.empty(SIZE, "uint8", device=device)
        sp.copy(buffer, bytes(range(256)) * (SIZE // 256), stream)
        for _ in range(4):
            sp.copy(target, buffer, stream)
        del buffer
        gc.collect()
        stream.synchronize()
        assert target.tobytes() == bytes(range(256)) * (SIZE // 256)
        assert wait_until_gone(owner)


@each_device
def test_a_destination_outlives_the_work_too(device):
    stream = sp.Stream(device)
    references = []
    for _ in range(20):
        buffer, owner = owned(device)
        sp.copy(buffer, sp.empty(SIZE, "uint8", device=device, stream=stream), stream)
        references.append(owner)
        del buffer
    stream.synchronize()
    assert all(wait_until_gone(owner) for owner in references)


@each_device
def test_pinned_sources_outlive_the_work(device):
    pinned = f"{device.partition(':')[0]}_host"
    stream = sp.Stream(device)
    data = bytes(range(256)) * (SIZE // 256)
    for _ in range(10):
        source, owner = owned(pinned)
        source[...] = data
        target = source.to(device, stream=stream)
        del source
        gc.collect()
        assert target.tobytes() == data
        assert wait_until_gone(owner)


@each_device
def test_memory_of_ours_is_not_reused_while_work_reads_it(device):
    """Freed and taken anew at once, on another stream: stream order alone protects the first user."""
    first, second = sp.Stream(device), sp.Stream(device)
    for i in range(20):
        buffer = sp.empty(SIZE, "uint8", device=device, stream=first)
        sp.copy(buffer, bytes([i]) * SIZE, first)
        target = sp.empty(SIZE, "uint8", device=device)
        sp.copy(target, buffer, first)
        del buffer
        other = sp.empty(SIZE, "uint8", device=device, stream=second)
        sp.copy(other, b"\xff" * SIZE, second)
        assert target.tobytes() == bytes([i]) * SIZE


@each_device
def test_dlpack_tensors_are_deleted_once_after_the_work(device):
    memory = sp.empty(SIZE, "uint8", device=device)
    where = memory.__dlpack_device__()
    stream = sp.Stream(device)
    for versioned in (True, False):
        tensor = Tensor(shape=(SIZE,), dtype=(dl.UINT, 8, 1), device=where, data=memory.ptr, versioned=versioned)
        done = threading.Event()
        count = tensor._count
        tensor._deleter = dl.Deleter(lambda address, count=count, done=done: (count(address), done.set()))
        tensor.managed.deleter = tensor._deleter
        buffer = sp.from_dlpack(Producer(tensor, device=where))
        target = sp.empty(SIZE, "uint8", device=device)
        for _ in range(5):
            sp.copy(target, buffer, stream)
        del buffer
        gc.collect()
        assert done.wait(60)
        assert tensor.deleted == 1 and stream is not None


@each_place
def test_exports_keep_the_owner(place):
    buffer, owner = owned(place)
    out = Taken(buffer.__dlpack__(max_version=(1, 0)))
    del buffer
    gc.collect()
    assert owner() is not None
    out.delete()
    assert wait_until_gone(owner)
    buffer, owner = owned(place)
    capsule = buffer.__dlpack__(max_version=(1, 0))
    del buffer, capsule
    assert wait_until_gone(owner)


@each_device
def test_deleters_run_on_any_thread_without_the_gil(device):
    buffer, owner = owned(device)
    out = Taken(buffer.__dlpack__(max_version=(1, 0)))
    del buffer
    thread = threading.Thread(target=out.delete)
    thread.start()
    thread.join()
    assert wait_until_gone(owner)


@each_device
def test_an_error_indicator_survives_the_owner(device):
    class Angry(Owner):
        def __del__(self):
            fell.append(1)
            raise ValueError("in __del__")

    fell = []
    hook, sys.unraisablehook = sys.unraisablehook, lambda info: None
    try:
        owner = Angry(sp.empty(16, "uint8", device=device))
        buffer = sp.from_pointer(owner.memory.ptr, 16, "uint8", device=device, owner=owner)
        del owner
        with pytest.raises(KeyError, match="mine"):
            try:
                raise KeyError("mine")
            finally:
                del buffer
                gc.collect()
        assert fell == [1]
    finally:
        sys.unraisablehook = hook


@each_device
def test_a_crash_of_an_owner_is_told_by_the_thread_that_waits_for_devices(device):
    """It blocks signals, but not its own faults. A copy that is done before its owner goes is made again."""
    code = f"""
    import ctypes, threading
    import strideport as sp

    class Owner:
        def __del__(self):
            if threading.get_ident() != main:
                ctypes.string_at(0)
            gone.set()

    def made_by_another_thread():  # without a GIL an object's end waits for the thread that made it, if that lives
        owners = []
        maker = threading.Thread(target=lambda: owners.append(Owner()))
        maker.start()
        maker.join()
        return owners.pop()

    main, stream = threading.get_ident(), sp.Stream({device!r})
    memory, target = (sp.empty({1 << 26}, "uint8", device={device!r}) for _ in range(2))
    for _ in range(1000):
        gone, owner = threading.Event(), made_by_another_thread()
        buffer = sp.from_pointer(memory.ptr, memory.nbytes, "uint8", device={device!r}, owner=owner)
        del owner
        sp.copy(target, buffer, stream)
        del buffer
        gone.wait()
    """
    result = run_python(code, check=False)
    told = result.returncode == -signal.SIGSEGV and "Segmentation fault" in result.stderr
    assert told or "AddressSanitizer" in result.stderr, f"exit {result.returncode}: {result.stderr}"


@each_device
def test_cycles_with_pending_work_are_collected_after_it(device):
    """A cycle through the owner is no garbage to be torn down while a copy reads its memory."""
    stream = sp.Stream(device)
    references = []
    for _ in range(5):
        buffer, owner = owned(device)
        owner().cycle = buffer
        target = sp.empty(SIZE, "uint8", device=device)
        for _ in range(3):
            sp.copy(target, buffer, stream)
        references.append(owner)
        del buffer
        gc.collect()
    stream.synchronize()
    assert all(wait_until_gone(owner) for owner in references)


@each_device
def test_cycles_that_an_export_holds_are_kept(device):
    buffer, owner = owned(device)
    owner().cycle = buffer
    out = Taken(buffer.__dlpack__(max_version=(1, 0)))
    del buffer
    gc.collect()
    assert owner() is not None and owner().memory.nbytes == SIZE
    out.delete()
    assert wait_until_gone(owner)


@each_place
def test_nothing_leaks_over_many_rounds(place):
    buffer, owner = owned(place, 256)
    before = sys.getrefcount(owner())
    for _ in range(300):
        view = buffer[1:]
        view[3]
        view.to("cpu", copy=True)
        view.contiguous()
        sp.copy(view, view)
        Taken(view.__dlpack__(max_version=(1, 0))).delete()
        view == view[::-1]  # noqa: B015
        try:
            view.__cuda_array_interface__
        except AttributeError:
            pass
        view.release()
    after = sys.getrefcount(owner())
    assert after == before


@each_device
def test_allocations_come_back(device):
    """The device would be full many times over."""
    info = sp.device_info(device)
    size = info["total_bytes"] // 4
    if size > 1 << 30:
        size = 1 << 28
    for _ in range(12):
        buffer = sp.empty(size, "uint8", device=device)
        buffer[0] = 1
        del buffer


@each_device
def test_context_managers_end_the_use(device):
    buffer, owner = owned(device)
    with buffer as entered:
        assert entered is buffer and buffer[0] == 0
    assert wait_until_gone(owner)
    with pytest.raises(ValueError):
        buffer.tolist()
