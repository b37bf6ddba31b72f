"""Threads, fork, a process without any device, the end of the interpreter."""

import os
import threading

import pytest
import strideport as sp
from support.children import run_python
from support.devices import each_device, needs_devices

NONE = {"STRIDEPORT_SIMULATED_DEVICES": "0", "CUDA_VISIBLE_DEVICES": ""}


def test_without_any_device_everything_says_why():
    out = run_python(
        """
        import strideport as sp
        assert sp.devices() == ["cpu"], sp.devices()
        why = sp.why_no_device("simulated")
        assert "STRIDEPORT" in why, why
        assert sp.why_no_device("cuda")
        host = sp.asbuffer(bytearray(b"abcd"))
        for call in (
            lambda: sp.Stream("simulated"),
            lambda: sp.Stream(),
            lambda: sp.empty(4, "uint8", device="simulated"),
            lambda: sp.empty(4, "uint8", device="cuda:0"),
            lambda: sp.empty(4, "uint8", pinned=True),
            lambda: sp.empty_like(host, pinned=True),
            lambda: host.to("simulated"),
            lambda: host.to("cuda"),
            lambda: host.to("cpu", pinned=True),
            lambda: sp.from_pointer(4096, 4, "uint8", device="simulated"),
            lambda: sp.from_pointer(4096, 4, "uint8", device="cuda"),
            lambda: sp.device_info("simulated:0"),
            lambda: sp.from_dlpack(host, device="simulated"),
            lambda: host.__dlpack__(dl_device=(2, 0)),
            lambda: host.__dlpack__(dl_device=(12, 0)),
            lambda: sp.Event.record(1, "simulated"),
        ):
            try:
                call()
            except (sp.DeviceError, BufferError) as error:
                assert str(error), error
            else:
                raise AssertionError("no error")

        class Array:
            __cuda_array_interface__ = {"version": 3, "shape": (4,), "typestr": "|u1", "data": (4096, False)}

        try:
            sp.asbuffer(Array())
        except BufferError as error:
            print(error)
        assert host.to("cpu", copy=True) == host and sp.show_config("dicts")["devices"]["cuda"]
        """,
        **NONE,
    )
    assert "4096" in out.stdout and not out.stderr


def test_a_bad_number_of_simulated_devices_does_not_crash():
    for number in ("nine", "-1", "99", ""):
        run_python("import strideport as sp; sp.devices(); sp.why_no_device('simulated')", STRIDEPORT_SIMULATED_DEVICES=number)


@needs_devices
def test_host_memory_asks_no_driver():
    """A driver takes a second to start, and a forked child cannot use its parent's: the host's work starts none."""
    out = run_python(
        """
        import strideport as sp
        b = sp.asbuffer(bytearray(range(64))).cast("i", (4, 4))
        b.tolist(), b.tobytes(), b.to("cpu", copy=True), b.T.contiguous(), b == b.T, b.explain(), b[::2].count(b[0])
        sp.copy(b, b.T); sp.empty((2, 2), "float32"); b.__dlpack__(); sp.from_dlpack(b); sp.asbuffer(b"abc")
        hasattr(b, "__cuda_array_interface__")
        print(open("/proc/self/maps").read().count("libcuda"), len(__import__("os").listdir("/proc/self/task")))
        """
    )
    assert out.stdout.split()[0] == "0"


@needs_devices
@each_device
def test_many_threads_share_devices(device):
    errors = []

    def work(seed):
        try:
            stream = sp.Stream(device)
            for i in range(30):
                data = bytes((seed * 31 + i + j) % 256 for j in range(997))
                buffer = sp.asbuffer(data).to(device, stream=stream)
                turned = sp.empty(997, "uint8", device=device, stream=stream)
                sp.copy(turned, buffer[::-1], stream)
                assert turned.tobytes() == data[::-1]
                assert buffer[i] == data[i] and buffer.index(data[0]) == 0
        except BaseException as error:  # noqa: BLE001 - told to the main thread
            errors.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors


@needs_devices
@each_device
def test_one_buffer_in_many_threads(device):
    data = bytes(range(250))
    buffer = sp.asbuffer(data).to(device)
    errors = []

    def work():
        try:
            for _ in range(30):
                assert buffer.tobytes() == data and buffer[-1] == 249 and buffer == data
                buffer[10:20].to("cpu", stream=2)
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors


