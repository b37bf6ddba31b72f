"""Which exports touch a driver: on a device that failed for good each call is an error, and what makes none is none.

That shows -1, "no synchronisation", without a clock, and that all else makes memory ready. The fault lasts as long
as its process, which is a child, on the checking machine, which reports it.
"""

import ctypes

import pytest
import strideport as sp
from support import dlpack as dl
from support.children import run_python
from support.devices import each_device, needs_devices
from support.dlpack import Tensor
from support.protocols import Table

BROKEN = """
import ctypes
import os
import sys
import strideport as sp
from support import dlpack as dl
from support.protocols import Table

device = "simulated:0"
numbers = sp.asbuffer(bytes(4096)).cast("i", (32, 32))
stream = sp.Stream(device)
there = numbers.to(device, copy=True)
pending = sp.empty((32, 32), "int32", device=device)
managed = sp.empty((32, 32), "int32", device="simulated_managed:0")
pinned = sp.empty((32, 32), "int32", device="simulated_host:0")
last = sp.empty((32, 32), "int32", device=device)
lost = sp.empty((32, 32), "int32", device=device)
gone = sp.from_pointer(lost.ptr, (32, 32), "int32", device=device)  # which keeps nothing
lost.release()
for target in (pending, managed, pinned):
    sp.copy(target, there, stream)

try:
    sp.copy(last, gone.T, stream)
    stream.synchronize()
except sp.DeviceError:
    pass
else:
    raise AssertionError("the device did not fail")

def attempt(name, call):
    try:
        call()
    except sp.DeviceError:
        print(name, "fails", sep=": ")
    else:
        print(name, "gives", sep=": ")

table = Table.from_address(dl._pointer(sp.Buffer.__dlpack_c_exchange_api__, b"dlpack_exchange_api"))
for number in (-1, None, 1, 2, stream.handle):
    name = "handle" if number == stream.handle else number
    attempt(f"stream {name}", lambda: pending.__dlpack__(max_version=(1, 3), stream=number))
    attempt(f"legacy {name}", lambda: pending.__dlpack__(stream=number))
attempt("to the host", lambda: pending.__dlpack__(max_version=(1, 3), dl_device=(1, 0)))
attempt("from_object", lambda: table.from_object(pending, ctypes.byref(ctypes.c_void_p())))
attempt("fill", lambda: table.fill(pending, ctypes.byref(dl.DLTensor())))
for name, host in (("managed", managed), ("pinned", pinned), ("numbers", numbers)):
    attempt(f"memoryview of {name}", lambda: memoryview(host))
    attempt(f"interface of {name}", lambda: host.__array_interface__)
    attempt(f"struct of {name}", lambda: host.__array_struct__)
    attempt(f"capsule of {name}", lambda: host.__dlpack__(max_version=(1, 3)))
sys.stdout.flush()
os._exit(0)
"""


@pytest.fixture(scope="module")
def outcomes():
    if sp.why_no_device("simulated") is not None:
        pytest.skip("only a simulated device may be broken")
    result = run_python(BROKEN, STRIDEPORT_SIMULATED_MACHINE="checking", STRIDEPORT_SIMULATED_DEVICES="1")
    return dict(line.split(": ") for line in result.stdout.splitlines())


@pytest.mark.parametrize("capsule", ["stream", "legacy"])
def test_minus_1_synchronises_with_nothing(outcomes, capsule):
    """DLPack: -1 tells the producer to do no synchronisation at all."""
    assert outcomes[f"{capsule} -1"] == "gives"


@pytest.mark.parametrize("stream", ["None", "1", "2", "handle"])
@pytest.mark.parametrize("capsule", ["stream", "legacy"])
def test_every_other_stream_is_made_to_wait(outcomes, capsule, stream):
    assert outcomes[f"{capsule} {stream}"] == "fails"


@pytest.mark.parametrize("call", ["to the host", "from_object", "fill"])
def test_what_has_no_stream_argument_is_made_ready_too(outcomes, call):
    """The table's "no sync" means: ready on the stream that it names."""
    assert outcomes[call] == "fails"


@pytest.mark.parametrize("memory", ["managed", "pinned"])
@pytest.mark.parametrize("protocol", ["memoryview", "interface", "struct", "capsule"])
def test_what_the_host_reads_was_waited_for(outcomes, protocol, memory):
    assert outcomes[f"{protocol} of {memory}"] == "fails"


@pytest.mark.parametrize("protocol", ["memoryview", "interface", "struct", "capsule"])
def test_plain_memory_of_the_host_goes_on(outcomes, protocol):
    assert outcomes[f"{protocol} of numbers"] == "gives"


# Where the contents of an import are ready ----------------------------------------------------------------------------


@needs_devices
@each_device
def test_a_tensor_that_our_table_takes_is_ready_on_the_stream_that_the_table_names(device):
    table = Table.from_address(dl._pointer(sp.Buffer.__dlpack_c_exchange_api__, b"dlpack_exchange_api"))
    memory, stream, out = sp.asbuffer(bytes(16)).to(device, copy=True), ctypes.c_void_p(), ctypes.c_void_p()
    tensor = Tensor(shape=(4,), data=memory.ptr, device=memory.__dlpack_device__())
    assert table.to_object(ctypes.addressof(tensor.managed), ctypes.byref(out)) == 0
    buffer = ctypes.cast(out, ctypes.py_object).value
    ctypes.pythonapi.Py_DecRef(ctypes.py_object(buffer))  # ours, beside Python's
    assert table.current_stream(*memory.__dlpack_device__(), ctypes.byref(stream)) == 0
    assert buffer.stream == stream.value == 1, "1 is CUDA's legacy default stream"
    assert buffer.tobytes() == bytes(16)  # nothing is pending any more, so that the deleter runs here and now
    buffer.release()
    assert tensor.deleted == 1
