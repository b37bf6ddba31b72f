"""Capsules of ours that nobody takes: their destructor has the GIL, and what runs inside of it may drop the GIL."""

import ctypes
import gc

import pytest
import strideport as sp
from support import dlpack as dl
from support.dlpack import Deleter, DLManagedTensor, DLManagedTensorVersioned, Taken

VERSIONS = pytest.mark.parametrize("version", [None, (1, 0)], ids=str)


class Finalised:
    """Calls `action` when it goes."""

    def __init__(self, action):
        self.action = action

    def __del__(self):
        self.action()


def capsule_over(owner, version):
    """A capsule whose memory `owner` keeps, and which alone keeps `owner`."""
    memory = ctypes.create_string_buffer(8)
    buffer = sp.from_pointer(ctypes.addressof(memory), (8,), "uint8", owner=(owner, memory))
    return buffer.__dlpack__(max_version=version)


def exported(version):
    """Some memory and an export of it; the memory can grow again once the export has gone."""
    memory = bytearray(8)
    return memory, sp.Buffer(memory).__dlpack__(max_version=version)


@VERSIONS
def test_a_finaliser_lets_other_exports_go_without_the_gil(version):
    inner, inner_capsule = exported(version)
    taken = Taken(inner_capsule)
    outer = capsule_over(Finalised(taken.delete), version)
    with pytest.raises(BufferError):
        inner.append(1)
    del outer
    inner.append(1)


@VERSIONS
def test_a_finaliser_drops_other_capsules(version):
    inner, inner_capsule = exported(version)
    held = [inner_capsule]
    del inner_capsule
    outer = capsule_over(Finalised(held.clear), version)
    del outer
    inner.append(1)


@VERSIONS
def test_a_deleter_that_a_consumer_put_in_the_place_of_ours_may_drop_the_gil(version):
    """Against the protocol, since the capsule was not taken; but a deleter is called as it is found."""
    memory, capsule = exported(version)
    name = dl.capsule_name(capsule)
    kind = DLManagedTensorVersioned if version else DLManagedTensor
    ctypes.pythonapi.PyCapsule_GetPointer.restype = ctypes.c_void_p
    ctypes.pythonapi.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    managed = kind.from_address(ctypes.pythonapi.PyCapsule_GetPointer(capsule, name))
    ours = ctypes.cast(managed.deleter, ctypes.c_void_p).value
    calls = []

    def without_gil(address):
        calls.append(address)
        Deleter(ours)(address)

    wrapper = Deleter(without_gil)
    managed.deleter = wrapper
    del capsule
    assert len(calls) == 1
    memory.append(1)


class Link:
    """Lets its capsule go first."""

    __slots__ = ("a_capsule", "then")

    def __init__(self, capsule, then):
        self.a_capsule, self.then = capsule, then


@VERSIONS
def test_chains_longer_than_deleters_nest_end_once_with_the_gil_and_without(version):
    """Each capsule owns the one before. Past some depth they wait, and meanwhile other exports go without the GIL."""
    ends = []
    memory = ctypes.create_string_buffer(8)

    def export(owner):
        buffer = sp.from_pointer(ctypes.addressof(memory), (8,), "uint8", owner=owner)
        return buffer.__dlpack__(max_version=version)

    capsule = export(Finalised(lambda: ends.append("last")))
    for _ in range(120):
        other = Taken(export(Finalised(lambda: ends.append("other"))))
        capsule = export(Link(capsule, Finalised(other.delete)))
    del capsule, other
    gc.collect()
    assert ends.count("last") == 1 and ends.count("other") == 120


@VERSIONS
def test_a_set_error_stays_while_a_capsule_goes(version):
    seen = []
    capsule = capsule_over(Finalised(lambda: seen.append(1)), version)

    def fails():
        mine = [capsule_over(Finalised(lambda: seen.append(2)), version)]
        raise ZeroDivisionError(len(mine))

    with pytest.raises(ZeroDivisionError):
        fails()
    gc.collect()
    assert seen == [2]
    del capsule
    assert seen == [2, 1]
