# The CUDA compiler and how its results get into the library. Nothing of it is needed where the library runs, and nothing
# links a CUDA library.
#
#   strideport_cuda_headers                      target: cuda.h and its like, for device/
#   strideport_cccl                              target: Thrust, for tests and samples; absent where CCCL is not here
#   strideport_cudart                            the CUDA runtime library for programs of nvcc's; empty where it is not here
#   strideport_embed_kernels(target file...)     compiles .cu files into one fat binary inside of `target`
#   strideport_nvcc_object(source object)        compiles a program's .cu file, for this machine's GPU where it has one
include(find_cuda)

set(STRIDEPORT_CUDA_ARCHITECTURES all-major CACHE STRING
  "What the kernels are compiled for: all-major, all, native, or a list such as 80;90 (-real and -virtual as in CMake)")
set(STRIDEPORT_CUDA_FLAGS "" CACHE STRING "More flags for nvcc")
set(STRIDEPORT_CUDA_HOST_COMPILER "${CMAKE_CXX_COMPILER}" CACHE FILEPATH "The C++ compiler that nvcc preprocesses with")
mark_as_advanced(STRIDEPORT_CUDA_FLAGS STRIDEPORT_CUDA_HOST_COMPILER)

# Sets `flags` in the caller to what STRIDEPORT_CUDA_ARCHITECTURES means to nvcc; the syntax is that of CMake.
function(strideport_cuda_architecture_flags flags)
  set(result "")
  if(STRIDEPORT_CUDA_ARCHITECTURES MATCHES "^(all-major|all|native)$")
    set(result "-arch=${STRIDEPORT_CUDA_ARCHITECTURES}")
  else()
    foreach(architecture IN LISTS STRIDEPORT_CUDA_ARCHITECTURES)
      if(NOT architecture MATCHES "^([0-9]+[af]?)(-real|-virtual)?$")
        message(FATAL_ERROR "STRIDEPORT_CUDA_ARCHITECTURES holds '${architecture}': say all-major, all, native, or numbers "
                            "such as 75;90 with -real or -virtual behind them.")
      endif()
      set(number "${CMAKE_MATCH_1}")
      set(code "compute_${number},sm_${number}")
      if(CMAKE_MATCH_2 STREQUAL "-real")
        set(code "sm_${number}")
      elseif(CMAKE_MATCH_2 STREQUAL "-virtual")
        set(code "compute_${number}")
      endif()
      list(APPEND result "-gencode=arch=compute_${number},code=[${code}]")
    endforeach()
    if(NOT result)
      message(FATAL_ERROR "STRIDEPORT_CUDA_ARCHITECTURES is empty: say all-major, all, native, or numbers such as 75;90.")
    endif()
  endif()
  set(${flags} "${result}" PARENT_SCOPE)
endfunction()

# Sets `launcher` in the caller to what runs nvcc through ccache. In its depend mode: in others it asks the preprocessor for
# one architecture alone (4.7 does), and an edit under __CUDA_ARCH__ goes unseen.
function(strideport_nvcc_launcher launcher)
  set(${launcher} "" PARENT_SCOPE)
  if(CMAKE_CXX_COMPILER_LAUNCHER MATCHES "ccache")
    set(${launcher} "${CMAKE_COMMAND}" -E env CCACHE_DEPEND=1 ${CMAKE_CXX_COMPILER_LAUNCHER} PARENT_SCOPE)
  endif()
endfunction()

