// The kernels, compiled by nvcc for every architecture at once: cmake/cuda.cmake makes the file and names it here, and
// device/fatbin.hpp declares the symbols. .note.GNU-stack comes from the compiler, as for any C++ file.

// '%' and not '@', which begins a comment on Arm; every assembler of ELF takes it.
__asm__(
    ".pushsection .rodata.strideport_fatbin, \"a\", %progbits\n"
    ".balign 64\n"
    ".globl strideport_fatbin_begin\n"
    ".hidden strideport_fatbin_begin\n"
    ".globl strideport_fatbin_end\n"
    ".hidden strideport_fatbin_end\n"
    "strideport_fatbin_begin:\n"
    ".incbin \"" STRIDEPORT_FATBIN "\"\n"
    "strideport_fatbin_end:\n"
    ".byte 0\n"
    ".popsection\n");
