/// Memory whose end, and begin, is where a stray access faults.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <new>

namespace strideport::testing {

/// Memory between two pages that fault.
class Guarded {
 public:
  explicit Guarded(size_t pages) : page_(static_cast<size_t>(sysconf(_SC_PAGESIZE))), size_(pages * page_) {
    void* memory = mmap(nullptr, size_ + 2 * page_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    base_ = static_cast<std::byte*>(memory);
    allow();
  }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  ~Guarded() { munmap(base_, size_ + 2 * page_); }

  std::byte* begin() const { return base_ + page_; }
  std::byte* end() const { return begin() + size_; }
  size_t size() const { return size_; }

  /// Lets nobody touch it, or everybody again.
  void forbid() const { set_access(PROT_NONE); }
  void allow() const { set_access(PROT_READ | PROT_WRITE); }

 private:
  void set_access(int access) const {
    if (mprotect(begin(), size_, access) != 0) throw std::bad_alloc();
  }

  size_t page_;
  size_t size_;
  std::byte* base_;
};

}  // namespace strideport::testing
