"""Our C exchange API, clause by clause of dlpack.h 1.3, called as a consumer in C would call it.

test_dlpack_exchange_api.py has what it is for; here are what the header demands of every table, what it lets callers
leave out, and arguments that no caller should give. test_conformance_streams.py has memory of devices.
"""

import ctypes

import pytest
import strideport as sp
from support import dlpack as dl
from support.dlpack import DLManagedTensorVersioned, DLTensor, Taken, Tensor
from support.protocols import Table

FUNCTIONS = ("allocate", "from_object", "to_object", "fill", "current_stream")
HOSTS_OWN = [(dl.CPU, 0), (3, 0)]  # and kDLCUDAHost, which the host reaches without a driver
SetError = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p)


@pytest.fixture(scope="module")
def table():
    return Table.from_address(dl._pointer(sp.Buffer.__dlpack_c_exchange_api__, b"dlpack_exchange_api"))


def managed_at(pointer):
    return DLManagedTensorVersioned.from_address(pointer.value)


def array_of(pointer, count):
    return tuple(pointer[i] for i in range(count))


def numbers():
    return sp.asbuffer(bytearray(24)).cast("i", (2, 3))


# The table ------------------------------------------------------------------------------------------------------------


def test_the_capsule_lies_in_the_types_dict_under_the_name_of_the_header():
    capsule = vars(sp.Buffer)["__dlpack_c_exchange_api__"]
    assert type(capsule).__name__ == "PyCapsule" and dl.capsule_name(capsule) == b"dlpack_exchange_api"


def test_the_header_is_of_1_3_and_ends_its_chain(table):
    assert (table.major, table.minor, table.prev_api) == (1, 3, None)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_is_there(table, name):
    assert ctypes.cast(getattr(table, name), ctypes.c_void_p).value


# Out ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["from_object", "fill"])
def test_released_buffers_are_errors(table, call):
    buffer = numbers()
    buffer.release()
    out = ctypes.c_void_p() if call == "from_object" else DLTensor()
    with pytest.raises(ValueError, match="released"):
        getattr(table, call)(buffer, ctypes.byref(out))


def test_what_was_lent_is_lent_no_more_after_the_release(table):
    buffer, tensor = numbers(), DLTensor()
    assert table.fill(buffer, ctypes.byref(tensor)) == 0
    buffer.release()
    with pytest.raises(ValueError, match="released"):
        table.fill(buffer, ctypes.byref(tensor))


@pytest.mark.parametrize("call", ["from_object", "fill"])
@pytest.mark.parametrize(
    "make",
    [
        lambda: sp.asbuffer(bytearray(16)).cast(">i"),
        lambda: sp.asbuffer(bytearray(12)).cast("3s"),
        lambda: sp.asbuffer(bytearray(24)).cast("T{<i:a:<i:b:}"),
    ],
    ids=["byte order", "text", "struct"],
)
def test_what_dlpack_cannot_describe_is_a_buffer_error(table, call, make):
    out = ctypes.c_void_p() if call == "from_object" else DLTensor()
    with pytest.raises(BufferError):
        getattr(table, call)(make(), ctypes.byref(out))


def test_lent_arrays_are_the_buffers_own_and_stay(table):
    """The producer owns them, and the consumer frees nothing: to ask a hundred times makes nothing new."""
    buffer = numbers()
    first, again = DLTensor(), DLTensor()
    table.fill(buffer, ctypes.byref(first))
    addresses = [ctypes.cast(array, ctypes.c_void_p).value for array in (first.shape, first.strides)]
    for _ in range(100):
        table.fill(buffer, ctypes.byref(again))
        assert [ctypes.cast(array, ctypes.c_void_p).value for array in (again.shape, again.strides)] == addresses
    assert array_of(first.shape, 2) == (2, 3) and array_of(first.strides, 2) == (3, 1)


@pytest.mark.parametrize(
    ("shape", "strides"),
    [((), ()), ((0, 3), (3, 1)), ((1,) * 12, (1,) * 12)],
    ids=["rank 0", "empty", "12 dimensions"],
)
def test_unusual_shapes_are_lent(table, shape, strides):
    buffer, tensor = sp.empty(shape, "float32"), DLTensor()
    assert table.fill(buffer, ctypes.byref(tensor)) == 0
    assert (tensor.ndim, tensor.byte_offset) == (len(shape), 0)
    assert array_of(tensor.shape, len(shape)) == shape and array_of(tensor.strides, len(shape)) == strides
    assert tensor.data == (None if 0 in shape else buffer.ptr), "NULL where the size is zero"


# In -------------------------------------------------------------------------------------------------------------------


def test_no_tensor_is_an_error(table):
    with pytest.raises(ValueError, match="NULL"):
        table.to_object(None, ctypes.byref(ctypes.c_void_p()))


def test_a_tensor_of_another_major_version_is_stolen_and_deleted_unread(table):
    tensor = Tensor(version=(2, 0), ndim=-5, device=(77, 7), null_shape=True, data=0xDEAD)
    with pytest.raises(BufferError, match="2.0"):
        table.to_object(ctypes.addressof(tensor.managed), ctypes.byref(ctypes.c_void_p()))
    assert tensor.deleted == 1


