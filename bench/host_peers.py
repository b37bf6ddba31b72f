"""What the host benchmark compares: Strideport, memcpy, NumPy, PyTorch, JAX and HPTT, each where it is present.

Each gives, for a layout, a call without arguments that makes one copy: into an output that was there before ("warm"),
or into one that it makes ("new"). JAX makes its output always, so that it stands in both groups with the same call.
"""

from __future__ import annotations

import concurrent.futures
import ctypes
import importlib
import os
from collections.abc import Callable
from typing import NamedTuple

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import numpy as np

import host_layouts
import strideport as sp
from host_layouts import Layout

REFUSALS = (RuntimeError, TypeError, ValueError, NotImplementedError)


class Refused(TypeError):
    """This peer has no way to make this copy."""


def installed(name: str):
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


class Memory(NamedTuple):
    """Both sides of a copy: all their bytes, and the arrays in them."""

    layout: Layout
    src_bytes: np.ndarray
    dst_bytes: np.ndarray

    def arrays(self, layout: Layout) -> tuple[np.ndarray, np.ndarray]:
        return (host_layouts.array_in(self.dst_bytes, layout, layout.dst_strides),
                host_layouts.array_in(self.src_bytes, layout, layout.src_strides))


class Strideport:
    name = "strideport"
    version = sp.__version__

    def __init__(self, threads: int) -> None:
        sp.set_num_threads(threads)

    def warm(self, memory: Memory) -> Callable:
        to, source = (sp.asbuffer(array) for array in memory.arrays(memory.layout))
        return lambda: sp.copy(to, source)

    def new(self, memory: Memory) -> Callable:
        source = sp.asbuffer(memory.arrays(memory.layout)[1])
        return lambda: source.contiguous("C")


class NumPy:
    name = "numpy"
    version = np.__version__

    def __init__(self, threads: int) -> None:
        pass

    def warm(self, memory: Memory) -> Callable:
        to, source = memory.arrays(memory.layout)
        return lambda: np.copyto(to, source)

    def new(self, memory: Memory) -> Callable:
        source = memory.arrays(memory.layout)[1]
        return lambda: np.ascontiguousarray(source)


class Torch:
    name = "torch"

    def __init__(self, threads: int) -> None:
        self.torch = importlib.import_module("torch")
        self.version = self.torch.__version__
        self.torch.set_num_threads(threads)

    def warm(self, memory: Memory) -> Callable:
        to, source = map(self.torch.from_numpy, memory.arrays(host_layouts.in_words(memory.layout)))
        return lambda: to.copy_(source)

    def new(self, memory: Memory) -> Callable:
        source = self.torch.from_numpy(memory.arrays(host_layouts.in_words(memory.layout))[1])
        return source.contiguous


class Jax:
    name = "jax"

    def __init__(self, threads: int) -> None:
        self.jax = importlib.import_module("jax")
        self.version = self.jax.__version__
        self.jax.config.update("jax_enable_x64", True)
        self.made: tuple[np.ndarray, Callable] | None = None  # the input is the same for both groups

    def warm(self, memory: Memory) -> Callable:
        return self.new(memory)

    def new(self, memory: Memory) -> Callable:
        if self.made is None or self.made[0] is not memory.src_bytes:
            self.made = None
            self.made = memory.src_bytes, self.compile(memory, host_layouts.in_words(memory.layout))
        return self.made[1]

    def compile(self, memory: Memory, layout: Layout) -> Callable:
        base, numpy = host_layouts.base_of(layout), self.jax.numpy
        if base is None or memory.layout.dst_strides != host_layouts.strides_of("C", memory.layout.shape):
            raise Refused("no strides")
        if base.permuted_only and base.axes == tuple(range(len(base.axes))):
            raise Refused("XLA leaves out a copy in the same order")

        def view(x):
            x = x[base.slices]
            x = numpy.transpose(numpy.flip(x, base.flips), base.axes)
            return numpy.broadcast_to(numpy.expand_dims(x, base.broadcast), layout.shape)

        dense = np.zeros(base.shape, layout.dtype)
        count = min(dense.nbytes, memory.src_bytes.size)
        dense.reshape(-1).view(np.uint8)[:count] = memory.src_bytes[:count]
        source, function = self.jax.device_put(dense), self.jax.jit(view)
        return lambda: function(source).block_until_ready()


class Hptt:
    """Through its C functions, which plan anew in each call; elements of 4, 8 and 16 bytes."""

    name = "hptt"
    version = "of HPTT_LIB"

    def __init__(self, threads: int) -> None:
        self.library = ctypes.CDLL(os.environ["HPTT_LIB"])
        self.threads = threads

    def warm(self, memory: Memory) -> Callable:
        layout = host_layouts.in_words(memory.layout)
        base = host_layouts.base_of(layout)
        kind = {"i4": "s", "f4": "s", "f8": "d", "c16": "z"}.get(layout.dtype.str[1:])
        dense = layout.dst_strides == host_layouts.strides_of("C", layout.shape)
        if kind is None or base is None or not base.permuted_only or not dense:
            raise Refused("permutations of 4, 8 and 16 bytes only")
        ints = ctypes.c_int * len(base.shape)
        pointers = [ctypes.c_void_p(bytes_.ctypes.data) for bytes_ in (memory.src_bytes, memory.dst_bytes)]
        real = ctypes.c_float if kind == "s" else ctypes.c_double
        # A complex number by value is two doubles, and has a flag for its conjugate.
        one, zero = ([real(1)], [real(0)]) if kind != "z" else ([real(1), real(0)], [real(0), real(0)])
        conjugate = [ctypes.c_bool(False)] if kind == "z" else []
        function = getattr(self.library, f"{kind}TensorTranspose")
        function.restype = None
        arguments = [ints(*base.axes), len(base.shape), *one, *conjugate, pointers[0], ints(*base.shape), None,
                     *zero, pointers[1], None, self.threads, 1]
        return lambda memory=memory: function(*arguments)  # knows addresses alone

    def new(self, memory: Memory) -> Callable:
        raise Refused("writes to memory that is there")


def every_peer(threads: int) -> list:
    """Those that are here, ours first."""
    peers: list = [Strideport(threads), NumPy(threads)]
    peers += [kind(threads) for kind in (Torch, Jax) if installed(kind.name) is not None]
    return peers + ([Hptt(threads)] if os.environ.get("HPTT_LIB") else [])


def forget(peers: list) -> None:
    """Frees what they keep of the last layout."""
    for peer in peers:
        if isinstance(peer, Jax):
            peer.made = None


def memcpy(memory: Memory, threads: int) -> Callable:
    """The C library's, of one block of as many bytes: in as many pieces as there are threads where it is large.

    The calls know addresses alone, so that each keeps its arrays.
    """
    count = memory.layout.nbytes
    source = memory.src_bytes if memory.src_bytes.size >= count else np.resize(memory.src_bytes, count)
    to, begin = memory.dst_bytes.ctypes.data, source.ctypes.data
    if threads == 1 or count < 1 << 20:
        return lambda memory=memory, source=source: ctypes.memmove(to, begin, count)
    pool = concurrent.futures.ThreadPoolExecutor(threads)
    cuts = [count * piece // threads & -64 for piece in range(threads)] + [count]
    pieces = [(to + low, begin + low, high - low) for low, high in zip(cuts, cuts[1:])]
    return lambda memory=memory, source=source: list(pool.map(lambda piece: ctypes.memmove(*piece), pieces))
