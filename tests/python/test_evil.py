"""Objects that release, resize, raise or call back in the middle: an error or the right answer, never freed memory."""

import array
import gc

import pytest
import strideport as sp
from support.dlpack import Failing, Producer, Tensor
from support.peers import needs_pep688, peer

np = peer("numpy")


class Calls:
    """An index, a length, a truth value and a number: each runs `action` first."""

    def __init__(self, action, value=0):
        self.action, self.value = action, value

    def __index__(self):
        self.action()
        return self.value

    def __bool__(self):
        self.action()
        return bool(self.value)

    def __float__(self):
        self.action()
        return float(self.value)

    def __eq__(self, other):
        self.action()
        return True

    __hash__ = None


def released_in_the_middle(use, fmt="B", shape=None, size=64):
    """`use(buffer, evil)` with an evil object that releases the buffer and reuses its memory."""
    memory = bytearray(b"\xff" * size)
    buffer = sp.Buffer(memory)
    if fmt != "B" or shape:
        buffer = buffer.cast(fmt, shape) if shape else buffer.cast(fmt)

    def release():
        buffer.release()
        gc.collect()
        for view in [v for v in gc.get_objects() if type(v) is sp.Buffer and v is not buffer]:
            del view
        try:
            memory.clear()
            memory.extend(b"\0" * 8)
        except BufferError:
            pass  # somebody still holds it, as they should while they use it

    return use(buffer, Calls(release))


