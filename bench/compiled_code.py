"""What the compiler made of the kernels: registers, spills, widths of accesses, and instructions on the main path.

    python bench/compiled_code.py [FILE] [--arch sm_90] [--out TABLE] [--cuobjdump PROGRAM]

FILE is a fat binary or anything with one inside, such as the Python module or libstrideport.so; the default is the
module that ``import strideport`` gives. Needs cuobjdump and nvdisasm, of a CUDA toolkit or of PyPI's
nvidia-cuda-cuobjdump and nvidia-cuda-nvdisasm; needs no GPU.

The main path is the one through the control-flow graph, loops entered at most once, that takes the fewest instructions
for each byte that it stores: what a whole, aligned tile takes. Instructions are those that a warp issues, NOP left out,
counted for 32 units moved, one by each lane; a store under a predicate counts as done. Totals over all code would
mislead: the ragged paths, which few blocks take, are most of it.
"""

from __future__ import annotations

import argparse
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field

FATBIN_MAGIC = bytes.fromhex("50ed55ba")
INSTRUCTION = re.compile(r"^\s+/\*([0-9a-f]{4,})\*/\s+(?:@(!?U?P[0-9T]+)\s+)?([A-Z][A-Z0-9_.]*)\s*([^;]*);")
RESOURCES = re.compile(r"REG:(\d+) STACK:(\d+) SHARED:(\d+) LOCAL:(\d+)")
ACCESS = re.compile(r"(LDG|STG|LDS|STS|LDL|STL|LD|ST)(?:\.|$)")
ENDS = {"EXIT", "RET", "KILL"}
JUMPS = {"BRA", "BSYNC", "JMP"}


@dataclass
class Instruction:
    address: int
    predicate: str | None
    opcode: str
    operands: str

    @property
    def name(self) -> str:
        return self.opcode.split(".")[0]

    @property
    def width(self) -> int:
        """Bytes of one access."""
        for part in self.opcode.split(".")[1:]:
            if part in ("U8", "S8"):
                return 1
            if part in ("U16", "S16"):
                return 2
            if part in ("64", "128"):
                return int(part) // 8
        return 4

    @property
    def is_conditional(self) -> bool:
        return self.predicate is not None or bool(re.match(r"!?U?P[0-9]", self.operands.strip()))


@dataclass
class MainPath:
    instructions: int
    stored_bytes: int  # by one thread
    loaded_bytes: int

    def per_32_units(self, unit: int) -> float:
        return self.instructions * unit / self.stored_bytes if self.stored_bytes else float("inf")


@dataclass
class KernelCode:
    name: str
    registers: int = 0
    stack_bytes: int = 0
    local_bytes: int = 0
    instructions: list[Instruction] = field(default_factory=list)

    def widths(self, *opcodes: str) -> list[int]:
        """The widths in bytes of all accesses by these opcodes, such as "LDG"."""
        return sorted({i.width for i in self.instructions if i.name in opcodes})

    def count(self, *opcodes: str) -> int:
        return sum(i.name in opcodes for i in self.instructions)

    @property
    def unit(self) -> int:
        """Bytes, the last number of the name; 4 where it states none (strideport_rows_2 takes two vectors)."""
        numbers = re.findall(r"_(\d+)", self.name)
        return int(numbers[-1]) if numbers and not self.name.startswith("strideport_rows_") else 4

    def main_path(self) -> MainPath:
        return find_main_path(self.instructions)


@dataclass
class Block:
    instructions: int
    stored: int
    loaded: int
    successors: list[int]


