"""The kernels as the compiler left them, read back by bench/compiled_code.py: exact, and no GPU is needed."""

import importlib.util
import pathlib
import re
import sys

import pytest

from strideport import _core

ROOT = pathlib.Path(__file__).parents[2]
SPEC = importlib.util.spec_from_file_location("compiled_code", ROOT / "bench" / "compiled_code.py")
compiled_code = importlib.util.module_from_spec(SPEC)
sys.modules[SPEC.name] = compiled_code  # its dataclasses look themselves up there
SPEC.loader.exec_module(compiled_code)


@pytest.fixture(scope="module")
def fatbin():
    """What the module under test carries."""
    if compiled_code.FATBIN_MAGIC not in pathlib.Path(_core.__file__).read_bytes():
        pytest.skip("this build has no device side")
    if compiled_code.find_tool() is None or compiled_code.find_tool("nvdisasm") is None:
        pytest.skip("cuobjdump and nvdisasm are not here: pip install nvidia-cuda-cuobjdump nvidia-cuda-nvdisasm")
    return compiled_code.embedded_fatbin(pathlib.Path(_core.__file__))


@pytest.fixture(scope="module")
def by_architecture(fatbin):
    tool = compiled_code.find_tool()
    return {arch: {k.name: k for k in compiled_code.read_kernels(fatbin, arch, tool)}
            for arch in compiled_code.architectures(fatbin, tool)}


@pytest.fixture(scope="module")
def sm_90(by_architecture):
    if "sm_90" not in by_architecture:
        pytest.skip(f"the kernels were built for {', '.join(by_architecture)} alone")
    return by_architecture["sm_90"]


def test_no_kernel_spills_or_has_local_memory(by_architecture):
    assert by_architecture
    for arch, kernels in by_architecture.items():
        for kernel in kernels.values():
            assert kernel.instructions
            assert kernel.count("LDL", "STL") == 0, f"{kernel.name} spills on {arch}"
            assert kernel.stack_bytes + kernel.local_bytes == 0, f"{kernel.name} has local memory on {arch}"


def test_no_kernel_accesses_memory_of_unknown_space(by_architecture):
    for arch, kernels in by_architecture.items():
        for kernel in kernels.values():
            assert kernel.count("LD", "ST") == 0, f"{kernel.name} has generic accesses on {arch}"


def test_every_architecture_has_the_same_kernels(by_architecture):
    names = {frozenset(kernels) for kernels in by_architecture.values()}
    assert len(names) == 1


@pytest.mark.parametrize("unit, most", [(1, 4.0), (4, 10.0)])
def test_a_tile_transpose_takes_few_instructions(sm_90, unit, most):
    path = sm_90[f"strideport_tile_{unit}"].main_path()
    assert path.stored_bytes == path.loaded_bytes == 64
    assert path.per_32_units(unit) <= most


def simulated_widths():
    """Kernel to the widths of loads and stores that the simulated device saw (a test in C++ holds the table)."""
    table = (ROOT / "bench" / "results" / "kernel_widths.tsv").read_text()
    rows = [line.split("\t") for line in table.splitlines() if not line.startswith("#")]
    return {name: tuple([int(w) for w in re.findall(r"\d+", widths)] for widths in (loads, stores))
            for name, loads, stores in rows}


def test_widths_are_those_that_the_simulated_device_counts(by_architecture):
    simulated = simulated_widths()
    for arch, kernels in by_architecture.items():
        assert kernels.keys() == simulated.keys()
        for name, (loads, stores) in simulated.items():
            assert kernels[name].widths("LDG") == loads, f"loads of {name} on {arch}"
            assert kernels[name].widths("STG") == stores, f"stores of {name} on {arch}"


def test_the_committed_table_is_of_this_code(fatbin, by_architecture, sm_90):
    """Of this compiler's, that is: another one may do otherwise."""
    table = (ROOT / "bench" / "results" / "compiled_code.tsv").read_text().splitlines()
    compiler = compiled_code.compiler(fatbin, compiled_code.find_tool())
    if f"compiled by {compiler};" not in table[0]:
        pytest.skip(f"compiled by {compiler}; the table says: {table[0]}")
    rows = [line for line in table if not line.startswith("#")]
    cure = "if that is as it should be: python bench/compiled_code.py --out bench/results/compiled_code.tsv"
    assert rows[1:] == [compiled_code.row(kernel) for kernel in sm_90.values()], cure
    for arch, kernels in by_architecture.items():
        assert compiled_code.summary(arch, list(kernels.values())) in table, cure


# --- The analysis itself, on listings made up for it ---


def code(*lines):
    """One instruction a line, "@P0 BRA 0x40", at 0x10 apart."""
    listing = "".join(f"        /*{16 * i:04x}*/   {line} ;  /* 0x00 */\n" for i, line in enumerate(lines))
    kernels = {"k": compiled_code.KernelCode("k")}
    compiled_code.parse_code("Function : k\n" + listing, kernels)
    return kernels["k"]


def test_the_main_path_passes_by_what_stores_less():
    kernel = code("S2R R0, SR_TID.X", "@P0 BRA 0x50", "LDG.E.U8 R1, [R2.64]", "STG.E.U8 [R2.64], R1", "BRA 0x80",
                  "LDG.E.128 R4, [R2.64]", "@!P1 STG.E.128 [R2.64], R4", "NOP", "EXIT", "BRA 0x90")
    path = kernel.main_path()
    assert (path.instructions, path.stored_bytes, path.loaded_bytes) == (5, 16, 16)
    assert path.per_32_units(4) == 1.25


def test_the_main_path_takes_a_loop_once():
    kernel = code("MOV R0, RZ", "LDG.E R1, [R2.64]", "STG.E [R2.64], R1", "@P0 BRA 0x10", "EXIT")
    assert kernel.main_path().instructions == 5


def test_an_early_end_is_no_main_path():
    kernel = code("@P0 EXIT", "LDG.E.64 R1, [R2.64]", "STG.E.64 [R2.64], R1", "EXIT")
    assert (kernel.main_path().instructions, kernel.main_path().stored_bytes) == (4, 8)


def test_threads_that_wait_for_each_other_go_on_behind():
    kernel = code("BSSY B0, 0x40", "@P0 BRA 0x30", "FADD R1, R1, R1", "BSYNC B0", "STG.E [R2.64], R1", "EXIT")
    assert kernel.main_path().instructions == 5


def test_a_jump_that_is_not_understood_is_an_error():
    with pytest.raises(ValueError, match="BRX at 0x0"):
        code("BRX R2 -0x10", "EXIT").main_path()


def test_widths_tell_vectors_from_words_and_bytes():
    kernel = code("LDG.E.U8.CONSTANT R1, [R2]", "LDG.E.128 R4, [R2]", "LDG.E R4, [R2]", "STG.E.64 [R2], R4",
                  "LDS.U16 R1, [R2]", "EXIT")
    assert kernel.widths("LDG") == [1, 4, 16]
    assert kernel.widths("STG") == [8]
    assert kernel.widths("LDS") == [2]


def test_a_file_without_kernels_is_an_error(tmp_path):
    (tmp_path / "file").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="holds no fat binary"):
        compiled_code.embedded_fatbin(tmp_path / "file")
