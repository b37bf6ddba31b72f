"""Host buffers where Python wants bytes-like objects: files, sockets, struct, re, hashlib and the rest."""

import array
import base64
import binascii
import hashlib
import hmac
import io
import mmap
import os
import re
import socket
import ssl
import struct
import zlib

import pytest
import strideport as sp
from support import pybuffer as pb

TEXT = b"the quick brown fox jumps over the lazy dog"


@pytest.fixture(params=["bytes", "bytearray", "own memory", "slice", "matrix"])
def buffer(request):
    """Contiguous buffers of TEXT's bytes from different owners."""
    if request.param == "bytes":
        return sp.Buffer(TEXT)
    if request.param == "bytearray":
        return sp.Buffer(bytearray(TEXT))
    if request.param == "own memory":
        own = sp.empty((len(TEXT),), "uint8")
        sp.copy(own, TEXT)
        return own
    if request.param == "slice":
        return sp.Buffer(b"__" + TEXT + b"__")[2:-2]
    return sp.Buffer(TEXT).reshape(1, len(TEXT), 1)


def test_files_write_and_read(buffer, tmp_path):
    path = tmp_path / "file"
    for buffering in (0, -1):
        with open(path, "wb", buffering=buffering) as file:
            assert file.write(buffer) == len(TEXT)
        target = sp.Buffer(bytearray(len(TEXT)))
        with open(path, "rb", buffering=buffering) as file:
            assert file.readinto(target) == len(TEXT)
        assert target.tobytes() == TEXT
    with open(path, "r+b") as file:
        assert os.pwrite(file.fileno(), buffer, 0) == len(TEXT)
        assert os.preadv(file.fileno(), [sp.Buffer(bytearray(4)), target], 0) == len(TEXT)
        assert os.writev(file.fileno(), [buffer, buffer]) == 2 * len(TEXT)