def blocks_of(code: list[Instruction]) -> dict[int, Block]:
    """The basic blocks by the address of their first instruction."""
    following = {a.address: b.address for a, b in zip(code, code[1:])}
    reconverges = {}  # barrier register to where BSYNC goes on
    targets: dict[int, list[int]] = {}
    for i in code:
        after = following.get(i.address)
        if i.name == "BSSY":
            register, place = re.match(r"(B\d+),\s*(0x[0-9a-f]+)", i.operands.strip()).groups()
            reconverges[register] = int(place, 16)
        if i.name in JUMPS:
            if i.name == "BSYNC":
                target = reconverges[i.operands.strip().split(",")[0]]
            else:
                target = int(re.findall(r"0x[0-9a-f]+", i.operands)[-1], 16)
            targets[i.address] = [target] + ([after] if i.is_conditional and after is not None else [])
        elif i.name in ENDS:
            targets[i.address] = [after] if i.is_conditional and after is not None else []
        elif i.name in ("BRX", "JMX", "CALL", "BREAK"):
            raise ValueError(f"{i.opcode} at {i.address:#x}: this analysis knows no such jump")
    starts = {code[0].address} | {t for places in targets.values() for t in places}
    starts |= {following[a] for a in targets if a in following}
    blocks: dict[int, Block] = {}
    current = None
    for i in code:
        if i.address in starts:
            if current is not None and not current.successors and previous not in targets:
                current.successors.append(i.address)
            current = blocks[i.address] = Block(0, 0, 0, [])
        current.instructions += i.name != "NOP"
        current.stored += i.width if i.name in ("STG", "ST") else 0
        current.loaded += i.width if i.name in ("LDG", "LD") else 0
        if i.address in targets:
            current.successors = list(targets[i.address])
        previous = i.address
    return blocks


def find_main_path(code: list[Instruction]) -> MainPath:
    blocks = blocks_of(code)
    order = reversed_postorder(blocks, code[0].address)
    rank = {address: n for n, address in enumerate(order)}
    # The smallest ratio of two sums along a path, by Dinkelbach: the path that is best for a price of bytes gives the
    # next price, until it stays the same.
    price = 0.0
    while True:
        best: dict[int, tuple[float, int, int, int]] = {}
        for address in reversed(order):
            block = blocks[address]
            ahead = [best[s] for s in block.successors if rank[s] > rank[address]]
            if not ahead:
                ahead = [(0.0, 0, 0, 0)]
            cost, instructions, stored, loaded = min(ahead)
            best[address] = (cost + block.instructions - price * block.stored, instructions + block.instructions,
                             stored + block.stored, loaded + block.loaded)
        _, instructions, stored, loaded = best[order[0]]
        if price == 0.0:
            price = 1e6  # first the path that stores most
        elif stored == 0 or abs(instructions / stored - price) < 1e-12:
            return MainPath(instructions, stored, loaded)
        else:
            price = instructions / stored


def reversed_postorder(blocks: dict[int, Block], entry: int) -> list[int]:
    order, seen, stack = [], {entry}, [(entry, iter(blocks[entry].successors))]
    while stack:
        address, successors = stack[-1]
        for successor in successors:
            if successor not in seen:
                seen.add(successor)
                stack.append((successor, iter(blocks[successor].successors)))
                break
        else:
            order.append(address)
            stack.pop()
    return order[::-1]


def find_tool(name: str = "cuobjdump") -> str | None:
    """The program on PATH, among the packages of this interpreter, or in the usual folder of toolkits."""
    packages = [str(p) for root in sys.path for p in pathlib.Path(root or ".").glob("nvidia/cu[0-9]*/bin")]
    for folder in (None, *packages, "/usr/local/cuda/bin"):
        found = shutil.which(name, path=folder)
        if found:
            return found
    return None


def embedded_fatbin(path: pathlib.Path) -> bytes:
    """The one fat binary inside of a file."""
    data = path.read_bytes()
    start = data.find(FATBIN_MAGIC)
    if start < 0:
        raise ValueError(f"{path} holds no fat binary: was it built with STRIDEPORT_CUDA=ON?")
    header_bytes, body_bytes = struct.unpack_from("<HQ", data, start + 6)
    return data[start:start + header_bytes + body_bytes]


def read_kernels(fatbin: bytes, arch: str, cuobjdump: str) -> list[KernelCode]:
    """Every kernel that the fat binary has for an architecture, by name."""
    folder = pathlib.Path(cuobjdump).parent
    with tempfile.TemporaryDirectory() as work:
        file = pathlib.Path(work, "kernels.fatbin")
        file.write_bytes(fatbin)

        def dump(option: str) -> str:
            return subprocess.run([cuobjdump, option, "-arch", arch, str(file)], check=True, text=True,
                                  capture_output=True, env={"PATH": f"{folder}:/usr/bin:/bin"}).stdout

        kernels = parse_resources(dump("-res-usage"))
        parse_code(dump("-sass"), kernels)
    return [kernels[name] for name in sorted(kernels, key=natural)]


