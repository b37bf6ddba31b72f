#include <dlpack/dlpack.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "strideport/buffer.hpp"
#include "strideport/dlpack.hpp"
#include "strideport/error.hpp"
#include "tests/support/dlpack_producer.hpp"
#include "tests/support/dlpack_refusals.hpp"
#include "tests/support/dlpack_walk.hpp"
#include "tests/support/spans.hpp"

namespace {

using strideport::Buffer;
using strideport::BufferError;
using strideport::DeviceType;
using strideport::DLPackLegacyTensor;
using strideport::DLPackTensor;
using strideport::DType;
using strideport::import_dlpack;
using strideport::InvalidArgument;
using strideport::StreamRef;
using strideport::TypeCode;
using strideport::why_no_device;
using strideport::testing::expect_refused;
using strideport::testing::floats;
using strideport::testing::import;
using strideport::testing::produce;
using strideport::testing::produce_legacy;
using strideport::testing::shape_of;
using strideport::testing::strides_of;
using strideport::testing::tensor_memory;
using strideport::testing::TensorFields;

constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
using Numbers = std::vector<int64_t>;

TEST(DlpackImport, DescribesTheTensorInBytes) {
  std::atomic<int> deletions = 0;
  TensorFields fields = floats({4, 8}, Numbers{-16, 2});
  fields.byte_offset = 400;
  const Buffer buffer = import(fields, deletions);
  EXPECT_EQ(buffer.buf(), tensor_memory.data() + 100);
  EXPECT_EQ(shape_of(buffer), (Numbers{4, 8}));
  EXPECT_EQ(strides_of(buffer), (Numbers{-64, 8}));
  EXPECT_EQ(buffer.dtype(), (DType{TypeCode::floating, 32, 1}));
  EXPECT_EQ(buffer.format().text(), "f");
  EXPECT_EQ(buffer.itemsize(), 4);
  EXPECT_EQ(buffer.len(), 128);
  EXPECT_FALSE(buffer.readonly());
  EXPECT_EQ(deletions, 0);
}

TEST(DlpackImport, ViewsATensorThatSomebodyElseKeeps) {
  std::atomic<int> deletions = 0;
  const DLPackTensor tensor(produce(floats({4, 8}, Numbers{-16, 2}), deletions));
  const strideport::BufferView view = strideport::view_dlpack(*tensor);
  EXPECT_EQ(view.buf(), tensor->dl_tensor.data);
  EXPECT_EQ(shape_of(view), (Numbers{4, 8}));
  EXPECT_EQ(strides_of(view), (Numbers{-64, 8}));
  EXPECT_FALSE(view.readonly());
  const DLPackLegacyTensor legacy(produce_legacy(floats({3}), deletions));
  EXPECT_TRUE(strideport::view_dlpack(*legacy).readonly());
  EXPECT_FALSE(strideport::view_dlpack(*legacy, true).readonly());
  tensor->version.major = 2;
  EXPECT_THROW((void)strideport::view_dlpack(*tensor), BufferError);
  EXPECT_EQ(deletions, 0);
}

TEST(DlpackImport, KeepsTheStreamItWasGiven) {
  std::atomic<int> deletions = 0;
  const auto stream = StreamRef::from_handle(77);
  EXPECT_EQ(import_dlpack(DLPackTensor(produce(floats({2}), deletions)), stream).stream(), stream);
  EXPECT_EQ(deletions, 1);
}

TEST(DlpackImport, ReadsNullStridesAsCOrder) {
  std::atomic<int> deletions = 0;
  const Buffer buffer = import(floats({2, 3, 4}), deletions);
  EXPECT_EQ(strides_of(buffer), (Numbers{48, 16, 4}));
  EXPECT_TRUE(buffer.is_contiguous(strideport::Order::C));
}

TEST(DlpackImport, ReadsAxesInCOrderAndOthersMixed) {
  const std::pair<Numbers, Numbers> layouts[] = {// in elements and in bytes, of shape (2, 3, 1, 4)
                                                 {{12, 4, 4, 1}, {48, 16, 16, 4}},    // C order
                                                 {{50, 4, 4, 1}, {200, 16, 16, 4}},   // but for the first axis
                                                 {{12, 4, 99, 1}, {48, 16, 396, 4}},  // of extent 1: the producer's
                                                 {{12, 4, 4, -1}, {48, 16, 16, -4}}, {{-12, 4, 4, 1}, {-48, 16, 16, 4}},
                                                 {{0, 1, 0, 3}, {0, 4, 0, 12}}};
  for (const auto& [elements, bytes] : layouts) {
    std::atomic<int> deletions = 0;
    TensorFields fields = floats({2, 3, 1, 4}, elements);
    fields.byte_offset = 400;
    const Buffer buffer = import(fields, deletions);
    EXPECT_EQ(strides_of(buffer), bytes);
    EXPECT_EQ(shape_of(buffer), (Numbers{2, 3, 1, 4}));
    EXPECT_EQ(buffer.buf(), tensor_memory.data() + 100);
    EXPECT_EQ(buffer.len(), 96);
  }
}

TEST(DlpackImport, TakesScalarsWithNullShapeAndStrides) {
  std::atomic<int> deletions = 0;
  TensorFields fields = floats({});
  fields.null_shape = true;
  const Buffer buffer = import(fields, deletions);
  EXPECT_EQ(buffer.ndim(), 0);
  EXPECT_EQ(buffer.len(), 4);
}

TEST(DlpackImport, TakesNullDataOfEmptyTensors) {
  std::atomic<int> deletions = 0;
  TensorFields fields = floats({3, 0, 5}, Numbers{0, 5, 1});
  fields.data = nullptr;
  EXPECT_EQ(import(fields, deletions).len(), 0);
  EXPECT_EQ(deletions, 1);
  fields.shape = {3, 1, 5};
  expect_refused<InvalidArgument>(fields, "data is NULL");
  fields.byte_offset = 64;
  expect_refused<InvalidArgument>(fields, "data is NULL");
}

TEST(DlpackImport, TakesTensorsWithoutDeleter) {
  const auto produced = strideport::testing::produce_without_deleter(floats({4}));
  { const Buffer buffer = import_dlpack(DLPackTensor(&produced->managed), StreamRef::host()); }
  TensorFields bad = floats({-1});
  const auto malformed = strideport::testing::produce_without_deleter(bad);
  EXPECT_THROW(import_dlpack(DLPackTensor(&malformed->managed), StreamRef::host()), InvalidArgument);
}

TEST(DlpackImport, RefusesNoTensorAtAll) {
  EXPECT_THROW(import_dlpack(DLPackTensor(), StreamRef::host()), InvalidArgument);
  EXPECT_THROW(import_dlpack(DLPackLegacyTensor(), StreamRef::host()), InvalidArgument);
}

TEST(DlpackImport, DeletesATensorThatNobodyTakes) {
  std::atomic<int> deletions = 0;
  { DLPackTensor tensor(produce(floats({2}), deletions)); }
  EXPECT_EQ(deletions, 1);
  { DLPackLegacyTensor tensor(produce_legacy(floats({2}), deletions)); }
  EXPECT_EQ(deletions, 2);
}

TEST(DlpackImport, DeletesWhenTheLastCopyOrViewGoes) {
  std::atomic<int> deletions = 0;
  auto first = std::make_unique<Buffer>(import(floats({4, 8}), deletions));
  Buffer second = *first;
  Buffer third = first->rebind(second.view());
  first.reset();
  second = Buffer();
  EXPECT_EQ(deletions, 0);
  third = Buffer();
  EXPECT_EQ(deletions, 1);
}

TEST(DlpackImport, DeletesOnceWhenEightThreadsLetGo) {
  for (int round = 0; round < 200; ++round) {
    std::atomic<int> deletions = 0;
    std::atomic<bool> go = false;
    std::vector<std::thread> threads;
    {
      const Buffer buffer = import(floats({4, 8}), deletions);
      for (int i = 0; i < 8; ++i) {
        threads.emplace_back([copy = buffer, &go]() mutable {
          while (!go) std::this_thread::yield();
          copy = Buffer();
        });
      }
    }
    go = true;
    for (std::thread& thread : threads) thread.join();
    ASSERT_EQ(deletions, 1);
  }
}

/// Memory for the head of a versioned struct (version, manager_ctx, deleter), hard against a page without access.
class HeadOfAForeignStruct {
 public:
  explicit HeadOfAForeignStruct(uint32_t major) {
    const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    size_ = 2 * page;
    pages_ = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EXPECT_NE(pages_, MAP_FAILED);
    EXPECT_EQ(mprotect(static_cast<char*>(pages_) + page, page, PROT_NONE), 0);
    constexpr size_t kHead = offsetof(DLManagedTensorVersioned, flags);
    head_ = reinterpret_cast<DLManagedTensorVersioned*>(static_cast<char*>(pages_) + page - kHead);
    head_->version = {major, 0};
    head_->manager_ctx = &deletions;
    head_->deleter = [](DLManagedTensorVersioned* self) { ++*static_cast<int*>(self->manager_ctx); };
  }
  ~HeadOfAForeignStruct() { munmap(pages_, size_); }
  HeadOfAForeignStruct(const HeadOfAForeignStruct&) = delete;
  HeadOfAForeignStruct& operator=(const HeadOfAForeignStruct&) = delete;

