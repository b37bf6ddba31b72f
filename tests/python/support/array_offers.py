"""Arrays, and objects that offer nothing of theirs but one of the array interface's two forms."""

from support.peers import peer

np = peer("numpy")


class Interface:
    """An object with __array_interface__ and nothing else."""

    def __init__(self, array=None, **changes):
        self.array = array
        self.__array_interface__ = {**(array.__array_interface__ if array is not None else {}), **changes}


class Struct:
    """An object with __array_struct__ and nothing else."""

    def __init__(self, array):
        self.array = array

    @property
    def __array_struct__(self):
        return self.array.__array_struct__


ARRAYS = {
    "vector": lambda: np.arange(6, dtype="i4"),
    "transposed": lambda: np.arange(6, dtype="f8").reshape(2, 3).T,
    "flipped": lambda: np.arange(6, dtype="i2")[::-1],
    "stepped": lambda: np.arange(12, dtype="u1").reshape(3, 4)[::2, 1::2],
    "scalar": lambda: np.array(7, "i8"),
    "empty": lambda: np.zeros((0, 3), "f4"),
    "bool": lambda: np.array([True, False]),
    "complex": lambda: np.array([1 + 2j, 3]),
    "half": lambda: np.array([0.5, 2], "f2"),
    "big": lambda: np.array([1, 2], ">i4"),
    "bytes": lambda: np.array([b"ab", b"c"]),
    "text": lambda: np.array(["ab", "c"]),
    "void": lambda: np.array([b"abc"], "V3"),
    "struct": lambda: np.array([(1, 2.0)], "i4,f8"),
    "aligned": lambda: np.zeros(2, np.dtype([("a", "i1"), ("b", "f8")], align=True)),
    "sub-array": lambda: np.zeros(2, [("a", "i4", (2, 3)), ("b", [("x", "i1"), ("y", ">f8")])]),
    "datetime": lambda: np.array(["2020-01-01", "NaT"], "M8[s]"),
    "timedelta": lambda: np.array([5, 6], "m8[ns]"),
}
