# GTest::gtest, GTest::gmock and GTest::gtest_main: the system's, else FetchContent; where another machine is compiled
# for, from the sources that Debian's package brings along.
find_package(GTest 1.12 QUIET)
if(GTest_FOUND)
  message(STATUS "GoogleTest ${GTest_VERSION}: ${GTest_DIR}")
else()
  if(CMAKE_CROSSCOMPILING AND EXISTS /usr/src/googletest/CMakeLists.txt)
    set(FETCHCONTENT_SOURCE_DIR_GOOGLETEST /usr/src/googletest CACHE PATH "GoogleTest's sources")
  endif()
  message(STATUS "GoogleTest: FetchContent (Debian and Ubuntu have it as libgtest-dev)")
  include(FetchContent)
  set(INSTALL_GTEST OFF CACHE INTERNAL "")
  FetchContent_Declare(googletest GIT_REPOSITORY https://github.com/google/googletest.git GIT_TAG v1.15.2
                       GIT_SHALLOW ON SYSTEM)
  FetchContent_MakeAvailable(googletest)
endif()
include(GoogleTest)
