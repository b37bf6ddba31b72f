"""sp.Buffer over device, pinned and managed memory does what it does over host memory."""

import copy
import io
import pickle
import struct

import pytest
import strideport as sp
from support.compare import described, outcome
from support.devices import DEVICES, FIRST, HOSTS, MANAGED, PLACES, each_place, needs_devices, pairs

pytestmark = needs_devices

FORMATS = ["B", "b", "h", "<i", ">i", "q", "e", "f", ">d", "?", "Zf", "c", "5s", "T{i:a:xxh:b:}", "T{>d:x:3B:y:}"]


def numbers(fmt, count):
    """Bytes of `count` elements whose values a host Buffer can show."""
    size = sp.size_from_format(fmt)
    if fmt == "?":
        return bytes(i % 2 for i in range(count))
    return bytes(i * 37 % 120 for i in range(count * size))


def on(place, fmt="i", shape=(4, 6), layout=None):
    """(host, placed): equal elements in equal layouts, on the host and on `place`."""
    count = 1
    for extent in shape:
        count *= extent
    host = sp.asbuffer(bytearray(numbers(fmt, count))).cast(fmt, shape)
    placed = sp.empty(shape, fmt, device=place)
    sp.copy(placed, host)
    return (host, placed) if layout is None else (layout(host), layout(placed))


LAYOUTS = {
    "whole": lambda b: b,
    "transposed": lambda b: b.T,
    "every second": lambda b: b[:, ::2],
    "reversed": lambda b: b[::-1, ::-1],
    "row": lambda b: b[1],
    "column": lambda b: b[:, 2],
    "scalar": lambda b: b[1:2, 2:3].squeeze(),
    "empty": lambda b: b[2:2],
    "expanded": lambda b: b[1].expand(3, 6),
    "reshaped": lambda b: b.reshape(2, 2, 6),
    "unit dims": lambda b: b[1:2].reshape(1, 6, 1),
    "read-only": lambda b: b.toreadonly(),
    "flipped": lambda b: b.flip(1),
}


