# benchmark::benchmark: the system's, else FetchContent.
find_package(benchmark 1.7 QUIET)
if(benchmark_FOUND)
  message(STATUS "Google Benchmark ${benchmark_VERSION}: ${benchmark_DIR}")
else()
  message(STATUS "Google Benchmark: FetchContent (Debian and Ubuntu have it as libbenchmark-dev)")
  include(FetchContent)
  set(BENCHMARK_ENABLE_TESTING OFF CACHE INTERNAL "")
  set(BENCHMARK_ENABLE_INSTALL OFF CACHE INTERNAL "")
  FetchContent_Declare(benchmark GIT_REPOSITORY https://github.com/google/benchmark.git GIT_TAG v1.9.1
                       GIT_SHALLOW ON SYSTEM)
  FetchContent_MakeAvailable(benchmark)
endif()