@pytest.mark.parametrize(
    "name, use",
    {
        "index": lambda b, e: b[e],
        "tuple index": lambda b, e: b[(e,)],
        "slice start": lambda b, e: b[e:],
        "slice stop": lambda b, e: b[:e],
        "slice step": lambda b, e: b[:: Calls(e.action, 1)],
        "write index": lambda b, e: b.__setitem__(e, 1),
        "write value": lambda b, e: b.__setitem__(0, e),
        "write both": lambda b, e: b.__setitem__(Calls(lambda: None, 1), e),
        "write slice": lambda b, e: b.__setitem__(slice(e, 2), b"ab"),
        "cast shape": lambda b, e: b.cast("B", (Calls(e.action, 64),)),
        "reshape": lambda b, e: b.reshape(Calls(e.action, 64)),
        "permute": lambda b, e: b.permute(e),
        "hex": lambda b, e: b.hex(":", Calls(e.action, 1)),
        "index of": lambda b, e: b.index(5, e),
        "count": lambda b, e: b.count(e),
        "contains": lambda b, e: e in b,
        "index value": lambda b, e: b.index(e),
        "max_version": lambda b, e: b.__dlpack__(max_version=(Calls(e.action, 1), 0)),
    }.items(),
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_releasing_in_the_middle_is_an_error_or_harmless(name, use):
    """Whatever ran is over: no operation may go on with memory that it does not hold any more."""
    try:
        result = released_in_the_middle(use)
    except (ValueError, TypeError, IndexError, BufferError) as error:
        assert str(error)
    else:
        assert result is None or isinstance(result, (int, bool, str, sp.Buffer)) or "capsule" in repr(result)


@pytest.mark.parametrize("fmt", list("bBhHiIlLqQnN?fd"))
def test_values_that_release_while_they_are_packed(fmt):
    """gh-92888: the value is converted first, and the release is seen before anything is written."""
    with pytest.raises(ValueError, match="released"):
        released_in_the_middle(lambda b, e: b.__setitem__(0, e), fmt)


@pytest.mark.parametrize("shape", [(64,), (8, 8), (4, 4, 4)], ids=str)
def test_indices_that_release(shape):
    for position in range(len(shape)):

        def use(buffer, evil, position=position):
            key = [0] * len(shape)
            key[position] = evil
            return buffer[tuple(key)]

        with pytest.raises(ValueError, match="released"):
            released_in_the_middle(use, "B", shape)


def test_comparison_with_an_object_that_releases():
    memory = bytearray(b"abcd")
    buffer = sp.Buffer(memory)
    evil = Calls(buffer.release)
    assert (buffer == evil) in (True, False)


@needs_pep688
def test_comparison_with_an_exporter_that_releases_us():
    class Evil:
        def __buffer__(self, flags):
            buffer.release()
            memory.clear()
            return memoryview(b"abcd")

    memory = bytearray(b"abcd")
    buffer = sp.Buffer(memory)
    try:
        assert (buffer == Evil()) in (True, False)
    except (ValueError, BufferError):
        pass
    memory = bytearray(b"abcd")
    buffer = sp.Buffer(memory)
    try:
        buffer[:] = Evil()
    except (ValueError, BufferError):
        pass


@needs_pep688
def test_copies_from_exporters_that_release_the_destination():
    class Evil:
        def __buffer__(self, flags):
            target.release()
            memory.clear()
            return memoryview(b"abcd")

    memory = bytearray(b"abcd")
    target = sp.Buffer(memory)
    try:
        sp.copy(target, Evil())
    except (ValueError, BufferError):
        pass


def test_exporters_that_resize_while_held_are_stopped_by_their_own_lock():
    memory = bytearray(b"abcd")
    buffer = sp.Buffer(memory)
    for change in (lambda: memory.append(1), memory.clear, lambda: memory.extend(b"x"), lambda: memory.__delitem__(0)):
        with pytest.raises(BufferError):
            change()
    assert buffer.tobytes() == b"abcd"


def test_dlpack_producers_that_import_themselves():
    """Recursion ends in Python's own error."""

    def again(**keywords):
        return sp.Buffer(evil).__dlpack__(**keywords)

    evil = Failing(again)
    with pytest.raises(RecursionError):
        sp.Buffer(evil)


def test_dlpack_producers_that_consume_their_own_capsule():
    tensor = Tensor(bytearray(16), (4,))
    stolen = []

    def steal(**keywords):
        stolen.append(sp.from_dlpack(Producer(tensor)))
        return tensor.capsule

    with pytest.raises((BufferError, ValueError)):
        sp.from_dlpack(Failing(steal))
    assert tensor.deleted == 0
    stolen.clear()
    gc.collect()
    assert tensor.deleted == 1


def test_interfaces_that_change_between_reads():
    """Each value is read once: the check and the use see the same number."""

    class Sly(dict):
        reads = 0

        def __getitem__(self, key):
            if key == "shape":
                Sly.reads += 1
                return (4,) if Sly.reads == 1 else (1 << 40,)
            return dict.__getitem__(self, key)

        def get(self, key, default=None):
            return self[key] if key in self else default

    class Evil:
        memory = bytearray(4)
        __array_interface__ = Sly(version=3, typestr="|u1", shape=(4,), data=memory)

    try:
        assert sp.Buffer(Evil()).nbytes == 4
    except (ValueError, BufferError, TypeError):
        pass


def test_shapes_that_change_while_they_are_read():
    class Growing:
        def __index__(self):
            shape.extend([1] * 1000)
            return 2

    shape = [Growing(), 2]
    try:
        result = sp.Buffer(bytes(4)).cast("B", shape)
        assert result.shape == (2, 2)
    except (ValueError, TypeError):
        pass
    shape = [Growing(), 2]
    try:
        sp.empty(shape, "uint8")
    except (ValueError, TypeError):
        pass

    class Shrinking:
        def __index__(self):
            del small[1:]
            return 2

    small = [Shrinking(), 2, 2, 2]
    try:
        sp.empty(small, "uint8")
    except (ValueError, TypeError, IndexError):
        pass


def test_deleters_that_call_back_in():
    """An owner's finaliser may use the library, the very same objects included."""
    log = []

    class Owner(np.ndarray):
        def __del__(self):
            log.append(sp.Buffer(bytearray(b"again"))[::-1].tobytes())

    buffer = sp.Buffer(np.arange(4).view(Owner))
    buffer.release()
    del buffer
    gc.collect()
    assert log and log[0] == b"niaga"


def test_weakref_callbacks_and_finalisers_see_a_sane_object():
    seen = []
    import weakref

    def make():
        buffer = sp.Buffer(bytearray(4))
        weakref.finalize(buffer, seen.append, 1)
        holder = type("Holder", (), {"__del__": lambda self: seen.append(self.buffer.tolist())})()
        holder.buffer, holder.me = buffer, holder

    make()
    gc.collect()
    assert 1 in seen and [0] * 4 in seen


def test_errors_inside_index_come_through_and_write_nothing():
    class Raises:
        def __index__(self):
            raise LookupError("mine")

    memory = bytearray(b"abcd")
    buffer = sp.Buffer(memory)
    for use in (
        lambda: buffer[Raises()],
        lambda: buffer[Raises() :],
        lambda: buffer.__setitem__(Raises(), 1),
        lambda: buffer.reshape(Raises()),
        lambda: buffer.permute(Raises()),
        lambda: sp.empty((Raises(),), "uint8"),
        lambda: buffer.__setitem__(slice(Raises(), None), b"xxxx"),
    ):
        with pytest.raises(LookupError, match="mine"):
            use()
    assert memory == b"abcd"


def test_gc_in_the_middle_of_everything():
    """Allocation-triggered collections at every step."""
    threshold = gc.get_threshold()
    gc.set_threshold(1)
    try:
        for _ in range(50):
            source = array.array("i", range(12))
            buffer = sp.Buffer(source).cast("B").cast("i", (3, 4))
            parts = [buffer[i:, ::-1].T for i in range(3)]
            assert [p.contiguous().tolist() for p in parts][2] == [[11], [10], [9], [8]]
            assert memoryview(parts[0]).tolist() == parts[0].tolist() == sp.from_dlpack(parts[0]).tolist()
    finally:
        gc.set_threshold(*threshold)


def test_class_of_a_buffer_cannot_be_replaced():
    class Other:
        pass

    with pytest.raises(TypeError):
        sp.Buffer(b"").__class__ = Other
    with pytest.raises(TypeError):
        object.__new__(sp.Buffer)


def test_a_buffer_made_without_its_constructor_is_refused_everywhere():
    """tp_new is the only door: there is no half-made Buffer."""
    for make in (lambda: sp.Buffer.__new__(sp.Buffer), lambda: type(sp.Buffer(b"")).__new__(sp.Buffer)):
        try:
            half = make()
        except TypeError:
            continue
        for use in (repr, len, lambda b: b.shape, memoryview, lambda b: b.tobytes(), lambda b: b.release()):
            try:
                use(half)
            except (TypeError, ValueError, BufferError):
                pass


def test_calling_init_again_changes_nothing():
    memory = bytearray(b"abc")
    buffer = sp.Buffer(memory)
    try:
        buffer.__init__(b"other")
    except TypeError:
        pass
    assert buffer.tobytes() == b"abc" and buffer.obj is memory
