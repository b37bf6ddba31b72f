// The allocator fails at every place where an import or an export asks for memory; the deleter still runs once. This
// executable replaces operator new, which is why the file is alone.
#include <dlpack/dlpack.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "strideport/buffer.hpp"
#include "strideport/dlpack.hpp"
#include "tests/support/dlpack_producer.hpp"

namespace {

constexpr int64_t kNever = -1;
thread_local int64_t allocations_left = kNever;

}  // namespace

// Not inline: g++ would take the malloc() and free() that it sees for a mistake.
[[gnu::noinline]] void* operator new(std::size_t size) {
  if (allocations_left == 0) throw std::bad_alloc();
  if (allocations_left > 0) --allocations_left;
  void* memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
// AddressSanitizer's own would not come through here.
[[gnu::noinline]] void* operator new[](std::size_t size) { return operator new(size); }
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete[](void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

namespace {

using strideport::Buffer;
using strideport::DLPackTensor;
using strideport::export_dlpack;
using strideport::import_dlpack;
using strideport::StreamRef;
using strideport::testing::TensorFields;

float memory[64];

/// The tables of formats are made once a process, in functions that cannot throw.
void make_tables() {
  TensorFields fields;
  fields.data = memory;
  std::atomic<int> deletions = 0;
  DLPackTensor tensor(strideport::testing::produce(fields, deletions));
  static_cast<void>(export_dlpack(import_dlpack(std::move(tensor), StreamRef::host())));
}

/// Runs `action` with 0, 1, 2, ... allocations until one succeeds; returns how many it needs. `after_failure` is
/// called after each std::bad_alloc.
template <class Action, class Check>
int64_t fail_everywhere(const Action& action, const Check& after_failure) {
  for (int64_t allowed = 0; allowed < 100; ++allowed) {
    allocations_left = allowed;
    try {
      action();
      allocations_left = kNever;
      return allowed;
    } catch (const std::bad_alloc&) {
      allocations_left = kNever;
      after_failure();
    }
  }
  ADD_FAILURE() << "never succeeded";
  return -1;
}

TEST(DlpackNoMemory, ImportDeletesOnce) {
  make_tables();
  for (const size_t ndim : {size_t{2}, size_t{12}}) {  // 12 dimensions need memory of their own in a view
    TensorFields fields;
    fields.shape.assign(ndim, 1);
    fields.data = memory;
    std::atomic<int> deletions = 0;
    DLManagedTensorVersioned* raw = strideport::testing::produce(fields, deletions);
    Buffer kept;
    const int64_t needed = fail_everywhere([&] { kept = import_dlpack(DLPackTensor(raw), StreamRef::host()); },
                                           [&] {
                                             ASSERT_EQ(deletions, 1);
                                             deletions = 0;
                                             raw = strideport::testing::produce(fields, deletions);
                                           });
    EXPECT_GE(needed, ndim > 8 ? 2 : 1);
    EXPECT_EQ(deletions, 0);
    kept = Buffer();
    EXPECT_EQ(deletions, 1);
  }
}

TEST(DlpackNoMemory, ExportNeedsOneAllocationAndLosesNothing) {
  make_tables();
  for (const size_t ndim : {size_t{2}, size_t{12}}) {
    TensorFields fields;
    fields.shape.assign(ndim, 1);
    fields.data = memory;
    std::atomic<int> deletions = 0;
    Buffer buffer = import_dlpack(DLPackTensor(strideport::testing::produce(fields, deletions)), StreamRef::host());
    DLPackTensor tensor;
    const int64_t needed = fail_everywhere([&] { tensor = export_dlpack(buffer); }, [&] { EXPECT_EQ(deletions, 0); });
    EXPECT_EQ(needed, 1);
    buffer = Buffer();
    EXPECT_EQ(deletions, 0);
    tensor.reset();
    EXPECT_EQ(deletions, 1);
  }
}

}  // namespace