# Compiles the .cu files into one fat binary, which the object file of device/fatbin.cpp carries between the hidden symbols
# strideport_fatbin_begin and strideport_fatbin_end. They are compiled as one source, so their static names must differ.
function(strideport_embed_kernels target)
  set(umbrella "// Written by cmake/cuda.cmake: every file of kernels, for one run of the compiler.\n")
  foreach(file IN LISTS ARGN)
    cmake_path(ABSOLUTE_PATH file)
    cmake_path(RELATIVE_PATH file BASE_DIRECTORY "${PROJECT_SOURCE_DIR}")
    string(APPEND umbrella "#include \"${file}\"\n")
  endforeach()
  file(CONFIGURE OUTPUT strideport_kernels.cu CONTENT "${umbrella}" @ONLY)

  strideport_cuda_architecture_flags(architectures)
  set(flags -std=c++20 -O3 -fatbin ${architectures} -t 0 -Xfatbin -compress-all -ccbin "${STRIDEPORT_CUDA_HOST_COMPILER}"
    -I "${PROJECT_SOURCE_DIR}" -I "${PROJECT_SOURCE_DIR}/include" -Xptxas -warn-spills,-warn-lmem-usage)
  if(STRIDEPORT_WERROR)
    list(APPEND flags -Werror all-warnings -Xptxas -Werror)
  endif()
  separate_arguments(more UNIX_COMMAND "${STRIDEPORT_CUDA_FLAGS}")
  strideport_nvcc_launcher(launcher)
  if(launcher)
    list(PREPEND flags -c)  # changes nothing, but without it ccache takes the command for one that links
  endif()
  set(fatbin strideport_kernels.fatbin)
  add_custom_command(OUTPUT ${fatbin}
    COMMAND ${launcher} "${STRIDEPORT_NVCC}" ${flags} ${more} strideport_kernels.cu -o ${fatbin} -MD -MF ${fatbin}.d
    COMMAND "${CMAKE_COMMAND}" -DFATBIN=${fatbin} "-DARCHITECTURES=${STRIDEPORT_CUDA_ARCHITECTURES}"
            -P "${PROJECT_SOURCE_DIR}/cmake/check_fatbin.cmake"
    DEPENDS strideport_kernels.cu "${STRIDEPORT_NVCC}" "${PROJECT_SOURCE_DIR}/cmake/check_fatbin.cmake"
    DEPFILE ${fatbin}.d
    WORKING_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}"
    COMMENT "Compiling the kernels for ${STRIDEPORT_CUDA_ARCHITECTURES}" VERBATIM)

  # No compiler cache and no link-time optimisation for this object: neither sees what the assembler includes.
  add_library(${target}_fatbin OBJECT "${PROJECT_SOURCE_DIR}/device/fatbin.cpp")
  set_source_files_properties("${PROJECT_SOURCE_DIR}/device/fatbin.cpp" TARGET_DIRECTORY ${target}_fatbin PROPERTIES
    OBJECT_DEPENDS "${CMAKE_CURRENT_BINARY_DIR}/${fatbin}"
    COMPILE_DEFINITIONS "STRIDEPORT_FATBIN=\"${CMAKE_CURRENT_BINARY_DIR}/${fatbin}\"")
  set_target_properties(${target}_fatbin PROPERTIES CXX_COMPILER_LAUNCHER "" INTERPROCEDURAL_OPTIMIZATION OFF
    POSITION_INDEPENDENT_CODE ON)
  strideport_warnings(${target}_fatbin)
  target_sources(${target} PRIVATE $<TARGET_OBJECTS:${target}_fatbin>)
endfunction()

function(strideport_nvcc_object source object)
  if(EXISTS /dev/nvidiactl)
    set(architecture -arch=native)
  else()
    set(architecture -arch=sm_80)
  endif()
  set(flags -c -std=c++20 -O2 ${architecture} -ccbin "${STRIDEPORT_CUDA_HOST_COMPILER}" -I "${PROJECT_SOURCE_DIR}/include")
  if(STRIDEPORT_WERROR)
    list(APPEND flags -Werror all-warnings)
  endif()
  strideport_nvcc_launcher(launcher)
  add_custom_command(OUTPUT ${object}
    COMMAND ${launcher} "${STRIDEPORT_NVCC}" ${flags} "${source}" -o ${object} -MD -MF ${object}.d
    DEPENDS "${source}" "${STRIDEPORT_NVCC}"
    DEPFILE ${object}.d
    WORKING_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}"
    COMMENT "Compiling ${source} with nvcc" VERBATIM)
endfunction()

find_library(STRIDEPORT_CUDART cudart_static HINTS "${strideport_cuda_root}" NO_CACHE
  PATH_SUFFIXES lib64 lib targets/${CMAKE_HOST_SYSTEM_PROCESSOR}-linux/lib targets/sbsa-linux/lib)
set(strideport_cudart "")
if(STRIDEPORT_CUDART)
  set(strideport_cudart "${STRIDEPORT_CUDART}")
endif()

add_library(strideport_cuda_headers INTERFACE)
target_include_directories(strideport_cuda_headers SYSTEM INTERFACE "${strideport_cuda_include}")

# From 13.0 on CCCL has a folder of its own.
foreach(folder IN ITEMS "${strideport_cuda_include}/cccl" "${strideport_cuda_include}")
  if(EXISTS "${folder}/thrust/version.h" AND NOT TARGET strideport_cccl)
    add_library(strideport_cccl INTERFACE)
    target_include_directories(strideport_cccl SYSTEM INTERFACE "${folder}" "${strideport_cuda_include}")
    set(strideport_cccl_include "${folder}")
  endif()
endforeach()
if(NOT TARGET strideport_cccl)
  message(STATUS "CCCL is not beside it ('pip install cuda-toolkit[cccl]'): what uses Thrust is left out")
endif()