def test_files_read_into_part_of_a_buffer(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(TEXT)
    memory = bytearray(b"." * 12)
    with open(path, "rb") as file:
        assert file.readinto(sp.Buffer(memory)[4:8]) == 4
    assert memory == b"....the ...."


def test_readinto_refuses_readonly_and_strided_buffers(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(TEXT)
    with open(path, "rb") as file:
        for bad in (sp.Buffer(bytes(4)), sp.Buffer(bytearray(8))[::2]):
            for read in (file.readinto, io.BytesIO(TEXT).readinto):
                with pytest.raises((TypeError, BufferError)):
                    read(bad)
    with pytest.raises((TypeError, BufferError)):
        io.BytesIO().write(sp.Buffer(TEXT)[::2])


def test_memory_files(buffer):
    file = io.BytesIO()
    assert file.write(buffer) == len(TEXT) and file.getvalue() == TEXT
    assert io.BytesIO(buffer).read() == TEXT
    assert sp.Buffer(file.getbuffer()).tobytes() == TEXT


def test_sockets_send_and_receive(buffer):
    a, b = socket.socketpair()
    with a, b:
        assert a.send(buffer) == len(TEXT)
        target = sp.Buffer(bytearray(len(TEXT)))
        assert b.recv_into(target) == len(TEXT) and target.tobytes() == TEXT
        a.sendall(buffer)
        assert b.recv_into(target[:9]) == 9 and target[:9].tobytes() == b"the quick"
        a.sendmsg([buffer, buffer])
        with pytest.raises((TypeError, BufferError)):
            b.recv_into(sp.Buffer(bytes(4)))


def test_struct_packs_and_unpacks():
    memory = bytearray(16)
    buffer = sp.Buffer(memory)
    struct.pack_into("<iH", buffer, 3, -5, 65535)
    assert struct.unpack_from("<iH", buffer, 3) == struct.unpack_from("<iH", memory, 3) == (-5, 65535)
    assert list(struct.iter_unpack("<i", buffer)) == list(struct.iter_unpack("<i", memory))
    assert struct.unpack("16s", buffer) == (bytes(memory),)
    with pytest.raises((TypeError, BufferError)):
        struct.pack_into("i", sp.Buffer(bytes(4)), 0, 1)


def test_regular_expressions_search_buffers(buffer):
    if buffer.ndim != 1:
        pytest.skip("re counts len(), the first extent")
    match = re.search(rb"b(r)own", buffer)
    assert match.span() == re.search(rb"b(r)own", TEXT).span() and match.group(1) == b"r"
    assert re.findall(rb"\w+", buffer) == TEXT.split() and re.sub(rb"o", b"0", buffer) == TEXT.replace(b"o", b"0")


def test_digests_and_checksums(buffer):
    assert hashlib.sha256(buffer).digest() == hashlib.sha256(TEXT).digest()
    assert hmac.digest(buffer, buffer, "sha256") == hmac.digest(TEXT, TEXT, "sha256")
    assert zlib.crc32(buffer) == zlib.crc32(TEXT) and zlib.adler32(buffer) == zlib.adler32(TEXT)
    assert zlib.decompress(sp.Buffer(zlib.compress(buffer))) == TEXT
    assert binascii.crc32(buffer) == zlib.crc32(TEXT) and binascii.hexlify(buffer) == TEXT.hex().encode()
    assert base64.b64encode(buffer) == base64.b64encode(TEXT)


def test_bytes_and_their_methods(buffer):
    assert bytes(buffer) == bytearray(buffer) == TEXT
    assert b"-".join([buffer, buffer]) == TEXT + b"-" + TEXT and b"" + buffer == TEXT and bytearray() + buffer == TEXT
    assert (
        b"fox " + b"x" in (b"fox x",)
        and TEXT.find(buffer) == 0
        and TEXT.startswith(b"the")
        and buffer.hex() == TEXT.hex()
    )
    assert (
        TEXT.replace(buffer, b"-") == b"-"
        and TEXT.count(buffer) == 1
        and buffer.tobytes().split(sp.Buffer(b" ")) == TEXT.split()
    )
    grown = bytearray()
    grown.extend(buffer.reshape(len(TEXT)))
    grown += buffer
    assert grown == TEXT * 2
    grown[0:3] = buffer
    assert grown == TEXT + (TEXT * 2)[3:]


def test_numbers_and_text(buffer):
    assert int.from_bytes(buffer, "big") == int.from_bytes(TEXT, "big")
    assert str(buffer, "ascii") == TEXT.decode() and TEXT.translate(sp.Buffer(bytes(range(256)))) == TEXT
    assert int(sp.Buffer(b"42")) == 42 and float(sp.Buffer(b"2.5")) == 2.5
    assert eval(sp.Buffer(b"1 + 1")) == 2


def test_arrays_are_filled_from_buffers(buffer):
    numbers = array.array("B")
    numbers.frombytes(buffer)
    assert numbers.tobytes() == TEXT and array.array("B", bytes(buffer)).tobytes() == TEXT


def test_array_memory_is_locked_while_viewed():
    numbers = array.array("i", [1, 2, 3])
    buffer = sp.Buffer(numbers)
    buffer[1] = 20
    assert numbers[1] == 20
    with pytest.raises(BufferError):
        numbers.append(4)
    buffer.release()
    numbers.append(4)


def test_mappings_are_viewed_and_locked(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(TEXT)
    with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0) as mapping:
        buffer = sp.Buffer(mapping)
        assert buffer.tobytes() == TEXT
        buffer[0:3] = b"THE"
        with pytest.raises(BufferError):
            mapping.close()
        buffer.release()
    assert path.read_bytes()[:9] == b"THE quick"


def test_anonymous_mappings_take_writes():
    with mmap.mmap(-1, 64) as mapping:
        with sp.Buffer(mapping) as buffer:
            mapping.write(sp.Buffer(TEXT))
            assert buffer[: len(TEXT)].tobytes() == TEXT


def test_memory_bio_and_print(buffer):
    bio = ssl.MemoryBIO()
    assert bio.write(buffer) == len(TEXT) and bio.read() == TEXT


def test_strided_buffers_are_refused_where_bytes_are_needed_and_copied_by_bytes():
    buffer = sp.Buffer(TEXT)[::-1]
    assert bytes(buffer) == TEXT[::-1]
    for use in (hashlib.sha256, zlib.crc32, lambda b: io.BytesIO().write(b), lambda b: os.write(1, b)):
        with pytest.raises((BufferError, TypeError)):
            use(buffer)


def test_elements_of_other_types_are_bytes_there():
    numbers = array.array("d", [1.5, -2.0])
    buffer = sp.Buffer(numbers)
    assert (
        bytes(buffer) == numbers.tobytes() and hashlib.md5(buffer).digest() == hashlib.md5(numbers.tobytes()).digest()
    )
    assert b"".join([buffer]) == numbers.tobytes()


def test_no_export_is_left_behind():
    memory = bytearray(TEXT)
    buffer = sp.Buffer(memory)
    for use in (
        bytes,
        hashlib.sha256,
        zlib.crc32,
        lambda b: b"".join([b]),
        lambda b: struct.unpack_from("i", b),
        lambda b: re.search(b"q", b),
        lambda b: int.from_bytes(b, "big"),
        lambda b: b == TEXT,
        lambda b: pb.request(b, pb.FULL),
    ):
        use(buffer)
        buffer.release()
        buffer = sp.Buffer(memory)
    buffer.release()
    memory.append(1)
