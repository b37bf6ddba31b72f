// The allocator fails at every place where an import or an export asks for memory; the deleter still runs once. This
// executable replaces operator new, which is why the file is alone.
#include <dlpack/dlpack.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "runtime/spare_blocks.hpp"
#include "strideport/buffer.hpp"
#include "strideport/dlpack.hpp"
#include "tests/support/dlpack_producer.hpp"

namespace {

constexpr int64_t kNever = -1;
thread_local int64_t allocations_left = kNever;
std::atomic<int64_t> blocks_alive = 0;

}  // namespace

// Not inline: g++ would take the malloc() and free() that it sees for a mistake.
[[gnu::noinline]] void* operator new(std::size_t size) {
  if (allocations_left == 0) throw std::bad_alloc();
  if (allocations_left > 0) --allocations_left;
  void* memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) throw std::bad_alloc();
  ++blocks_alive;
  return memory;
}
// AddressSanitizer's own would not come through here.
[[gnu::noinline]] void* operator new[](std::size_t size) { return operator new(size); }
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  if (memory != nullptr) --blocks_alive;
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { operator delete(memory); }
[[gnu::noinline]] void operator delete[](void* memory) noexcept { operator delete(memory); }
[[gnu::noinline]] void operator delete[](void* memory, std::size_t) noexcept { operator delete(memory); }

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

/// In a thread of its own, which has no blocks to spare.
template <class Action>
void in_a_new_thread(const Action& action) {
  std::thread(action).join();
}

void import_without_memory(size_t ndim) {
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
  EXPECT_EQ(needed, ndim > 8 ? 2 : 1);
  EXPECT_EQ(deletions, 0);
  kept = Buffer();
  EXPECT_EQ(deletions, 1);
}

/// A Buffer whose owner counts, made with memory.
Buffer import_one(size_t ndim, std::atomic<int>& deletions) {
  TensorFields fields;
  fields.shape.assign(ndim, 1);
  fields.data = memory;
  return import_dlpack(DLPackTensor(strideport::testing::produce(fields, deletions)), StreamRef::host());
}

void export_without_memory(size_t ndim) {
  std::atomic<int> deletions = 0;
  Buffer buffer = import_one(ndim, deletions);
  DLPackTensor tensor;
  const int64_t needed = fail_everywhere([&] { tensor = export_dlpack(buffer); }, [&] { EXPECT_EQ(deletions, 0); });
  EXPECT_EQ(needed, 1);
  buffer = Buffer();
  EXPECT_EQ(deletions, 0);
  tensor.reset();
  EXPECT_EQ(deletions, 1);
}

void release_counted(void* count) noexcept { ++*static_cast<int*>(count); }

void export_single_owner_without_memory(size_t ndim) {
  std::atomic<int> deletions = 0;
  const Buffer buffer = import_one(ndim, deletions);
  int releases = 0;
  DLPackTensor tensor;
  const int64_t needed = fail_everywhere([&] { tensor = export_dlpack(buffer.view(), &releases, &release_counted); },
                                         [&] {
                                           EXPECT_EQ(releases, 1);
                                           releases = 0;
                                         });
  EXPECT_EQ(needed, 1);
  EXPECT_EQ(releases, 0);
  tensor.reset();
  EXPECT_EQ(releases, 1);
}

// 12 dimensions need memory of their own in a view, and no spare block has room for them.
TEST(DlpackNoMemory, ImportDeletesOnce) {
  make_tables();
  for (const size_t ndim : {size_t{2}, size_t{12}}) in_a_new_thread([=] { import_without_memory(ndim); });
}

TEST(DlpackNoMemory, ExportNeedsOneAllocationAndLosesNothing) {
  make_tables();
  for (const size_t ndim : {size_t{2}, size_t{12}}) in_a_new_thread([=] { export_without_memory(ndim); });
}

TEST(DlpackNoMemory, ASingleOwnerIsReleasedOnce) {
  make_tables();
  for (const size_t ndim : {size_t{2}, size_t{12}}) {
    in_a_new_thread([=] { export_single_owner_without_memory(ndim); });
  }
}

void exchange(int count) {
  std::atomic<int> deletions = 0;
  std::vector<Buffer> buffers;
  std::vector<DLPackTensor> tensors;
  for (int i = 0; i < count; ++i) {
    buffers.push_back(import_one(2, deletions));
    tensors.push_back(export_dlpack(buffers.back()));
  }
  buffers.clear();
  tensors.clear();
  EXPECT_EQ(deletions, count);
}

TEST(DlpackSpareBlocks, ServeTheNextExchangeOfTheThread) {
  if (!strideport::kKeepsSpareBlocks) GTEST_SKIP() << "AddressSanitizer watches memory that is gone";
  make_tables();
  in_a_new_thread([] {
    std::atomic<int> deletions = 0;
    Buffer buffer = import_one(2, deletions);
    static_cast<void>(export_dlpack(buffer));
    allocations_left = 0;
    static_cast<void>(export_dlpack(buffer));
    allocations_left = kNever;
  });
}

// The lists are short: 16 tensors and 64 owners.
TEST(DlpackSpareBlocks, AreGoneWithTheirThread) {
  make_tables();
  for (const int count : {1, 16, 17, 64, 65, 300}) {
    const int64_t before = blocks_alive;
    in_a_new_thread([=] { exchange(count); });
    EXPECT_EQ(blocks_alive, before) << count << " exchanges";
  }
}

// What the thread destroys after its lists goes back to the allocator.
TEST(DlpackSpareBlocks, NothingIsKeptAfterTheEnd) {
  make_tables();
  std::atomic<int> deletions = 0;
  const int64_t before = blocks_alive;
  in_a_new_thread([&] {
    thread_local std::optional<std::pair<Buffer, DLPackTensor>> last;  // made before the lists, destroyed after them
    last.emplace();
    exchange(20);
    last->first = import_one(2, deletions);
    last->second = export_dlpack(last->first);
  });
  EXPECT_EQ(deletions, 1);
  EXPECT_EQ(blocks_alive, before);
}

// Tensors made by one thread and deleted by another.
TEST(DlpackSpareBlocks, MayGoToAnotherThread) {
  make_tables();
  const int64_t before = blocks_alive;
  in_a_new_thread([] {
    std::atomic<int> deletions = 0;
    std::vector<DLPackTensor> tensors;
    for (int round = 0; round < 10; ++round) {
      for (int i = 0; i < 40; ++i) tensors.push_back(export_dlpack(import_one(2, deletions)));
      in_a_new_thread([&] { tensors.clear(); });
      EXPECT_EQ(deletions, 40 * (round + 1));
    }
  });
  EXPECT_EQ(blocks_alive, before);
}

}  // namespace
