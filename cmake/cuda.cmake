# Finds the CUDA compiler, its headers, CCCL (Thrust) and the runtime library, and says with what they are used:
#
#   STRIDEPORT_NVCC, STRIDEPORT_CUDA_VERSION     the compiler, "13.0"
#   strideport_cuda_headers                      target: cuda.h and its like, for device/
#   strideport_cccl                              target: Thrust, for tests and samples; absent where CCCL is not here
#   strideport_embed_kernels(target file...)     compiles .cu files into one fat binary inside of `target`
#
# In this order: STRIDEPORT_CUDA_ROOT where given; CUDA_PATH of the environment; nvcc on PATH; the usual folders of
# toolkits, newest first; the PyPI packages cuda-toolkit[nvcc,cudart,cccl] in the environment of the Python interpreter.
# Nothing of it is needed where the library runs, and nothing links a CUDA library.
set(strideport_cuda_wanted 12.4)
if(NOT DEFINED strideport_cuda_usual)  # the tests of this search say otherwise
  set(strideport_cuda_usual /usr/local)
endif()

set(STRIDEPORT_CUDA_ROOT "" CACHE PATH "The folder of a CUDA toolkit, ${strideport_cuda_wanted} or newer: it holds bin/nvcc")
set(STRIDEPORT_CUDA_ARCHITECTURES all-major CACHE STRING
  "What the kernels are compiled for: all-major, all, native, or a list such as 80;90 (-real and -virtual as in CMake)")
set(STRIDEPORT_CUDA_FLAGS "" CACHE STRING "More flags for nvcc")
set(STRIDEPORT_CUDA_HOST_COMPILER "${CMAKE_CXX_COMPILER}" CACHE FILEPATH "The C++ compiler that nvcc preprocesses with")
mark_as_advanced(STRIDEPORT_CUDA_FLAGS STRIDEPORT_CUDA_HOST_COMPILER)

# Sets `include_dir` in the caller to the folder of cuda.h and cudaTypedefs.h under `root`, empty where there is none.
function(strideport_cuda_headers_of root include_dir)
  set(${include_dir} "" PARENT_SCOPE)
  foreach(folder IN ITEMS include targets/${CMAKE_SYSTEM_PROCESSOR}-linux/include targets/sbsa-linux/include)
    if(EXISTS "${root}/${folder}/cuda.h" AND EXISTS "${root}/${folder}/cudaTypedefs.h")
      set(${include_dir} "${root}/${folder}" PARENT_SCOPE)
      return()
    endif()
  endforeach()
endfunction()

# Sets `problem` in the caller to what makes the toolkit in `root` unusable; where it is usable to nothing, and the
# variables found_nvcc, found_version and found_include.
function(strideport_cuda_look root problem)
  set(nvcc "${root}/bin/nvcc")
  if(NOT EXISTS "${nvcc}")
    set(${problem} "there is no bin/nvcc" PARENT_SCOPE)
    return()
  endif()
  execute_process(COMMAND "${nvcc}" --version OUTPUT_VARIABLE output ERROR_VARIABLE output RESULT_VARIABLE result)
  if(NOT result EQUAL 0 OR NOT output MATCHES "release ([0-9]+\\.[0-9]+)")
    set(${problem} "bin/nvcc does not run" PARENT_SCOPE)
    return()
  endif()
  set(version "${CMAKE_MATCH_1}")
  if(version VERSION_LESS strideport_cuda_wanted)
    set(${problem} "its nvcc is ${version}, and ${strideport_cuda_wanted} or newer is needed" PARENT_SCOPE)
    return()
  endif()
  strideport_cuda_headers_of("${root}" include_dir)
  if(NOT include_dir)
    set(${problem} "its folder include lacks cuda.h or cudaTypedefs.h" PARENT_SCOPE)
    return()
  endif()
  file(STRINGS "${include_dir}/cuda.h" lines REGEX "^#define +CUDA_VERSION +[0-9]+")
  string(REGEX MATCH "[0-9]+$" header_version "${lines}")
  string(REPLACE "." ";" parts "${version}")
  list(GET parts 0 major)
  list(GET parts 1 minor)
  math(EXPR nvcc_version "${major} * 1000 + ${minor} * 10")
  if(NOT header_version EQUAL nvcc_version)
    set(${problem} "its nvcc is ${version}, and its cuda.h says ${header_version}" PARENT_SCOPE)
    return()
  endif()
  set(${problem} "" PARENT_SCOPE)
  set(found_nvcc "${nvcc}" PARENT_SCOPE)
  set(found_version "${version}" PARENT_SCOPE)
  set(found_include "${include_dir}" PARENT_SCOPE)
endfunction()