  DLManagedTensorVersioned* get() const { return head_; }
  int deletions = 0;

 private:
  void* pages_ = nullptr;
  size_t size_ = 0;
  DLManagedTensorVersioned* head_ = nullptr;
};

TEST(DlpackImport, ReadsNothingButVersionAndDeleterOfAnotherMajor) {
  for (const uint32_t major : {0u, 2u, 77u, ~0u}) {
    HeadOfAForeignStruct head(major);
    EXPECT_THROW(import_dlpack(DLPackTensor(head.get()), StreamRef::host()), BufferError);
    EXPECT_EQ(head.deletions, 1);
  }
}

TEST(DlpackImport, TakesEveryMinorVersion) {
  for (const uint32_t minor : {0u, 1u, 2u, 3u, 4u, 1000u}) {
    std::atomic<int> deletions = 0;
    TensorFields fields = floats({2});
    fields.minor = minor;
    EXPECT_NO_THROW(import(fields, deletions));
    EXPECT_EQ(deletions, 1);
  }
}

TEST(DlpackImport, HonoursTheFlagsItKnowsAndRefusesOthers) {
  std::atomic<int> deletions = 0;
  TensorFields fields = floats({2});
  fields.flags = DLPACK_FLAG_BITMASK_READ_ONLY;
  EXPECT_TRUE(import(fields, deletions).readonly());
  fields.flags = DLPACK_FLAG_BITMASK_IS_COPIED;
  EXPECT_FALSE(import(fields, deletions).readonly());
  fields.flags = DLPACK_FLAG_BITMASK_IS_SUBBYTE_TYPE_PADDED;  // says nothing of whole bytes
  const Buffer whole = import(fields, deletions);
  EXPECT_FALSE(whole.view().padded());
  for (int bit = 3; bit < 64; ++bit) {
    fields.flags = (uint64_t{1} << bit) | DLPACK_FLAG_BITMASK_READ_ONLY;
    expect_refused<BufferError>(fields, std::to_string(uint64_t{1} << bit));
  }
}

TEST(DlpackImport, TakesLegacyTensorsReadOnlyUnlessToldOtherwise) {
  std::atomic<int> deletions = 0;
  const auto legacy = [&] { return DLPackLegacyTensor(produce_legacy(floats({4, 2}, Numbers{1, 4}), deletions)); };
  EXPECT_TRUE(import_dlpack(legacy(), StreamRef::host()).readonly());
  EXPECT_FALSE(import_dlpack(legacy(), StreamRef::host(), true).readonly());
  EXPECT_EQ(strides_of(import_dlpack(legacy(), StreamRef::host())), (Numbers{4, 16}));
  EXPECT_EQ(deletions, 3);
  TensorFields bad = floats({4});
  bad.device_type = kDLCUDA;
  EXPECT_THROW(import_dlpack(DLPackLegacyTensor(produce_legacy(bad, deletions)), StreamRef::host()), BufferError);
  EXPECT_EQ(deletions, 4);
}

TEST(DlpackImport, TakesMemoryThatTheHostCanReach) {
  if (why_no_device(DeviceType::cuda).empty()) GTEST_SKIP() << "the driver knows that this memory is not pinned";
  for (const int32_t type : {kDLCPU, kDLCUDAHost, kDLCUDAManaged}) {
    std::atomic<int> deletions = 0;
    TensorFields fields = floats({2});
    fields.device_type = type;
    const Buffer buffer = import(fields, deletions);
    EXPECT_EQ(static_cast<int32_t>(buffer.device().type), type);
    EXPECT_EQ(buffer.device().id, 0);
  }
}

TEST(DlpackImport, GivesCpuMemoryIndexZero) {
  std::atomic<int> deletions = 0;
  TensorFields fields = floats({2});
  fields.device_id = 3;  // a producer with several host devices; the memory is one
  EXPECT_EQ(import(fields, deletions).device(), strideport::Device{});
  fields.device_type = kDLCUDAManaged;
  if (!why_no_device(DeviceType::cuda).empty()) {
    EXPECT_EQ(import(fields, deletions).device().id, 3);
  }
  fields.device_id = -1;
  expect_refused<InvalidArgument>(fields, "device_id -1");
}

TEST(DlpackImport, RefusesMemoryThatNoDriverKnows) {
  TensorFields fields = floats({2});
  fields.data = reinterpret_cast<void*>(uintptr_t{0x1000});  // would fault if it were touched
  for (const int32_t type : {kDLCUDA, kDLExtDev}) {
    fields.device_type = type;
    const bool absent = !why_no_device(static_cast<DeviceType>(type)).empty();
    expect_refused<BufferError>(fields, absent ? "is not there: " : "does not know it");
  }
  for (const int32_t type : {kDLOpenCL, kDLVulkan, kDLMetal, kDLVPI, kDLROCM, kDLROCMHost, kDLOneAPI, kDLWebGPU,
                             kDLHexagon, kDLMAIA, kDLTrn}) {
    fields.device_type = type;
    expect_refused<BufferError>(fields, "device type " + std::to_string(type) + " (kDL");
  }
  for (const int32_t type : {-1, 0, 5, 6, 19, 1000, std::numeric_limits<int32_t>::min()}) {
    fields.device_type = type;
    expect_refused<BufferError>(fields, "device type " + std::to_string(type) + " is unknown");
  }
}

TEST(DlpackImport, TakesSixtyFourDimensionsAndNoMore) {
  std::atomic<int> deletions = 0;
  TensorFields fields = floats(Numbers(64, 1), Numbers(64, 1));
  fields.shape.back() = 5;
  EXPECT_EQ(import(fields, deletions).ndim(), 64);
  expect_refused<BufferError>(floats(Numbers(65, 1)), "ndim 65");
}

TEST(DlpackImport, RefusesMalformedTensors) {
  TensorFields fields = floats({2, 3});
  fields.ndim = -1;
  expect_refused<InvalidArgument>(fields, "ndim -1");
  fields.ndim = std::numeric_limits<int32_t>::max();
  expect_refused<BufferError>(fields, "ndim 2147483647");
  fields = floats({2, 3});
  fields.null_shape = true;
  expect_refused<InvalidArgument>(fields, "shape is NULL");
  expect_refused<InvalidArgument>(floats({2, -3}), "shape[1] = -3");
  expect_refused<InvalidArgument>(floats({2, -1}), "DLPack: shape[1] = -1");
  expect_refused<InvalidArgument>(floats({0, kMin}), "shape[1] = ");
  expect_refused<InvalidArgument>(floats({kMax, 2}), "overflows");
  expect_refused<InvalidArgument>(floats({int64_t{1} << 61}), "overflows");  // times itemsize
  expect_refused<InvalidArgument>(floats({2, 3}, Numbers{kMax, 1}), "strides[0] = ");
  expect_refused<InvalidArgument>(floats({2, 3}, Numbers{kMin, 1}), "overflows");
  expect_refused<InvalidArgument>(floats({3, 2}, Numbers{kMax / 4, kMax / 4}), "overflow");
}

TEST(DlpackImport, RefusesAddressesThatWrap) {
  TensorFields fields = floats({2});
  fields.byte_offset = ~uint64_t{0};
  expect_refused<InvalidArgument>(fields, "byte_offset 18446744073709551615");
  fields.byte_offset = uint64_t{1} << 63;  // no address is that far from another
  expect_refused<InvalidArgument>(fields, "byte_offset 9223372036854775808");
  fields = floats({2}, Numbers{-kMax / 8});
  expect_refused<InvalidArgument>(fields, "below address 0");
  fields = floats({2});
  fields.data = reinterpret_cast<void*>(~uintptr_t{0} - 6);
  expect_refused<InvalidArgument>(fields, "past the last address");
}

TEST(DlpackImport, LooksAtNoStrideThatMeansNothing) {
  std::atomic<int> deletions = 0;
  const Buffer unit = import(floats({1, 3}, Numbers{kMin, 1}), deletions);
  EXPECT_TRUE(unit.is_contiguous(strideport::Order::C));
  EXPECT_EQ(import(floats({0, 3}, Numbers{kMax, kMin}), deletions).len(), 0);
  EXPECT_EQ(strides_of(import(floats({1, 3}, Numbers{7, 1}), deletions))[0], 28);  // the producer's, where it fits
}

}  // namespace
