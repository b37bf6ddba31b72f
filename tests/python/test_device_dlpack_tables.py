"""Memory of devices through the C exchange API of a producer's type: "no sync" means ready on its current stream."""

import pytest
import strideport as sp
from support.device_dlpack import DATA, dl_device, on
from support.devices import each_device, needs_devices
from support.dlpack import Tensor
from support.protocols import Table, exchanging_type

pytestmark = needs_devices


def producing(memory, device, kind):
    producer = kind()
    tensor = Tensor(shape=(60,), device=dl_device(device), data=memory.ptr)
    producer.tensor = lambda: tensor
    producer.device = dl_device(device)
    return producer, tensor


def streaming_type(current):
    """A type whose table answers with the handle that `current(type, id)` gives; None is a failure."""

    def answer(device, index, out):
        handle = current(device, index)
        if handle is None:
            return -1
        out[0] = handle
        return 0

    kind = exchanging_type()
    kind.table.current_stream = dict(Table._fields_)["current_stream"](answer)
    return kind


@each_device
@pytest.mark.parametrize(
    "take", [sp.asbuffer, sp.from_dlpack], ids=["asbuffer", "from_dlpack"]
)
def test_contents_are_ready_on_the_stream_that_the_table_names(device, take):
    memory, stream, asked = on(device), sp.Stream(device), []

    def current(*where):
        asked.append(where)
        return stream.handle

    producer, tensor = producing(memory, device, streaming_type(current))
    buffer = take(producer)
    assert buffer.stream == stream.handle and asked == [dl_device(device)]
    assert (
        buffer.device == device
        and buffer.ptr == memory.ptr
        and buffer.tobytes() == DATA
    )
    assert (producer.asked_by_table, producer.asked_by_method) == (1, 0)
    buffer.release()
    assert tensor.deleted == 1


@each_device
def test_the_null_stream_is_the_legacy_default_stream(device):
    memory = on(device)
    producer, _ = producing(memory, device, streaming_type(lambda *where: 0))
    assert sp.asbuffer(producer).stream == 1


@each_device
def test_dlpack_is_asked_where_the_table_knows_no_stream(device):
    """And where the type has none, that is the error; the table's tensor goes back."""
    memory, kind = on(device), streaming_type(lambda *where: None)
    producer, tensor = producing(memory, device, kind)
    buffer = sp.asbuffer(producer)
    assert (producer.asked_by_table, producer.asked_by_method) == (1, 1)
    assert tensor.deleted == 1 and buffer.tobytes() == DATA
    buffer.release()
    assert tensor.deleted == 2
    alone = type(
        "Alone",
        (),
        {
            "__dlpack_c_exchange_api__": kind.__dlpack_c_exchange_api__,
            "asked_by_table": 0,
        },
    )()
    lost = Tensor(shape=(60,), device=dl_device(device), data=memory.ptr)
    alone.tensor = lambda: lost
    with pytest.raises(BufferError, match="no stream"):
        sp.asbuffer(alone)
    assert lost.deleted == 1


@pytest.mark.parametrize("where", [(2, 99), (12, 99), (10, 0)], ids=str)
def test_memory_that_no_driver_knows_is_refused_and_deleted_once(where):
    kind = exchanging_type()
    alone = type(
        "Alone",
        (),
        {
            "__dlpack_c_exchange_api__": kind.__dlpack_c_exchange_api__,
            "asked_by_table": 0,
        },
    )()
    tensor = Tensor(shape=(4,), device=where)
    alone.tensor = lambda: tensor
    with pytest.raises((BufferError, ValueError)):
        sp.asbuffer(alone)
    assert tensor.deleted == 1


@each_device
def test_our_own_table_gives_ready_memory(device):
    """from_dlpack of a Buffer of ours goes through our table, too."""
    memory = on(device)
    again = sp.from_dlpack(memory)
    assert (
        again.ptr == memory.ptr and again.device == device and again.tobytes() == DATA
    )
