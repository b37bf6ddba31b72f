# GTest::gtest, GTest::gmock and GTest::gtest_main: the system's, else FetchContent.
find_package(GTest 1.12 QUIET)
if(GTest_FOUND)
  message(STATUS "GoogleTest ${GTest_VERSION}: ${GTest_DIR}")
else()
  message(STATUS "GoogleTest: FetchContent (Debian and Ubuntu have it as libgtest-dev)")
  include(FetchContent)
  set(INSTALL_GTEST OFF CACHE INTERNAL "")
  FetchContent_Declare(googletest GIT_REPOSITORY https://github.com/google/googletest.git GIT_TAG v1.15.2
                       GIT_SHALLOW ON SYSTEM)
  FetchContent_MakeAvailable(googletest)
endif()
include(GoogleTest)