READS = {
    "tolist": lambda b: b.tolist(),
    "tobytes": lambda b: b.tobytes(),
    "tobytes F": lambda b: b.tobytes("F"),
    "tobytes A": lambda b: b.tobytes("A"),
    "hex": lambda b: b.hex(),
    "hex :": lambda b: b.hex(":", 2),
    "__bytes__": lambda b: b.__bytes__(),
    "len": len,
    "first": lambda b: b[0] if b.ndim == 1 else b[(0,) * b.ndim],
    "last": lambda b: b[-1] if b.ndim == 1 else b[(-1,) * b.ndim],
    "out of range": lambda b: b[(99,) * max(b.ndim, 1)],
    "too many": lambda b: b[(0,) * (b.ndim + 1)],
    "ellipsis": lambda b: b[...].tolist(),
    "first entry": lambda b: b[0].tolist() if b.ndim > 1 else b[0],
    "count": lambda b: b.count(b.tolist()[0]) if b.ndim == 1 else None,
    "index": lambda b: b.index(b.tolist()[-1]) if b.ndim == 1 else None,
    "index range": lambda b: b.index(b.tolist()[-1], 1, 99) if b.ndim == 1 else None,
    "index none": lambda b: b.index(object()),
    "contains": lambda b: b.tolist()[0] in b.tolist(),
    "equal to a copy": lambda b: b == b.to("cpu", copy=True),
    "unequal to another": lambda b: b != b.to("cpu", copy=True)[..., :0],
    "contiguous C": lambda b: b.contiguous().tolist(),
    "contiguous F": lambda b: b.contiguous("F").strides,
    "cast bytes": lambda b: b.contiguous().cast("B").tolist(),
    "attributes": lambda b: (b.shape, b.strides, b.format, b.itemsize, b.nbytes, b.readonly, bool(b.contiguous)),
    "to_contiguous": lambda b: sp.to_contiguous(b),
    "to_contiguous F": lambda b: sp.to_contiguous(b, "F"),
    "get_contiguous": lambda b: sp.get_contiguous(b).tolist(),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("read", READS)
@each_place
def test_reading_is_as_on_the_host(place, read, layout):
    host, placed = on(place, layout=LAYOUTS[layout])
    assert placed.device == place
    assert outcome(READS[read], placed) == outcome(READS[read], host)


@pytest.mark.parametrize("fmt", FORMATS)
@each_place
def test_every_format_reads_and_writes(place, fmt):
    host, placed = on(place, fmt, (3, 4))
    assert described(placed.tolist()) == described(host.tolist())
    assert described(placed[2, 1]) == described(host[2, 1])
    value = host[0, 3]
    for buffer in (host, placed):
        buffer[1, 1] = value
        buffer[-1, -1] = host[0, 0]
    assert placed.tobytes() == host.tobytes()
    assert placed == host


@pytest.mark.parametrize("name", ["bfloat16", "float8_e4m3fn", "float8_e5m2", "complex64", "int64"])
@each_place
def test_element_types_without_a_format_read_and_write(place, name):
    placed = sp.empty((4,), name, device=place)
    for i in range(4):
        placed[i] = i - 2
    assert placed.tolist() == [-2, -1, 0, 1] and placed[3] == 1
    assert placed == placed.to("cpu", copy=True)


@each_place
def test_padding_stays_when_an_element_is_written(place):
    fmt = "T{B:a:xxxi:b:}"
    host = sp.asbuffer(bytearray(range(48, 48 + 16))).cast(fmt)
    placed = sp.empty(2, fmt, device=place)
    sp.copy(placed, host)
    host[1] = placed[1] = (7, 8)
    assert placed.tobytes()[9:12] == bytes([57, 58, 59]) == host.tobytes()[9:12]
    assert placed.tobytes() == host.tobytes()


WRITES = {
    "element": lambda b: b.__setitem__((1, 2), 99),
    "negative index": lambda b: b.__setitem__((-1, -1), 77),
    "row from bytes": lambda b: b.__setitem__(1, sp.asbuffer(struct.pack("6i", *range(6))).cast("i")),
    "row from itself": lambda b: b.__setitem__(0, b[3]),
    "overlapping": lambda b: b.__setitem__(slice(1, None), b[:-1]),
    "every second": lambda b: b.__setitem__((slice(None), slice(0, None, 2)), b[:, 1::2]),
    "all": lambda b: b.__setitem__(..., sp.asbuffer(bytes(96)).cast("i", (4, 6))),
    "wrong shape": lambda b: b.__setitem__(0, sp.asbuffer(bytes(12)).cast("i")),
    "wrong type": lambda b: b.__setitem__(0, sp.asbuffer(bytes(24)).cast("f")),
    "no number": lambda b: b.__setitem__((0, 0), "x"),
    "too large": lambda b: b.__setitem__((0, 0), 2**40),
    "out of range": lambda b: b.__setitem__((9, 0), 1),
    "no buffer": lambda b: b.__setitem__(0, 5),
    "delete": lambda b: b.__delitem__(0),
    "read-only": lambda b: b.toreadonly().__setitem__((0, 0), 1),
    "from_contiguous": lambda b: sp.from_contiguous(b, bytes(range(96))),
    "from_contiguous F": lambda b: sp.from_contiguous(b, bytes(range(96)), "F"),
    "from_contiguous T": lambda b: sp.from_contiguous(b.T, bytes(range(96))),
    "from_contiguous short": lambda b: sp.from_contiguous(b, bytes(95)),
    "self copy": lambda b: sp.copy(b, b),
    "copy read-only": lambda b: sp.copy(b.toreadonly(), b),
    "copy onto itself": lambda b: sp.copy(b[0].expand(4, 6), b),
}


@pytest.mark.parametrize("write", WRITES)
@each_place
def test_writing_is_as_on_the_host(place, write):
    host, placed = on(place)
    assert outcome(WRITES[write], placed) == outcome(WRITES[write], host)
    assert placed.tobytes() == host.tobytes()


@pytest.mark.parametrize("dst, src", pairs(), ids=str)
def test_slices_are_assigned_and_compared_between_places(dst, src):
    _, target = on(dst)
    host, source = on(src)
    target[...] = sp.empty_like(target)  # something else
    target[:, ::-1] = source
    assert target[:, ::-1] == source and source == target[:, ::-1]
    assert target.tobytes() == host[:, ::-1].tobytes()
    target[0, 0] = 12345
    assert target != source


@pytest.mark.parametrize("dst, src", pairs(), ids=str)
def test_copies_go_between_any_two_places(dst, src):
    host, source = on(src, "h", (5, 7, 3))
    moved = source.to(dst)
    assert moved.device == dst and moved == host and moved.strides == host.strides
    assert (moved.ptr == source.ptr) == (dst == src)
    always = source.to(dst, copy=True, order="F")
    assert always.ptr != source.ptr and always.f_contiguous and always == host and not always.readonly
    turned = source.permute(2, 0, 1).to(dst, order="C")
    assert turned.c_contiguous and turned.tobytes() == host.permute(2, 0, 1).tobytes()
    back = sp.empty_like(host)
    sp.copy(back, turned.permute(1, 2, 0))
    assert back == host
    if dst != src:
        with pytest.raises(BufferError, match="copy=False"):
            source.to(dst, copy=False)
    else:
        assert source.to(dst, copy=False).ptr == source.ptr


@pytest.mark.parametrize("place", DEVICES)
def test_what_the_host_cannot_read_names_the_way_out(place):
    _, placed = on(place)
    for error, call in (
        (BufferError, lambda: memoryview(placed)),
        (BufferError, lambda: sp.get_buffer(placed)),
        (BufferError, lambda: io.BytesIO().write(placed)),
        (BufferError, lambda: struct.unpack_from("i", placed)),
        (TypeError, lambda: iter(placed)),
        (TypeError, lambda: hash(placed.toreadonly())),
        (TypeError, lambda: placed.__array__()),
        (TypeError, lambda: pickle.dumps(placed)),
        (TypeError, lambda: pickle.dumps(placed, 5)),
        (TypeError, lambda: placed.__reduce_ex__(2)),
        (TypeError, lambda: copy.copy(placed)),
        (TypeError, lambda: copy.deepcopy(placed)),
    ):
        with pytest.raises(error, match=r'\.to\("cpu"\)') as caught:
            call()
        assert place in str(caught.value)
    with pytest.raises(AttributeError, match=place):
        placed.__array_interface__
    assert not hasattr(placed, "__array_interface__")
    with pytest.raises(TypeError):
        for _ in placed:
            pass
    with pytest.raises(TypeError):
        list(placed)
    assert bytes(placed) == placed.tobytes()  # by __bytes__, which waits


@pytest.mark.parametrize("place", [*HOSTS, *MANAGED])
def test_the_host_reads_pinned_and_managed_memory_in_place(place):
    host, placed = on(place)
    assert memoryview(placed).tolist() == host.tolist()
    assert [row.tolist() for row in placed] == host.tolist()
    assert placed.__array_interface__["data"][0] == placed.ptr
    assert pickle.loads(pickle.dumps(placed)) == host
    assert copy.deepcopy(placed) == host
    assert io.BytesIO(placed).read() == host.tobytes()
    frozen = placed.cast("B").toreadonly()
    assert hash(frozen) == hash(host.cast("B").tobytes())
    np = pytest.importorskip("numpy")
    array = np.asarray(placed)
    assert array.ctypes.data == placed.ptr and array.tolist() == host.tolist()
    array[0, 0] = -5
    assert placed[0, 0] == -5


@pytest.mark.parametrize("place", FIRST)
def test_pinned_memory_that_a_device_still_writes_is_waited_for(place):
    """Every reader of pinned memory sees what the queued copy writes, whichever way it reads."""
    source = sp.asbuffer(bytes(range(251)) * 4000).to(place)
    want = source.tobytes()
    readers = (
        lambda b: bytes(memoryview(b)),
        lambda b: b.tobytes(),
        lambda b: bytes(b.tolist()),
        lambda b: b"".join(bytes([x]) for x in b[:100]) + b.tobytes()[100:],
        lambda b: bytes([b[len(b) - 1]]) and b.tobytes(),
        lambda b: b.to("cpu", copy=True).tobytes(),
        lambda b: pickle.loads(pickle.dumps(b)).tobytes(),
    )
    stream = sp.Stream(place)
    for reader in readers:
        pinned = sp.empty(len(source), "uint8", pinned=True) if place.startswith("cuda") else sp.empty(
            len(source), "uint8", device="simulated_host"
        )
        pinned[...] = bytes(len(source))
        for _ in range(3):
            sp.copy(pinned, source, stream)
        assert reader(pinned) == want


@each_place
def test_released_buffers_are_released_everywhere(place):
    _, placed = on(place)
    view = placed[1:]
    placed.release()
    for call in (
        placed.tolist,
        placed.tobytes,
        placed.hex,
        lambda: placed[0, 0],
        lambda: placed.to("cpu"),
        lambda: placed.contiguous(),
        lambda: placed.__dlpack__(),
        lambda: placed.__dlpack_device__(),
        lambda: getattr(placed, "__cuda_array_interface__"),
        lambda: sp.copy(placed, placed),
        lambda: placed.stream,
        lambda: placed.count(1),
        lambda: placed.index(1),
        lambda: placed.explain(),
    ):
        with pytest.raises(ValueError, match="released"):
            call()
    assert placed == placed and placed != view
    assert view.tolist() is not None
    with view:
        pass
    with pytest.raises(ValueError):
        view.tolist()
    assert "released" in repr(placed)


class Sneaky:
    """Releases the buffer while its value or index is asked for."""

    def __init__(self, buffer, value=1):
        self.buffer, self.value = buffer, value

    def __index__(self):
        self.buffer.release()
        return self.value


@each_place
def test_foreign_code_that_releases_the_buffer_is_survived(place):
    for attack in (
        lambda b: b.__setitem__((0, 0), Sneaky(b)),
        lambda b: b.__setitem__((Sneaky(b), 0), 1),
        lambda b: b[Sneaky(b), 0],
        lambda b: b[Sneaky(b) : 3].tolist(),
        lambda b: b[0].index(1, Sneaky(b)),
        lambda b: b.reshape(Sneaky(b, 24)).tolist(),
    ):
        _, placed = on(place)
        try:
            attack(placed)
        except ValueError:
            pass


@each_place
def test_empty_buffers_move_and_launch_nothing(place):
    for shape in ((0,), (3, 0, 2)):
        buffer = sp.empty(shape, "int32", device=place)
        assert buffer.nbytes == 0 and buffer.tobytes() == b"" and buffer.to("cpu").shape == shape
        sp.copy(buffer, sp.empty(shape, "int32"))
        assert buffer.to(place, copy=True).shape == shape and buffer == sp.empty(shape, "int32")
        assert buffer.T.contiguous().tolist() is not None


@each_place
def test_repr_and_device_say_where(place):
    buffer = sp.empty((2, 3), "float32", device=place)
    assert buffer.device == place and type(buffer.device) is str and place in repr(buffer)


@pytest.mark.parametrize("place", DEVICES)
def test_explain_tells_the_route(place):
    host, placed = on(place, "f", (64, 48))
    for text in (
        sp.explain(placed, host),
        sp.explain(host, placed),
        sp.explain(placed.T, sp.empty_like(placed.T, device=place)),
        placed.T.explain(),
        placed.explain(device="cpu"),
        host.explain("F", device=place),
    ):
        assert "route:" in text, text
    with pytest.raises(ValueError):
        placed.explain(device="mars")


def test_progress_is_judged_and_quiet_for_short_copies():
    calls = []
    target = bytearray(4)
    sp.copy(target, b"abcd", progress=lambda done, total: calls.append((done, total)))
    sp.copy(target, b"abcd", progress=None)
    assert not calls and target == b"abcd"
    with pytest.raises(TypeError, match="progress"):
        sp.copy(target, b"abcd", progress=5)


@pytest.mark.parametrize("place", PLACES)
def test_wild_buffers_compare_by_value(place):
    nan = sp.asbuffer(struct.pack("3f", float("nan"), 0.0, 1.0)).cast("f").to(place)
    assert nan != nan.to("cpu", copy=True) and nan[1:] == nan[1:].to("cpu", copy=True)
    ints = sp.asbuffer(struct.pack("3i", 1, 2, 3)).cast("i").to(place)
    halves = sp.asbuffer(struct.pack(">3h", 1, 2, 3)).cast(">h").to(place)
    assert ints == halves and ints == memoryview(struct.pack("3q", 1, 2, 3)).cast("q")
    assert ints != b"abc" and ints != "abc" and (ints == 5) is False
