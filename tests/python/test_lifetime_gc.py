"""Code that a garbage collection runs in the middle of an operation: finalisers that release and exhaust."""

import gc
import weakref

import pytest
import strideport as sp

THRESHOLDS = range(1, 40)  # the collection starts at another allocation each time


def collecting_from(threshold, finaliser, operation):
    """Runs `operation` while a collection may run `finaliser` at any allocation (up to 3.11 inside of C code)."""

    class Trigger:
        def __del__(self):
            finaliser()

    gc.disable()
    old = gc.get_threshold()
    try:
        trigger = Trigger()
        trigger.itself = trigger
        del trigger
        gc.set_threshold(threshold, 1000, 1000)
        gc.enable()
        return operation()
    finally:
        gc.disable()
        gc.set_threshold(*old)
        gc.collect()
        gc.enable()


@pytest.mark.parametrize("key", [slice(1, 3), (slice(None), None), (...,)], ids=str)
def test_a_view_survives_a_collection_that_releases_its_source(key):
    for threshold in THRESHOLDS:
        buffer = sp.Buffer(bytearray(range(64)))
        expected = memoryview(bytes(range(64)))[key if isinstance(key, slice) else slice(None)].tobytes()

        def take(buffer=buffer):
            try:
                return [buffer[key] for _ in range(3)]
            except ValueError:
                return []

        views = collecting_from(threshold, buffer.release, take)
        assert all(view.tobytes() == expected for view in views)


def test_an_iterator_survives_a_collection_that_exhausts_it():
    for threshold in THRESHOLDS:
        rows = iter(sp.Buffer(bytearray(range(64))).reshape(8, 8))

        def take(rows=rows):
            return [row.tobytes() for row in (next(rows, None) for _ in range(3)) if row is not None]

        taken = collecting_from(threshold, lambda rows=rows: list(rows), take)
        assert taken == [bytes(range(8 * i, 8 * i + 8)) for i in range(len(taken))]


def test_garbage_with_a_memoryview_that_an_array_interface_names_is_collected():
    class Interface:
        pass

    class Node:
        pass

    for _ in range(20):
        view = memoryview(bytearray(8))
        source, node = Interface(), Node()
        source.__array_interface__ = {"version": 3, "typestr": "|u1", "shape": (8,), "data": view}
        buffer = sp.Buffer(source)
        node.members = [node, view, buffer]
        gone = weakref.ref(node)
        del view, source, buffer, node
        gc.collect()
        assert gone() is None
