"""DLPack in, the Python side: how producers are asked, what they raise, and from_dlpack's arguments."""

import gc
import struct

import pytest
import strideport as sp
from support.dlpack import Failing, Producer, Tensor


def numbers(count=16):
    return bytearray(struct.pack(f"{count}i", *range(count)))


@pytest.mark.parametrize(
    "result", [None, 5, "capsule", b"", object(), [], lambda: None], ids=lambda r: type(r).__name__
)
def test_producers_that_return_no_capsule_are_refused(result):
    with pytest.raises((TypeError, BufferError)):
        sp.from_dlpack(Producer(result))


@pytest.mark.parametrize(
    "error",
    [
        ValueError("v"),
        BufferError("b"),
        ZeroDivisionError("z"),
        RuntimeError("r"),
        KeyboardInterrupt(),
        MemoryError("m"),
    ],
    ids=lambda e: type(e).__name__,
)
def test_what_a_producer_raises_comes_through(error):
    def fail(**keywords):
        raise error

    expected = (BufferError, ValueError) if isinstance(error, (ValueError, BufferError)) else type(error)
    with pytest.raises(expected) as caught:
        sp.from_dlpack(Failing(fail))
    if str(error):
        assert str(error) in str(caught.value), "the producer's words are in the message"


def test_producers_are_asked_for_the_newest_version_first():
    producer = Producer(Tensor(numbers()))
    sp.from_dlpack(producer)
    first = producer.calls[0]
    assert first["max_version"][0] == 1 and first["max_version"] >= (1, 0)
    assert first.get("stream") is None and len(producer.calls) == 1


@pytest.mark.parametrize(
    "accepts", [(), ("stream",), ("max_version",), ("stream", "max_version"), ("max_version", "copy")], ids=repr
)
def test_producers_without_some_keywords_are_asked_again(accepts):
    producer = Producer(Tensor(numbers()), accepts=accepts)
    assert sp.from_dlpack(producer).tolist() == [0, 1, 2, 3]
    assert set(producer.calls[-1]) <= set(accepts)


def test_type_errors_from_inside_a_producer_are_not_swallowed():
    def fail(**keywords):
        raise TypeError("inside")

    with pytest.raises(TypeError, match="inside"):
        sp.from_dlpack(Failing(fail))


class Homeless(Producer):
    """Cannot say where its memory is, as torch's tensors without a storage cannot."""

    def __dlpack_device__(self):
        raise NotImplementedError("no storage")


@pytest.mark.parametrize("take", [sp.asbuffer, sp.from_dlpack])
def test_what_refuses_has_the_words_where_the_device_is_not_known(take):
    class Refusing(Homeless):
        def __dlpack__(self, **keywords):
            raise BufferError("layout")

    with pytest.raises(BufferError, match="layout"):
        take(Refusing(None))


def test_what_merely_fails_after_a_refusal_is_one_refusal_more():
    """torch's sparse tensors: `__dlpack__` refuses them, and the getter of the next protocol fails."""

    class Failing:
        error = RuntimeError("unimplemented")

        def __dlpack__(self, **keywords):
            raise BufferError("layout")

        def __dlpack_device__(self):
            return (1, 0)

        @property
        def __cuda_array_interface__(self):
            raise self.error

    with pytest.raises(BufferError, match="layout.*unimplemented"):
        sp.asbuffer(Failing())
    for error in (MemoryError("m"), RecursionError("r"), KeyboardInterrupt()):
        Failing.error = error
        with pytest.raises(type(error)):
            sp.asbuffer(Failing())


@pytest.mark.parametrize("take", [sp.asbuffer, sp.from_dlpack])
def test_memory_of_a_device_that_is_not_known_is_left_alone(take):
    """It would not be ready on any stream that was agreed on."""
    tensor = Tensor(numbers())
    with pytest.raises(NotImplementedError, match="no storage"):
        take(Homeless(tensor))
    assert not tensor.used and tensor.deleted == 0


class Counting(Producer):
    def __init__(self, tensor):
        super().__init__(tensor)
        self.asked = 0

    def __dlpack_device__(self):
        self.asked += 1
        return self.device


