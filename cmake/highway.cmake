# Finds Google Highway's headers and makes the target strideport_highway, for our own sources only: its library is never
# linked, since a wheel could not carry a distribution's.
#
# In this order: HIGHWAY_INCLUDE_DIR where given; the system's; FetchContent. The version is read from the headers.
set(strideport_highway_wanted 1.0.3)

# Sets `usable` in the caller, and says why where it is not.
function(strideport_highway_usable include_dir usable)
  set(version 0)
  unset(number_MAJOR)
  unset(number_MINOR)
  unset(number_PATCH)
  foreach(header IN ITEMS base.h highway.h)
    if(EXISTS "${include_dir}/hwy/${header}")
      file(STRINGS "${include_dir}/hwy/${header}" lines REGEX "^#define HWY_(MAJOR|MINOR|PATCH) +[0-9]+")
      foreach(line IN LISTS lines)
        string(REGEX MATCH "HWY_(MAJOR|MINOR|PATCH) +([0-9]+)" matched "${line}")
        set(number_${CMAKE_MATCH_1} ${CMAKE_MATCH_2})
      endforeach()
    endif()
  endforeach()
  if(DEFINED number_MAJOR AND DEFINED number_MINOR AND DEFINED number_PATCH)
    set(version "${number_MAJOR}.${number_MINOR}.${number_PATCH}")
  endif()
  if(version VERSION_GREATER_EQUAL strideport_highway_wanted)
    message(STATUS "Highway ${version}: ${include_dir}")
    set(${usable} TRUE PARENT_SCOPE)
  else()
    message(STATUS "Highway ${version} in ${include_dir} is passed over: "
                   "${strideport_highway_wanted} or newer is needed")
    set(${usable} FALSE PARENT_SCOPE)
  endif()
endfunction()

function(strideport_find_highway result)
  set(HIGHWAY_INCLUDE_DIR "" CACHE PATH "The folder that holds hwy/highway.h, ${strideport_highway_wanted} or newer")
  if(HIGHWAY_INCLUDE_DIR)
    if(NOT EXISTS "${HIGHWAY_INCLUDE_DIR}/hwy/highway.h")
      message(FATAL_ERROR "HIGHWAY_INCLUDE_DIR=${HIGHWAY_INCLUDE_DIR}: there is no hwy/highway.h in it.")
    endif()
    strideport_highway_usable("${HIGHWAY_INCLUDE_DIR}" usable)
    if(NOT usable)
      message(FATAL_ERROR "HIGHWAY_INCLUDE_DIR=${HIGHWAY_INCLUDE_DIR} holds an unsuitable Highway: give "
                          "${strideport_highway_wanted} or newer, or leave it out to have one found.")
    endif()
    set(${result} "${HIGHWAY_INCLUDE_DIR}" PARENT_SCOPE)
    return()
  endif()

  find_path(system_dir hwy/highway.h NO_CACHE)
  if(system_dir)
    strideport_highway_usable("${system_dir}" usable)
    if(usable)
      set(${result} "${system_dir}" PARENT_SCOPE)
      return()
    endif()
  endif()

  message(STATUS "Highway ${strideport_highway_wanted}: FetchContent (Debian and Ubuntu have it as libhwy-dev)")
  include(FetchContent)
  # The sub-folder has no CMakeLists.txt: the headers are wanted, not the project.
  FetchContent_Declare(highway GIT_REPOSITORY https://github.com/google/highway.git GIT_TAG ${strideport_highway_wanted}
                       GIT_SHALLOW ON SOURCE_SUBDIR hwy)
  FetchContent_MakeAvailable(highway)
  strideport_highway_usable("${highway_SOURCE_DIR}" usable)
  if(NOT usable)
    message(FATAL_ERROR "FetchContent brought an unsuitable Highway: look at FETCHCONTENT_SOURCE_DIR_HIGHWAY.")
  endif()
  set(${result} "${highway_SOURCE_DIR}" PARENT_SCOPE)
endfunction()

strideport_find_highway(strideport_highway_dir)
add_library(strideport_highway INTERFACE)
target_include_directories(strideport_highway SYSTEM INTERFACE "${strideport_highway_dir}")