def architectures(fatbin: bytes, cuobjdump: str) -> list[str]:
    with tempfile.TemporaryDirectory() as work:
        file = pathlib.Path(work, "kernels.fatbin")
        file.write_bytes(fatbin)
        text = subprocess.run([cuobjdump, "-lelf", str(file)], check=True, text=True, capture_output=True).stdout
    return sorted(set(re.findall(r"\.(sm_\d+[a-z]?)\.cubin", text)), key=natural)


def compiler(fatbin: bytes, cuobjdump: str) -> str:
    """The version of the compiler as it signs its work: "V13.0.88"."""
    with tempfile.TemporaryDirectory() as work:
        pathlib.Path(work, "kernels.fatbin").write_bytes(fatbin)
        subprocess.run([cuobjdump, "-xelf", "all", "kernels.fatbin"], check=True, capture_output=True, cwd=work)
        code = b"".join(file.read_bytes() for file in pathlib.Path(work).glob("*.cubin"))
    versions = set(re.findall(rb"compilation tools, release [\d.]+, (V[\d.]+)", code))
    return ", ".join(sorted(version.decode() for version in versions)) or "an unknown version"


def natural(name: str) -> list:
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def parse_resources(text: str) -> dict[str, KernelCode]:
    kernels = {}
    for name, line in re.findall(r"Function (\w+):\s*\n\s*(.*)", text):
        registers, stack, _, local = map(int, RESOURCES.match(line).groups())
        kernels[name] = KernelCode(name, registers, stack, local)
    return kernels


def parse_code(text: str, kernels: dict[str, KernelCode]) -> None:
    kernel = None
    for line in text.splitlines():
        if "Function : " in line:
            kernel = kernels[line.split("Function : ")[1].strip()]
        elif kernel is not None and (match := INSTRUCTION.match(line)):
            address, predicate, opcode, operands = match.groups()
            kernel.instructions.append(Instruction(int(address, 16), predicate, opcode, operands))


COLUMNS = ("kernel", "registers", "spills", "local", "loads", "stores", "shared_loads", "shared_stores", "unit",
           "path_instructions", "path_bytes", "per_32_units", "all_instructions")


def row(kernel: KernelCode) -> str:
    path = kernel.main_path()
    text = lambda widths: ",".join(map(str, widths)) or "-"  # noqa: E731
    cells = (kernel.name, kernel.registers, kernel.count("LDL", "STL"), kernel.stack_bytes + kernel.local_bytes,
             text(kernel.widths("LDG", "LD")), text(kernel.widths("STG", "ST")), text(kernel.widths("LDS")),
             text(kernel.widths("STS")), kernel.unit, path.instructions, path.stored_bytes,
             f"{path.per_32_units(kernel.unit):.2f}", sum(i.name != "NOP" for i in kernel.instructions))
    return "\t".join(map(str, cells))


def summary(arch: str, kernels: list[KernelCode]) -> str:
    return (f"# {arch}: {len(kernels)} kernels, at most {max(k.registers for k in kernels)} registers, "
            f"{sum(k.count('LDL', 'STL') for k in kernels)} spills, "
            f"{sum(k.stack_bytes + k.local_bytes for k in kernels)} bytes of local memory")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="?", type=pathlib.Path)
    parser.add_argument("--arch", default="sm_90")
    parser.add_argument("--out", type=pathlib.Path, help="write the table there, tab-separated")
    parser.add_argument("--cuobjdump", default=find_tool())
    arguments = parser.parse_args()
    if arguments.cuobjdump is None:
        sys.exit("cuobjdump is not here: pip install nvidia-cuda-cuobjdump nvidia-cuda-nvdisasm")
    if arguments.file is None:
        from strideport import _core
        arguments.file = pathlib.Path(_core.__file__)
    fatbin = embedded_fatbin(arguments.file)
    compiled_by = compiler(fatbin, arguments.cuobjdump)
    lines = [f"# {arguments.arch}, compiled by {compiled_by}; made by bench/compiled_code.py.",
             "# Widths in bytes; the main path as that file defines it; path_bytes: stored by a thread on it.",
             "\t".join(COLUMNS)]
    lines += map(row, read_kernels(fatbin, arguments.arch, arguments.cuobjdump))
    lines += [summary(arch, read_kernels(fatbin, arch, arguments.cuobjdump))
              for arch in architectures(fatbin, arguments.cuobjdump)]
    text = "\n".join(lines) + "\n"
    if arguments.out:
        arguments.out.write_text(text)
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