@pytest.mark.parametrize("take", [sp.asbuffer, sp.from_dlpack])
def test_every_object_is_asked_once_for_its_device(take):
    for _ in range(2):
        producer = Counting(Tensor(numbers()))
        assert take(producer).tolist() == [0, 1, 2, 3]
        assert producer.asked == 1 and len(producer.calls) == 1


@pytest.mark.parametrize("take", [sp.asbuffer, sp.from_dlpack])
def test_an_attribute_error_inside_dlpack_device_comes_through(take):
    class Broken(Counting):
        def __dlpack_device__(self):
            super().__dlpack_device__()
            return self.nothing

    tensor = Tensor(numbers())
    producer = Broken(tensor)
    with pytest.raises(AttributeError, match="nothing"):
        take(producer)
    assert producer.asked == 1 and not tensor.used


def test_a_class_that_loses_dlpack_device_is_taken_for_one_without():
    class Bare:
        def __init__(self, tensor):
            self.tensor = tensor

        def __dlpack__(self, **keywords):
            return self.tensor.capsule

        def __dlpack_device__(self):
            return (1, 0)

    assert sp.from_dlpack(Bare(Tensor(numbers()))).tolist() == [0, 1, 2, 3]
    del Bare.__dlpack_device__
    assert sp.from_dlpack(Bare(Tensor(numbers()))).tolist() == [0, 1, 2, 3]


def test_an_object_may_have_a_dlpack_device_of_its_own():
    producer = Producer(Tensor(numbers()))
    assert sp.from_dlpack(producer).tolist() == [0, 1, 2, 3]
    other = Producer(Tensor(numbers()))
    other.__dlpack_device__ = lambda: (99, 0)
    with pytest.raises(BufferError, match="99"):
        sp.from_dlpack(other)


def test_the_numbers_of_a_device_may_be_of_a_class_derived_from_int():
    assert sp.from_dlpack(Producer(Tensor(numbers()), device=(True, False))).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("pair", [(1, 2**40), (2**70, 0), (1.0, 0), (1,), [1, 0], None], ids=repr)
def test_what_is_no_device_is_refused(pair):
    tensor = Tensor(numbers())
    with pytest.raises((TypeError, ValueError), match="__dlpack_device__"):
        sp.from_dlpack(Producer(tensor, device=pair))
    assert not tensor.used or tensor.deleted == 1


@pytest.mark.parametrize("take", [sp.asbuffer, sp.from_dlpack])
def test_questions_of_torch_are_asked_of_torchs_tensors_alone(take):
    class Algebraic(Producer):
        requires_grad = True

        def is_neg(self, tolerance):
            raise AssertionError("not torch's")

        is_conj = is_neg

    assert take(Algebraic(Tensor(numbers()))).tolist() == [0, 1, 2, 3]


def test_objects_without_the_protocol_are_type_errors():
    for thing in (5, None, "x", object(), [1]):
        with pytest.raises((TypeError, AttributeError)):
            sp.from_dlpack(thing)


@pytest.mark.parametrize("thing", [b"abc", bytearray(3), memoryview(b"abc")], ids=repr)
def test_objects_without_the_protocol_are_sent_to_asbuffer(thing):
    with pytest.raises(TypeError, match="has no __dlpack__.*asbuffer"):
        sp.from_dlpack(thing)
    assert sp.from_dlpack(sp.asbuffer(thing)).tolist() == list(thing)


def test_the_attribute_is_looked_up_on_the_type_or_the_object_but_never_half():
    """__dlpack__ set to None, or a property that raises AttributeError, means that there is none."""

    class Nothing:
        __dlpack__ = None

        def __dlpack_device__(self):
            return (1, 0)

    with pytest.raises(TypeError):
        sp.asbuffer(Nothing())


