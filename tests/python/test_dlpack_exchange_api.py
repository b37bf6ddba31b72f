"""The C exchange API of DLPack 1.2 and later, called through ctypes as a consumer written in C would."""

import ctypes
import gc
import sys
import sysconfig
import types
import weakref

import pytest
import strideport as sp
from support import dlpack as dl
from support.dlpack import DLManagedTensorVersioned, DLTensor, Tensor
from support.peers import peer

np = peer("numpy")

SetError = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p)
Versioned = ctypes.POINTER(DLManagedTensorVersioned)


class ExchangeAPI(ctypes.Structure):
    _fields_ = [
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("prev_api", ctypes.c_void_p),
        (
            "allocate",
            ctypes.CFUNCTYPE(
                ctypes.c_int, ctypes.POINTER(DLTensor), ctypes.POINTER(Versioned), ctypes.c_void_p, SetError
            ),
        ),
        ("from_object", ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.POINTER(Versioned))),
        ("to_object", ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.py_object))),
        ("fill", ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.POINTER(DLTensor))),
        (
            "current_stream",
            ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int32, ctypes.c_int32, ctypes.POINTER(ctypes.c_void_p)),
        ),
    ]


@pytest.fixture(scope="module")
def api():
    capsule = sp.Buffer.__dlpack_c_exchange_api__
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.argtypes, pointer.restype = [ctypes.py_object, ctypes.c_char_p], ctypes.c_void_p
    return ExchangeAPI.from_address(pointer(capsule, b"dlpack_exchange_api"))


def test_the_capsule_is_on_the_type_and_stays_one(api):
    assert sp.Buffer.__dlpack_c_exchange_api__ is sp.Buffer.__dlpack_c_exchange_api__
    assert (api.major, api.minor) >= (1, 2) and api.major == 1


def test_managed_tensors_come_out(api):
    array = np.arange(12, dtype="i4").reshape(3, 4).T
    out = Versioned()
    assert api.from_object(sp.Buffer(array), ctypes.byref(out)) == 0
    tensor = out.contents.dl_tensor
    assert out.contents.major == 1 and out.contents.flags == 0
    assert (tensor.data, tensor.ndim, tensor.shape[0], tensor.strides[0]) == (array.ctypes.data, 2, 4, 1)
    out.contents.deleter(ctypes.addressof(out.contents))


def test_readonly_managed_tensors_carry_the_flag(api):
    out = Versioned()
    assert api.from_object(sp.Buffer(b"abcd"), ctypes.byref(out)) == 0
    assert out.contents.flags & dl.READ_ONLY
    out.contents.deleter(ctypes.addressof(out.contents))


def test_managed_tensors_hold_the_owner(api):
    class Owner(np.ndarray):
        pass

    owner = np.zeros(3).view(Owner)
    alive = weakref.ref(owner)
    out = Versioned()
    api.from_object(sp.Buffer(owner), ctypes.byref(out))
    del owner
    gc.collect()
    assert alive() is not None
    out.contents.deleter(ctypes.addressof(out.contents))
    gc.collect()
    assert alive() is None


def test_borrowed_tensors_are_filled_in(api):
    buffer = sp.Buffer(bytearray(24)).cast("i", (2, 3))
    tensor = DLTensor()
    assert api.fill(buffer, ctypes.byref(tensor)) == 0
    assert tensor.data == buffer.ptr and [tensor.shape[0], tensor.shape[1]] == [2, 3]
    assert [tensor.strides[0], tensor.strides[1]] == [3, 1] and tensor.byte_offset == 0


def test_borrowed_tensors_of_readonly_memory_are_refused(api):
    """A bare DLTensor cannot say read-only."""
    with pytest.raises(BufferError):
        api.fill(sp.Buffer(b"abcd"), ctypes.byref(DLTensor()))


