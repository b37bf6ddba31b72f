# Finds dlpack.h and makes the target strideport_dlpack, for our own sources only: no DLPack header is installed.
#
# In this order: DLPACK_INCLUDE_DIR where given; the system's; the one inside the PyPI package apache-tvm-ffi, in
# the environment of the Python interpreter; FetchContent. The version is read from the header, since distributions
# package headers without a CMake config, and a config of another version may be about.
include("${CMAKE_CURRENT_LIST_DIR}/ask_python.cmake")
set(strideport_dlpack_wanted 1.3)
set(strideport_dlpack_tag v1.3)

# Sets `version` in the caller to "major.minor" of `include_dir`/dlpack/dlpack.h, to 0 where it names none.
function(strideport_dlpack_version include_dir version)
  set(found 0)
  unset(number_MAJOR)
  unset(number_MINOR)
  file(STRINGS "${include_dir}/dlpack/dlpack.h" lines REGEX "^#define DLPACK_((MAJOR|MINOR)_)?VERSION +[0-9]+")
  foreach(line IN LISTS lines)
    if(line MATCHES "DLPACK_(MAJOR|MINOR)_VERSION +([0-9]+)")
      set(number_${CMAKE_MATCH_1} ${CMAKE_MATCH_2})
    elseif(line MATCHES "DLPACK_VERSION +0*([0-9]+)([0-9])")  # before 1.0 one number: 060 is 0.6
      set(found "0.${CMAKE_MATCH_1}")
    endif()
  endforeach()
  if(DEFINED number_MAJOR AND DEFINED number_MINOR)
    set(found "${number_MAJOR}.${number_MINOR}")
  endif()
  set(${version} ${found} PARENT_SCOPE)
endfunction()

# Sets `usable` in the caller, and says why where it is not.
function(strideport_dlpack_usable include_dir usable)
  strideport_dlpack_version("${include_dir}" version)
  if(version VERSION_GREATER_EQUAL strideport_dlpack_wanted AND version VERSION_LESS 2)
    message(STATUS "DLPack ${version}: ${include_dir}")
    set(${usable} TRUE PARENT_SCOPE)
  else()
    message(STATUS "DLPack ${version} in ${include_dir} is passed over: ${strideport_dlpack_wanted} <= version < 2 is needed")
    set(${usable} FALSE PARENT_SCOPE)
  endif()
endfunction()

# Where a Python interpreter has apache-tvm-ffi, without importing it; empty where it has not.
function(strideport_dlpack_of_python include_dir)
  set(${include_dir} "" PARENT_SCOPE)
  strideport_ask_python(
    "import importlib.util as u; s = u.find_spec('tvm_ffi'); print(*(s.submodule_search_locations[:1] if s else ()))"
    package)
  if(package AND EXISTS "${package}/include/dlpack/dlpack.h")
    set(${include_dir} "${package}/include" PARENT_SCOPE)
  endif()
endfunction()

function(strideport_find_dlpack result)
  set(DLPACK_INCLUDE_DIR "" CACHE PATH "The folder that holds dlpack/dlpack.h, ${strideport_dlpack_wanted} or newer")
  if(DLPACK_INCLUDE_DIR)
    if(NOT EXISTS "${DLPACK_INCLUDE_DIR}/dlpack/dlpack.h")
      message(FATAL_ERROR "DLPACK_INCLUDE_DIR=${DLPACK_INCLUDE_DIR}: there is no dlpack/dlpack.h in it.")
    endif()
    strideport_dlpack_usable("${DLPACK_INCLUDE_DIR}" usable)
    if(NOT usable)
      message(FATAL_ERROR "DLPACK_INCLUDE_DIR=${DLPACK_INCLUDE_DIR} holds an unsuitable DLPack: give "
                          "${strideport_dlpack_wanted} or newer, or leave it out to have one found.")
    endif()
    set(${result} "${DLPACK_INCLUDE_DIR}" PARENT_SCOPE)
    return()
  endif()

  find_path(system_dir dlpack/dlpack.h NO_CACHE)
  strideport_dlpack_of_python(python_dir)
  foreach(candidate IN ITEMS "${system_dir}" "${python_dir}")
    if(candidate)
      strideport_dlpack_usable("${candidate}" usable)
      if(usable)
        set(${result} "${candidate}" PARENT_SCOPE)
        return()
      endif()
    endif()
  endforeach()

  message(STATUS "DLPack ${strideport_dlpack_tag}: FetchContent ('pip install apache-tvm-ffi' saves the download)")
  include(FetchContent)
  # The sub-folder has no CMakeLists.txt: the header is wanted, not the project.
  FetchContent_Declare(dlpack GIT_REPOSITORY https://github.com/dmlc/dlpack.git GIT_TAG ${strideport_dlpack_tag}
                       GIT_SHALLOW ON SOURCE_SUBDIR include)
  FetchContent_MakeAvailable(dlpack)
  strideport_dlpack_usable("${dlpack_SOURCE_DIR}/include" usable)
  if(NOT usable)
    message(FATAL_ERROR "FetchContent brought an unsuitable DLPack: look at FETCHCONTENT_SOURCE_DIR_DLPACK.")
  endif()
  set(${result} "${dlpack_SOURCE_DIR}/include" PARENT_SCOPE)
endfunction()

strideport_find_dlpack(strideport_dlpack_dir)
add_library(strideport_dlpack INTERFACE)
target_include_directories(strideport_dlpack SYSTEM INTERFACE "${strideport_dlpack_dir}")