def test_copy_argument_of_from_dlpack():
    """Array API: True always copies, False never, None where needed."""
    tensor = Tensor(numbers())
    copied = sp.from_dlpack(Producer(tensor), copy=True)
    assert copied.ptr != tensor.address and not copied.readonly and copied.tolist() == [0, 1, 2, 3]
    gc.collect()
    shared = sp.from_dlpack(Producer(Tensor(numbers())), copy=False)
    assert shared.tolist() == [0, 1, 2, 3]
    for wrong in (1, "yes"):
        with pytest.raises((TypeError, ValueError)):
            sp.from_dlpack(Producer(Tensor(numbers())), copy=wrong)


class Uncopying(Producer):
    """Cannot copy, and says so, as tvm-ffi's tensors do."""

    error: type[Exception] = BufferError

    def __dlpack__(self, **keywords):
        if keywords.get("copy"):
            raise self.error("copy not supported")
        return super().__dlpack__(**keywords)


@pytest.mark.parametrize("error", [BufferError, ValueError, NotImplementedError])
@pytest.mark.parametrize("where", [{}, {"device": "cpu"}], ids=repr)
def test_what_a_producer_cannot_copy_is_copied_here(error, where):
    tensor = Tensor(numbers())
    producer = Uncopying(tensor)
    producer.error = error
    copied = sp.from_dlpack(producer, copy=True, **where)
    assert copied.tolist() == [0, 1, 2, 3] and copied.ptr != tensor.address and not copied.readonly
    gc.collect()
    assert tensor.deleted == 1, "the copy needs it no longer"


def test_other_errors_of_a_producer_that_should_copy_come_through():
    producer = Uncopying(Tensor(numbers()))
    producer.error = RuntimeError
    with pytest.raises(RuntimeError, match="copy not supported"):
        sp.from_dlpack(producer, copy=True)


@pytest.mark.parametrize("where", [{}, {"device": "cpu"}], ids=repr)
def test_why_there_was_no_copy_is_the_context_of_what_fails_then(where):
    class Failing:
        def __dlpack_device__(self):
            return (1, 0)

        def __dlpack__(self, **keywords):
            raise BufferError("no copies here") if keywords.get("copy") else RuntimeError("and nothing else")

    with pytest.raises(RuntimeError, match="and nothing else") as caught:
        sp.from_dlpack(Failing(), copy=True, **where)
    assert type(caught.value.__context__) is BufferError and "no copies here" in str(caught.value.__context__)


def test_contexts_of_errors_run_in_no_circle():
    class Repeating:
        failure = RuntimeError("again and again")

        def __dlpack_device__(self):
            return (1, 0)

        def __dlpack__(self, **keywords):
            try:
                raise self.failure
            except RuntimeError:
                if keywords.get("copy"):
                    raise BufferError("no copies here")  # noqa: B904: the context is what is looked at
                raise

    class Circling(Repeating):
        def __dlpack__(self, **keywords):
            refusal = BufferError("no copies here")
            refusal.__context__ = self.failure
            self.failure.__context__ = refusal
            raise refusal if keywords.get("copy") else ValueError("nothing at all")

    with pytest.raises(RuntimeError, match="again") as caught:
        sp.from_dlpack(Repeating(), copy=True)
    assert caught.value.__context__ is None
    with pytest.raises(ValueError, match="nothing at all"):
        sp.from_dlpack(Circling(), copy=True)


def test_device_argument_of_from_dlpack():
    for device in ("cpu", (1, 0), None):
        assert sp.from_dlpack(Producer(Tensor(numbers())), device=device).tolist() == [0, 1, 2, 3]
    for device in ("cuda", "cuda:7", (2, 0)):
        with pytest.raises((BufferError, ValueError, sp.DeviceError)):
            sp.from_dlpack(Producer(Tensor(numbers())), device=device)
    for device in ("nowhere", "cpu:x", (1, 2, 3), 5, object()):
        with pytest.raises((ValueError, TypeError)):
            sp.from_dlpack(Producer(Tensor(numbers())), device=device)


def test_from_dlpack_takes_its_first_argument_by_position_only():
    with pytest.raises(TypeError):
        sp.from_dlpack(x=Producer(Tensor(numbers())))
    with pytest.raises(TypeError):
        sp.from_dlpack(Producer(Tensor(numbers())), "cpu")