@pytest.mark.parametrize("value", [5, None, "x", b"abc"], ids=repr)
def test_other_types_raise_instead_of_crashing(api, value):
    for call, out in ((api.from_object, Versioned()), (api.fill, DLTensor())):
        with pytest.raises((TypeError, BufferError)):
            call(value, ctypes.byref(out))


def test_tensors_become_buffers_and_are_stolen(api):
    tensor = Tensor(bytearray(b"\1\0\0\0" * 4), (4,))
    out = ctypes.py_object()
    assert api.to_object(ctypes.addressof(tensor.managed), ctypes.byref(out)) == 0
    buffer = out.value
    ctypes.pythonapi.Py_DecRef(ctypes.py_object(buffer))  # py_object() holds none of its own
    assert isinstance(buffer, sp.Buffer) and buffer.tolist() == [1] * 4 and tensor.deleted == 0
    del buffer, out
    gc.collect()
    assert tensor.deleted == 1


def test_no_other_module_is_taken_for_ours(api, monkeypatch):
    """With a GIL the module is at hand; without one it is looked up."""
    monkeypatch.setitem(sys.modules, "strideport._core", types.ModuleType("another"))
    tensor = Tensor(bytearray(b"\1\0\0\0" * 4), (4,))
    out = ctypes.py_object()
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        with pytest.raises(ImportError, match="another"):
            api.to_object(ctypes.addressof(tensor.managed), ctypes.byref(out))
        assert tensor.deleted == 1
        return
    assert api.to_object(ctypes.addressof(tensor.managed), ctypes.byref(out)) == 0
    buffer = out.value
    ctypes.pythonapi.Py_DecRef(ctypes.py_object(buffer))
    assert type(buffer) is sp.Buffer and buffer.tolist() == [1] * 4


def test_malformed_tensors_are_deleted_once(api):
    tensor = Tensor(shape=(-1,))
    with pytest.raises((BufferError, ValueError)):
        api.to_object(ctypes.addressof(tensor.managed), ctypes.byref(ctypes.py_object()))
    assert tensor.deleted == 1


def test_the_allocator_gives_writable_memory_of_the_prototypes_shape(api):
    prototype = Tensor(shape=(3, 5), dtype=(dl.FLOAT, 64, 1)).managed.dl_tensor
    out = Versioned()
    errors = []
    report = SetError(lambda context, kind, message: errors.append((kind, message)))
    assert api.allocate(ctypes.byref(prototype), ctypes.byref(out), None, report) == 0 and not errors
    tensor = out.contents.dl_tensor
    assert tensor.data and [tensor.shape[0], tensor.shape[1], tensor.strides[0], tensor.strides[1]] == [3, 5, 5, 1]
    assert not out.contents.flags & dl.READ_ONLY and tensor.dtype.bits == 64
    ctypes.memset(tensor.data, 1, 120)
    out.contents.deleter(ctypes.addressof(out.contents))


def test_the_allocator_reports_errors_through_its_callback(api):
    errors = []
    report = SetError(lambda context, kind, message: errors.append((kind, message)))
    for bad in (dict(shape=(-3,)), dict(shape=(2**40, 2**40)), dict(device=(2, 0)), dict(dtype=(200, 8, 1))):
        tensor = Tensor(**bad)
        assert api.allocate(ctypes.byref(tensor.managed.dl_tensor), ctypes.byref(Versioned()), None, report) == -1
    assert len(errors) == 4 and all(kind and message for kind, message in errors)


def test_host_memory_has_no_work_stream(api):
    stream = ctypes.c_void_p(5)
    assert api.current_stream(1, 0, ctypes.byref(stream)) == 0 and not stream.value


def test_calls_do_not_leak_references(api):
    buffer = sp.Buffer(bytearray(4))
    before = sys.getrefcount(buffer)
    for _ in range(1000):
        out = Versioned()
        api.from_object(buffer, ctypes.byref(out))
        out.contents.deleter(ctypes.addressof(out.contents))
        api.fill(buffer, ctypes.byref(DLTensor()))
    assert sys.getrefcount(buffer) <= before + 1
