# cmake -DFATBIN= -DARCHITECTURES= -P check_fatbin.cmake: the size of the fat binary, which every wheel carries.
file(SIZE "${FATBIN}" bytes)
math(EXPR kilobytes "(${bytes} + 999) / 1000")
message(STATUS "Kernels for ${ARCHITECTURES}: ${kilobytes} kB")
if(bytes GREATER_EQUAL 8388608)
  message(FATAL_ERROR "That is over the limit of 8 MiB: instantiate fewer kernels.")
endif()
