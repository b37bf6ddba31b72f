#include "device/simulated/host_pages.hpp"

#include <sys/mman.h>

#include "device/simulated/quiet.hpp"

namespace strideport::simulated {

#if defined(STRIDEPORT_SIMULATED_TSAN)
extern "C" void __tsan_write_range(void* begin, unsigned long bytes);
#endif

void* take_host_pages(size_t bytes) noexcept {
  void* const pages = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return pages != MAP_FAILED ? pages : nullptr;
}

void give_back_host_pages(void* pages, size_t bytes) noexcept {
#if defined(STRIDEPORT_SIMULATED_TSAN)
  __tsan_write_range(pages, bytes);
#endif
  munmap(pages, bytes);
}

void close_host_pages(void* pages, size_t bytes) noexcept { mprotect(pages, bytes, PROT_NONE); }

}  // namespace strideport::simulated