@needs_devices
@each_device
def test_releasing_while_another_thread_reads_is_an_error_or_the_value(device):
    for _ in range(20):
        buffer = sp.asbuffer(bytes(100000)).to(device)
        results = []

        def read(buffer=buffer, results=results):
            try:
                results.append(buffer.tobytes() == bytes(100000))
            except ValueError:
                results.append(True)

        thread = threading.Thread(target=read)
        thread.start()
        buffer.release()
        thread.join()
        assert results == [True]


@needs_devices
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@each_device
def test_a_forked_child_fails_clearly_and_the_parent_goes_on(device):
    out = run_python(
        f"""
        import os, warnings
        warnings.simplefilter("ignore")
        import strideport as sp
        device = {device!r}
        buffer = sp.asbuffer(bytes(range(100))).to(device)
        stream, event = sp.Stream(device), sp.Stream(device).record()
        pinned = buffer.to("cpu", pinned=True)
        child = os.fork()
        if child == 0:
            status = 0
            calls = (buffer.tobytes, lambda: buffer[0], lambda: sp.empty(4, "uint8", device=device), stream.synchronize,
                     lambda: stream.done, stream.record, lambda: event.done, lambda: sp.Stream(device),
                     lambda: sp.asbuffer(b"x").to(device))
            for n, call in enumerate(calls):
                try:
                    call()
                except (sp.DeviceError, BufferError) as error:
                    assert str(error)
                else:
                    status = 10 + n
            if sp.asbuffer(b"abc").to("cpu", copy=True).tobytes() != b"abc":
                status = 5
            del buffer, stream, event, pinned
            os._exit(status)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0, os.waitstatus_to_exitcode(status)
        assert buffer.tobytes() == bytes(range(100)) and pinned.tobytes() == buffer.tobytes()
        print("parent goes on")
        """
    )
    assert "parent goes on" in out.stdout


@needs_devices
def test_a_child_forked_before_any_device_call_has_its_own():
    run_python(
        """
        import os, warnings
        warnings.simplefilter("ignore")
        import strideport as sp
        sp.asbuffer(b"host work only").tobytes()
        child = os.fork()
        if child == 0:
            ok = sp.asbuffer(b"abc").to("simulated").tobytes() == b"abc"
            os._exit(0 if ok else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert sp.asbuffer(b"abc").to("simulated").tobytes() == b"abc"
        """
    )


ENDS = {
    "buffers": "keep = [sp.asbuffer(bytes(1 << 20)).to(d, stream=s) for _ in range(5)]",
    "pending work": "keep = [sp.empty(1 << 22, 'uint8', device=d) for _ in range(5)]; [sp.copy(k, keep[0], s) for k in keep]",
    "python owners": "m = sp.empty(1 << 22, 'uint8', device=d, stream=s); keep = sp.from_pointer(m.ptr, 1 << 22, 'uint8', "
    "device=d, owner=m, stream=s); [sp.copy(keep, bytes(1 << 22), s) for _ in range(3)]",
    "python owners that go": "m = sp.empty(1 << 22, 'uint8', device=d, stream=s); k = sp.from_pointer(m.ptr, 1 << 22, "
    "'uint8', device=d, owner=m, stream=s); sp.copy(k, m, s); sp.copy(m, k, s); del k, m",
    "streams and events": "keep = [sp.Stream(d) for _ in range(5)]; more = [k.record() for k in keep]",
    "a cycle": "class O: pass\no = O(); o.m = sp.empty(9, 'uint8', device=d); o.b = sp.from_pointer(o.m.ptr, 9, 'uint8', "
    "device=d, owner=o); del o",
    "a thread at work": "import threading\nthreading.Thread(target=lambda: [sp.asbuffer(bytes(1 << 16)).to(d) for _ in "
    "range(10**6)], daemon=True).start()\n[sp.asbuffer(bytes(99)).to(d) for _ in range(50)]",
    "a thread that reads": "import threading\nb = sp.empty(1 << 16, 'uint8', device=d)\nthreading.Thread(target=lambda: "
    "[b.tobytes() for _ in range(10**6)], daemon=True).start()\n[b.tobytes() for _ in range(50)]",
}


@needs_devices
@pytest.mark.parametrize("what", ENDS)
@each_device
def test_the_interpreter_ends_quietly(device, what):
    code = f"import strideport as sp\nd = {device!r}\ns = sp.Stream(d)\n{ENDS[what]}\n"
    result = run_python(code)
    assert not result.stderr, result.stderr
