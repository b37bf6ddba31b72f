"""Hooks that meddle: objects that run an action of the test's when a protocol of theirs is asked, then answer well."""

from __future__ import annotations

import ctypes
import gc

import pytest
import strideport as sp

from support import dlpack as dl
from support import protocols as by
from support.dlpack import Producer, Tensor
from support.elements import HERE
from support.peers import needs_pep688
from support.protocols import Memory, exchanging_type

DOCUMENTED = (TypeError, ValueError, BufferError, IndexError, OverflowError, AttributeError, sp.DeviceError)
UINT8 = next(e for e in HERE if e.name == "uint8")
GOOD = bytes([1, 2, 3, 4])


class Mine(Exception):
    """What a hook raises: it must come through, unless the operation asks another protocol next."""


def good_memory():
    return Memory(UINT8, (4,), (1,), (ctypes.c_uint8 * 4)(*GOOD))


# Hooks: each gives an object that runs `action` when it is asked, then answers well -----------------------------------


def with_buffer(action):
    class Evil:
        def __buffer__(self, flags):
            action()
            return memoryview(bytearray(GOOD))

    return Evil()


def with_release(action):
    class Evil:
        def __buffer__(self, flags):
            return memoryview(bytearray(GOOD))

        def __release_buffer__(self, view):
            action()

    return Evil()


def with_dlpack(action):
    kept = good_memory()

    class Evil:
        def __dlpack__(self, **keywords):
            action()
            return kept.tensor(True).capsule

        def __dlpack_device__(self):
            return (dl.CPU, 0)

    return Evil()


def with_device(action):
    kept = good_memory()

    class Evil:
        def __dlpack__(self, **keywords):
            return kept.tensor(True).capsule

        def __dlpack_device__(self):
            action()
            return (dl.CPU, 0)

    return Evil()


def with_table(action):
    kept = good_memory()

    def from_object(obj, out):
        try:
            action()
        except Exception:
            return -1  # without an error set: ctypes cannot
        out[0] = ctypes.addressof(kept.tensor(True).managed)
        return 0

    kind = exchanging_type(from_object=from_object)
    kind.tensor = lambda self: kept.tensor(True)
    return kind()


def with_deleter(action):
    """Runs when the import is let go."""
    tensor = Tensor(bytearray(GOOD), (4,), dtype=UINT8.dlpack)
    count = tensor._count

    def delete(address):
        try:
            count(address)
            action()
        except (RecursionError, ValueError, BufferError):
            pass

    tensor._count = delete
    tensor._deleter = dl.Deleter(delete)
    tensor.managed.deleter = tensor._deleter
    by._held.append(tensor)
    return Producer(tensor)


def with_interface(action):
    kept = good_memory()

    class Evil:
        @property
        def __array_interface__(self):
            action()
            return by.Interface(kept).__array_interface__

    return Evil()


def with_interface_items(action):
    """Every value of the dictionary is evil itself."""
    kept = good_memory()

    class Number(int):
        def __index__(self):
            action()
            return int(self)

    class Dictionary(dict):
        def __getitem__(self, key):
            action()
            return dict.__getitem__(self, key)

        def get(self, key, default=None):
            action()
            return dict.get(self, key, default)

    class Evil:
        table = by.Interface(kept).__array_interface__
        table["shape"] = (Number(4),)
        table["strides"] = (Number(1),)
        table["data"] = (Number(kept.address), False)
        __array_interface__ = Dictionary(table)
        keep = kept

    return Evil()


def with_struct(action):
    kept = by.Struct(good_memory())

    class Evil:
        @property
        def __array_struct__(self):
            action()
            return kept.__array_struct__

    return Evil()


def with_cuda(action):
    class Evil:
        @property
        def __cuda_array_interface__(self):
            action()
            return {"version": 3, "typestr": "|u1", "shape": (4,), "data": (good_memory().address, False)}

    return Evil()


def with_getattr(action):
    class Evil:
        def __getattr__(self, name):
            action()
            raise AttributeError(name)

    return Evil()


HOOKS = {
    "__buffer__": pytest.param(with_buffer, marks=needs_pep688, id="__buffer__"),
    "__release_buffer__": pytest.param(with_release, marks=needs_pep688, id="__release_buffer__"),
    **{
        name: pytest.param(hook, id=name)
        for name, hook in {
            "__dlpack__": with_dlpack,
            "__dlpack_device__": with_device,
            "exchange table": with_table,
            "deleter": with_deleter,
            "__array_interface__": with_interface,
            "values of the interface": with_interface_items,
            "__array_struct__": with_struct,
            "__cuda_array_interface__": with_cuda,
            "__getattr__": with_getattr,
        }.items()
    },
}


class World:
    """A buffer over memory that may be resized once nobody holds it, and what the hooks do to it."""

    def __init__(self):
        self.memory = bytearray(b"abcd")
        self.buffer = sp.asbuffer(self.memory)
        self.calls = 0

    def release(self):
        self.buffer.release()
        try:
            self.memory.clear()
            self.memory.extend(b"\xff" * 64)
        except BufferError:
            pass  # somebody holds it still, who may use it

    def resize(self):
        with pytest.raises(BufferError):
            self.memory.append(1)

    def again(self):
        """Once: the hook is asked by what it calls."""
        self.calls += 1
        if self.calls < 5:
            assert self.buffer.tobytes()
            sp.asbuffer(bytearray(self.memory))[::-1].contiguous()
            sp.from_dlpack(self.buffer)

    def collect(self):
        gc.collect(1)

    def raises(self):
        raise Mine("from inside")