# Sets `roots` in the caller to the folders where the PyPI packages of a Python interpreter put a toolkit.
function(strideport_cuda_of_python roots)
  set(${roots} "" PARENT_SCOPE)
  if(NOT Python3_EXECUTABLE)
    find_package(Python3 COMPONENTS Interpreter QUIET)
  endif()
  if(NOT Python3_EXECUTABLE)
    return()
  endif()
  execute_process(
    COMMAND "${Python3_EXECUTABLE}" -c
      "import glob, importlib.util as u; s = u.find_spec('nvidia'); print(*(f for p in (s.submodule_search_locations if s else ()) for f in sorted(glob.glob(p + '/cu[0-9]*'), reverse=True)), sep=';')"
    OUTPUT_VARIABLE folders OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  set(${roots} "${folders}" PARENT_SCOPE)
endfunction()

# Sets `roots` in the caller to every folder that may hold a toolkit of the machine, in the order of the search.
function(strideport_cuda_of_machine roots)
  set(folders "")
  if(DEFINED ENV{CUDA_PATH})
    list(APPEND folders "$ENV{CUDA_PATH}")
  endif()
  find_program(nvcc_on_path nvcc NO_CACHE)
  if(nvcc_on_path)
    # Both as it is named and as it is: either may be a link into the other's folder.
    file(REAL_PATH "${nvcc_on_path}" nvcc_itself)
    foreach(nvcc IN ITEMS "${nvcc_on_path}" "${nvcc_itself}")
      cmake_path(GET nvcc PARENT_PATH folder)
      cmake_path(GET folder PARENT_PATH folder)
      list(APPEND folders "${folder}")
    endforeach()
  endif()
  file(GLOB versioned "${strideport_cuda_usual}/cuda-[0-9]*")
  list(SORT versioned COMPARE NATURAL ORDER DESCENDING)
  list(APPEND folders "${strideport_cuda_usual}/cuda" ${versioned} /opt/cuda)
  list(REMOVE_DUPLICATES folders)
  set(${roots} "${folders}" PARENT_SCOPE)
endfunction()

function(strideport_find_cuda)
  if(STRIDEPORT_CUDA_ROOT)
    strideport_cuda_look("${STRIDEPORT_CUDA_ROOT}" problem)
    if(problem)
      message(FATAL_ERROR "STRIDEPORT_CUDA_ROOT=${STRIDEPORT_CUDA_ROOT} cannot be used: ${problem}.")
    endif()
  else()
    strideport_cuda_of_machine(roots)
    strideport_cuda_of_python(python_roots)
    set(problem "none")
    foreach(root IN LISTS roots python_roots)
      if(NOT IS_DIRECTORY "${root}")
        continue()
      endif()
      strideport_cuda_look("${root}" problem)
      if(NOT problem)
        break()
      elseif(EXISTS "${root}/bin/nvcc")
        message(STATUS "CUDA in ${root} is passed over: ${problem}")
      endif()
    endforeach()
    if(problem)
      message(FATAL_ERROR
        "There is no CUDA compiler of ${strideport_cuda_wanted} or newer here, which the device side is compiled with "
        "(it needs no GPU). One of these mends it:\n"
        "  pip install 'cuda-toolkit[nvcc,cudart,cccl]'   in the environment of ${Python3_EXECUTABLE} (300 MB, no root)\n"
        "  -DSTRIDEPORT_CUDA_ROOT=<folder>                where a toolkit is installed elsewhere\n"
        "  -DSTRIDEPORT_CUDA=OFF                          leaves the device side out: host memory only")
    endif()
  endif()
  message(STATUS "CUDA ${found_version}: ${found_nvcc}, kernels for ${STRIDEPORT_CUDA_ARCHITECTURES}")
  cmake_path(GET found_nvcc PARENT_PATH folder)
  cmake_path(GET folder PARENT_PATH folder)
  set(strideport_cuda_root "${folder}" PARENT_SCOPE)
  set(STRIDEPORT_NVCC "${found_nvcc}" PARENT_SCOPE)
  set(STRIDEPORT_CUDA_VERSION "${found_version}" PARENT_SCOPE)
  set(strideport_cuda_include "${found_include}" PARENT_SCOPE)
endfunction()

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
  set(launcher "")
  if(CMAKE_CXX_COMPILER_LAUNCHER MATCHES "ccache")
    # Two things that ccache 4.7 does not know of nvcc: -fatbin ends before linking just as -c does; and what it asks the
    # preprocessor for is one architecture's, so that an edit under __CUDA_ARCH__ may go unseen but in its depend mode.
    set(launcher "${CMAKE_COMMAND}" -E env CCACHE_DEPEND=1 ${CMAKE_CXX_COMPILER_LAUNCHER})
    list(PREPEND flags -c)
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

strideport_find_cuda()
add_library(strideport_cuda_headers INTERFACE)
target_include_directories(strideport_cuda_headers SYSTEM INTERFACE "${strideport_cuda_include}")

# From 13.0 on CCCL has a folder of its own.
foreach(folder IN ITEMS "${strideport_cuda_include}/cccl" "${strideport_cuda_include}")
  if(EXISTS "${folder}/thrust/version.h" AND NOT TARGET strideport_cccl)
    add_library(strideport_cccl INTERFACE)
    target_include_directories(strideport_cccl SYSTEM INTERFACE "${folder}")
  endif()
endforeach()
if(NOT TARGET strideport_cccl)
  message(STATUS "CCCL is not beside it ('pip install cuda-toolkit[cccl]'): what uses Thrust is left out")
endif()
