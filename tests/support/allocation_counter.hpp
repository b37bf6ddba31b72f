/// Counts what a piece of code takes from the heap. Replaces the global operators new and delete: one source of a test
/// binary includes it.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <new>

namespace strideport::testing {

inline int64_t allocation_count = 0;

template <class F>
int64_t allocations_of(F&& work) {
  const int64_t before = allocation_count;
  work();
  return allocation_count - before;
}

}  // namespace strideport::testing

// Never inlined: g++ takes the malloc and free that it would see in their callers for mismatched ones.
[[gnu::noinline]] void* operator new(size_t size) {
  ++strideport::testing::allocation_count;
  if (void* memory = std::malloc(size > 0 ? size : 1)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new[](size_t size) { return operator new(size); }
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete[](void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete[](void* memory, size_t) noexcept { std::free(memory); }
