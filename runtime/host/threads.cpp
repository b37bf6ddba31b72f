#include <sched.h>

#include <atomic>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "strideport/copy.hpp"
#include "strideport/error.hpp"

namespace strideport {
namespace {

constexpr int kMaxThreads = 1024;

int cpus_of_this_process() noexcept {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  const int count = CPU_COUNT(&set);
  return count < 1 ? 1 : count;
}

// A bad value must not make every copy fail: it is reported once, and the default holds.
int threads_from_environment() noexcept {
  const char* text = std::getenv("STRIDEPORT_THREADS");
  if (text == nullptr || *text == '\0') return 0;
  int threads = 0;
  const char* end = text + std::strlen(text);
  const auto [parsed, error] = std::from_chars(text, end, threads);
  if (error == std::errc() && parsed == end && threads >= 1 && threads <= kMaxThreads) return threads;
  std::fprintf(stderr, "strideport: STRIDEPORT_THREADS is '%.100s', not a number of threads from 1 to %d; ignored\n",
               text, kMaxThreads);
  return 0;
}

int default_threads() noexcept {
  static const int from_environment = threads_from_environment();
  return from_environment != 0 ? from_environment : cpus_of_this_process();
}

std::atomic<int> chosen_threads{0};

}  // namespace

void set_num_threads(int threads) {
  if (threads < 0 || threads > kMaxThreads) {
    throw InvalidArgument("set_num_threads(" + std::to_string(threads) + "): give 1 to " + std::to_string(kMaxThreads) +
                          " threads, or 0 for the default");
  }
  chosen_threads.store(threads, std::memory_order_relaxed);
}

int num_threads() noexcept {
  const int chosen = chosen_threads.load(std::memory_order_relaxed);
  return chosen != 0 ? chosen : default_threads();
}

}  // namespace strideport