# The allocator --------------------------------------------------------------------------------------------------------


class Allocating:
    """Calls the allocator: what it gave, what it said through the callback, and with which context."""

    CONTEXT = 0x1234

    def __init__(self, table, prototype):
        self.out, self.said = ctypes.c_void_p(), []
        report = SetError(lambda context, kind, message: self.said.append((context, kind.decode(), message.decode())))
        self.status = table.allocate(prototype, ctypes.addressof(self.out), self.CONTEXT, report)

    def refused(self):
        """The kind of error; the callback was called exactly once, and there is no tensor."""
        assert self.status != 0 and not self.out.value and len(self.said) == 1, self.said
        context, kind, message = self.said[0]
        assert context == self.CONTEXT and len(message) > 10
        return kind


def prototype_of(**arguments):
    tensor = Tensor(**arguments)
    return tensor, ctypes.addressof(tensor.managed.dl_tensor)


def test_only_dtype_ndim_shape_and_device_of_the_prototype_are_read(table):
    kept, prototype = prototype_of(
        shape=(2, 5), strides=(-7, 1 << 60), data=0xDEAD, byte_offset=(1 << 64) - 1, dtype=(dl.BFLOAT, 16, 1)
    )
    done = Allocating(table, prototype)
    assert done.status == 0 and not done.said
    managed = managed_at(done.out)
    tensor = managed.dl_tensor
    assert (managed.major, managed.flags, tensor.byte_offset) == (1, 0, 0) and tensor.data not in (None, 0xDEAD)
    assert array_of(tensor.shape, 2) == (2, 5) and array_of(tensor.strides, 2) == (5, 1)
    assert (tensor.dtype.code, tensor.dtype.bits, tensor.dtype.lanes) == (dl.BFLOAT, 16, 1)
    ctypes.memset(tensor.data, 255, 20)
    managed.deleter(done.out.value)


@pytest.mark.parametrize("shape", [(), (0, 3)], ids=["rank 0", "empty"])
def test_prototypes_of_one_and_of_no_elements(table, shape):
    """The shape of rank 0 may be NULL."""
    kept, prototype = prototype_of(shape=shape, null_shape=shape == (), data=None)
    done = Allocating(table, prototype)
    assert done.status == 0 and not done.said
    tensor = managed_at(done.out).dl_tensor
    assert array_of(tensor.shape, tensor.ndim) == shape and (tensor.data is None) == (0 in shape)
    managed_at(done.out).deleter(done.out.value)


@pytest.mark.parametrize(
    ("change", "kinds"),
    [
        (dict(ndim=-1), ("ValueError",)),
        (dict(ndim=65), ("ValueError",)),
        (dict(ndim=2**31 - 1), ("ValueError",)),
        (dict(null_shape=True), ("ValueError",)),
        (dict(shape=(-3,)), ("ValueError",)),
        (dict(shape=(1 << 40, 1 << 40)), ("ValueError", "MemoryError")),
        (dict(shape=(1 << 60,)), ("ValueError", "MemoryError")),
        (dict(dtype=(200, 8, 1)), ("BufferError",)),
        (dict(dtype=(dl.FLOAT, 24, 1)), ("BufferError",)),
        (dict(dtype=(dl.FLOAT, 32, 0)), ("BufferError",)),
        (dict(dtype=(17, 4, 1)), ("BufferError", "ValueError")),
        (dict(device=(10, 0)), ("BufferError", "ValueError", "RuntimeError")),
        (dict(device=(-1, 0)), ("BufferError", "ValueError", "RuntimeError")),
        (dict(device=(dl.CUDA, 99)), ("BufferError", "ValueError", "RuntimeError")),
    ],
    ids=str,
)
def test_the_callback_is_called_once_for_each_refusal(table, change, kinds):
    kept, prototype = prototype_of(**change)
    assert Allocating(table, prototype).refused() in kinds


def test_no_prototype_is_a_refusal(table):
    assert Allocating(table, None).refused() == "ValueError"


# Streams --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", HOSTS_OWN, ids=str)
def test_memory_of_the_host_has_no_stream(table, device):
    stream = ctypes.c_void_p(77)
    assert table.current_stream(*device, ctypes.byref(stream)) == 0 and stream.value is None


def test_what_goes_out_by_the_table_is_what_goes_out_in_a_capsule(table):
    buffer = sp.asbuffer(bytearray(range(48))).cast("h", (4, 6))[::-1, 1::2].toreadonly()
    out = ctypes.c_void_p()
    assert table.from_object(buffer, ctypes.byref(out)) == 0
    managed, capsule = managed_at(out), Taken(buffer.__dlpack__(max_version=(1, 3)))
    tensor = managed.dl_tensor
    assert (managed.major, managed.minor, managed.flags) == (*capsule.version, capsule.flags)
    assert (tensor.data, tensor.byte_offset) == (capsule.data, capsule.byte_offset) == (buffer.ptr, 0)
    assert array_of(tensor.shape, 2) == capsule.shape and array_of(tensor.strides, 2) == capsule.strides
    managed.deleter(out.value)
    capsule.delete()
