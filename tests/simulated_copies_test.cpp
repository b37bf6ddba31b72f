// Copies and fills of the simulated driver: every kind of memory, pitched rows, peers, batches, and what is refused.

#include <gtest/gtest.h>

#include <cstring>
#include <future>
#include <numeric>
#include <vector>

#include "tests/support/simulated.hpp"

namespace strideport {
namespace {

using testing::address_of;
using Bytes = std::vector<unsigned char>;

class SimulatedCopies : public testing::SimulatedDriver {
 protected:
  void SetUp() override {
    SimulatedDriver::SetUp();
    stream = make_stream();
  }

  static Bytes counting(size_t count, unsigned char first = 0) {
    Bytes bytes(count);
    std::iota(bytes.begin(), bytes.end(), first);
    return bytes;
  }

  CUstream stream = nullptr;
};

// Holds a stream up while it lives.
class Held {
 public:
  Held(const driver::Driver& cu, CUstream stream) : opened_(open_.get_future()) {
    cu.LaunchHostFunc(
        stream, [](void* self) { static_cast<Held*>(self)->opened_.wait(); }, this);
  }
  void let_go() { open_.set_value(); }

 private:
  std::promise<void> open_;
  std::future<void> opened_;
};

TEST_F(SimulatedCopies, GoBetweenAllKindsOfMemory) {
  CUdeviceptr managed = 0;
  ASSERT_CU(CUDA_SUCCESS, cu.MemAllocManaged(&managed, 64, CU_MEM_ATTACH_GLOBAL));
  EXPECT_CU(CUDA_SUCCESS, cu.CtxPushCurrent(contexts[1]));
  const CUdeviceptr elsewhere = allocate(64);
  EXPECT_CU(CUDA_SUCCESS, cu.CtxPopCurrent(nullptr));
  Bytes registered(64);
  EXPECT_CU(CUDA_SUCCESS, cu.MemHostRegister(registered.data(), 64, 0));
  Bytes pageable(64);
  const std::vector<CUdeviceptr> places = {allocate(64),
                                           elsewhere,
                                           managed,
                                           address_of(allocate_pinned<char>(64)),
                                           address_of(registered.data()),
                                           address_of(pageable.data())};
  unsigned char first = 1;
  for (const CUdeviceptr src : places) {
    for (const CUdeviceptr dst : places) {
      if (src == dst) continue;
      const Bytes wanted = counting(64, first++);
      EXPECT_CU(CUDA_SUCCESS, cu.MemcpyAsync(src, address_of(wanted.data()), 64, stream));
      EXPECT_CU(CUDA_SUCCESS, cu.MemcpyAsync(dst, src, 64, stream));
      EXPECT_EQ(read(dst, 64, stream), wanted);
    }
  }
  EXPECT_CU(CUDA_SUCCESS, cu.MemFree(managed));
  EXPECT_CU(CUDA_SUCCESS, cu.MemFreeHost(reinterpret_cast<void*>(places[3])));
}

TEST_F(SimulatedCopies, APageableSourceHasBeenReadOnReturn) {
  const CUdeviceptr block = allocate(16);
  Bytes source(16, 1);
  Held held(cu, stream);
  EXPECT_CU(CUDA_SUCCESS, cu.MemcpyAsync(block, address_of(source.data()), 16, stream));
  source.assign(16, 2);
  held.let_go();
  EXPECT_EQ(read(block, 16, stream), Bytes(16, 1));
}

TEST_F(SimulatedCopies, APinnedSourceIsReadInStreamOrder) {
  const CUdeviceptr block = allocate(16);
  auto* const source = allocate_pinned<unsigned char>(16);
  std::memset(source, 1, 16);
  Held held(cu, stream);
  EXPECT_CU(CUDA_SUCCESS, cu.MemcpyAsync(block, address_of(source), 16, stream));
  std::memset(source, 2, 16);
  held.let_go();
  EXPECT_EQ(read(block, 16, stream), Bytes(16, 2));
  EXPECT_CU(CUDA_SUCCESS, cu.MemFreeHost(source));
}

TEST_F(SimulatedCopies, APageableDestinationIsWrittenOnReturn) {
  const CUdeviceptr block = allocate(16);
  Bytes out(16, 0);
  EXPECT_CU(CUDA_SUCCESS, cu.MemsetD8Async(block, 7, 16, stream));
  EXPECT_CU(CUDA_SUCCESS, cu.MemcpyAsync(address_of(out.data()), block, 16, stream));
  EXPECT_EQ(out, Bytes(16, 7));
}

TEST_F(SimulatedCopies, RangesMustLieInTheirAllocation) {
  const CUdeviceptr block = allocate(100);
  auto* const pinned = allocate_pinned<unsigned char>(200);
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cu.MemcpyAsync(block, address_of(pinned), 101, stream));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cu.MemcpyAsync(address_of(pinned), block + 1, 100, stream));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cu.MemcpyAsync(block + 50, address_of(pinned + 199), 2, stream));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cu.MemcpyAsync(block, 0, 1, stream));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cu.MemcpyAsync(block, block, SIZE_MAX, stream));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cu.MemsetD8Async(block, 0, 101, stream));
  EXPECT_CU(CUDA_SUCCESS, cu.MemcpyAsync(block, 0, 0, stream)) << "nothing is no range";
  EXPECT_CU(CUDA_SUCCESS, cu.MemsetD8Async(0, 0, 0, stream));
  unsigned char pageable = 3;
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cu.MemsetD8Async(address_of(&pageable), 0, 1, stream));
  EXPECT_CU(CUDA_SUCCESS, cu.MemFreeHost(pinned));
}

CUDA_MEMCPY2D pitched(CUdeviceptr dst, size_t dst_pitch, CUdeviceptr src, size_t src_pitch, size_t width, size_t rows) {
  CUDA_MEMCPY2D copy = {};
  copy.srcMemoryType = CU_MEMORYTYPE_UNIFIED;
  copy.dstMemoryType = CU_MEMORYTYPE_UNIFIED;
  copy.dstDevice = dst;
  copy.dstPitch = dst_pitch;
  copy.srcDevice = src;
  copy.srcPitch = src_pitch;
  copy.WidthInBytes = width;
  copy.Height = rows;
  return copy;
}

TEST_F(SimulatedCopies, PitchedRowsLeaveTheirGapsAlone) {
  const Bytes source = counting(60);
  const CUdeviceptr block = allocate(64);
  EXPECT_CU(CUDA_SUCCESS, cu.MemsetD8Async(block, 0xEE, 64, stream));
  const CUDA_MEMCPY2D copy = pitched(block, 16, address_of(source.data()), 15, 5, 4);
  EXPECT_CU(CUDA_SUCCESS, cu.Memcpy2DAsync(&copy, stream));
  Bytes wanted(64, 0xEE);
  for (size_t row = 0; row < 4; ++row) std::memcpy(&wanted[row * 16], &source[row * 15], 5);
  EXPECT_EQ(read(block, 64, stream), wanted);
}

TEST_F(SimulatedCopies, PitchedRowsStartWhereTheyAreSaidTo) {
  const CUdeviceptr block = allocate(64);
  Bytes out(64, 0);
  const Bytes source = counting(64);
  EXPECT_CU(CUDA_SUCCESS, cu.MemcpyAsync(block, address_of(source.data()), 64, stream));
  CUDA_MEMCPY2D copy = pitched(0, 8, block, 8, 3, 2);
  copy.dstMemoryType = CU_MEMORYTYPE_HOST;
  copy.dstHost = out.data();
  copy.srcMemoryType = CU_MEMORYTYPE_DEVICE;
  copy.srcXInBytes = 2;
  copy.srcY = 3;
  copy.dstXInBytes = 1;
  copy.dstY = 1;
  EXPECT_CU(CUDA_SUCCESS, cu.Memcpy2DAsync(&copy, stream));
  Bytes wanted(64, 0);
  for (size_t row = 0; row < 2; ++row) std::memcpy(&wanted[(row + 1) * 8 + 1], &source[(row + 3) * 8 + 2], 3);
  EXPECT_EQ(out, wanted);
}

TEST_F(SimulatedCopies, PitchesMustHoldTheirRows) {
  const CUdeviceptr block = allocate(64);
  const CUdeviceptr other = allocate(64);
  for (const auto& [dst_pitch, src_pitch, width, rows, expected] :
       std::vector<std::tuple<size_t, size_t, size_t, size_t, CUresult>>{
           {8, 8, 8, 8, CUDA_SUCCESS},
           {7, 8, 8, 8, CUDA_ERROR_INVALID_VALUE},
           {8, 7, 8, 8, CUDA_ERROR_INVALID_VALUE},
           {8, 8, 8, 9, CUDA_ERROR_INVALID_VALUE},  // leaves the allocation
           {0, 0, 64, 1, CUDA_SUCCESS},
           {0, 0, 0, 5, CUDA_SUCCESS},
           {0, 0, 5, 0, CUDA_SUCCESS},
           {size_t{1} << 31, 8, 8, 1, CUDA_ERROR_INVALID_VALUE},  // beyond CU_DEVICE_ATTRIBUTE_MAX_PITCH
       }) {
    const CUDA_MEMCPY2D copy = pitched(block, dst_pitch, other, src_pitch, width, rows);
    EXPECT_CU(expected, cu.Memcpy2DAsync(&copy, stream))
        << dst_pitch << " " << src_pitch << " " << width << " " << rows;
  }
  CUDA_MEMCPY2D array = pitched(block, 8, other, 8, 8, 1);
  array.srcMemoryType = CU_MEMORYTYPE_ARRAY;
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cu.Memcpy2DAsync(&array, stream));
}

TEST_F(SimulatedCopies, PeersNeedNoAccessToEachOther) {
  const CUdeviceptr here = allocate(32);
  EXPECT_CU(CUDA_SUCCESS, cu.CtxPushCurrent(contexts[1]));
  const CUdeviceptr there = allocate(32);
  EXPECT_CU(CUDA_SUCCESS, cu.CtxPopCurrent(nullptr));
  EXPECT_CU(CUDA_SUCCESS, cu.MemsetD8Async(here, 9, 32, stream));
  EXPECT_CU(CUDA_SUCCESS, cu.MemcpyPeerAsync(there, contexts[1], here, contexts[0], 32, stream));
  EXPECT_EQ(read(there, 32, stream), Bytes(32, 9));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cu.MemcpyPeerAsync(there, contexts[0], here, contexts[0], 32, stream));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cu.MemcpyPeerAsync(there, contexts[1], here, contexts[0], 33, stream));
  EXPECT_CU(CUDA_ERROR_INVALID_CONTEXT, cu.MemcpyPeerAsync(there, nullptr, here, contexts[0], 32, stream));
}

class SimulatedBatches : public SimulatedCopies {
 protected:
  CUresult batch(std::vector<CUdeviceptr> dsts, std::vector<CUdeviceptr> srcs, std::vector<size_t> sizes, CUstream on,
                 size_t* failed, int order = 1) {
    driver::MemcpyAttributes attributes;
    attributes.src_access_order = order;
    size_t start = 0;
    if (cu.MemcpyBatchAsync_13000 != nullptr) {
      return cu.MemcpyBatchAsync_13000(dsts.data(), srcs.data(), sizes.data(), sizes.size(), &attributes, &start, 1,
                                       on);
    }
    return cu.MemcpyBatchAsync_12080(dsts.data(), srcs.data(), sizes.data(), sizes.size(), &attributes, &start, 1,
                                     failed, on);
  }
};

TEST_F(SimulatedBatches, CopyAllOfTheirParts) {
  simulated::Options newer = two_devices();
  newer.batch = simulated::Batch::v13000;
  for (const simulated::Options& wanted : {two_devices(), newer}) {
    start(wanted);
    stream = make_stream();
    const CUdeviceptr block = allocate(64);
    auto* const pinned = allocate_pinned<unsigned char>(64);
    std::iota(pinned, pinned + 64, static_cast<unsigned char>(1));
    EXPECT_CU(CUDA_SUCCESS, cu.MemsetD8Async(block, 0, 64, stream));
    size_t failed = 7;
    EXPECT_CU(CUDA_SUCCESS, batch({block, block + 32, block + 60},
                                  {address_of(pinned + 10), address_of(pinned), address_of(pinned + 63)}, {20, 10, 1},
                                  stream, &failed));
    Bytes expected(64, 0);
    std::memcpy(&expected[0], pinned + 10, 20);
    std::memcpy(&expected[32], pinned, 10);
    std::memcpy(&expected[60], pinned + 63, 1);
    EXPECT_EQ(read(block, 64, stream), expected);
    EXPECT_CU(CUDA_SUCCESS, cu.MemFreeHost(pinned));
  }
}

TEST_F(SimulatedBatches, ReadPageableMemoryWhenTheyAreTold) {
  const CUdeviceptr block = allocate(2);
  unsigned char during = 1;
  unsigned char in_order = 1;
  size_t failed = 0;
  Held held(cu, stream);
  EXPECT_CU(CUDA_SUCCESS, batch({block}, {address_of(&during)}, {1}, stream, &failed, 2));
  EXPECT_CU(CUDA_SUCCESS, batch({block + 1}, {address_of(&in_order)}, {1}, stream, &failed, 1));
  during = 2;
  in_order = 2;
  held.let_go();
  EXPECT_EQ(read(block, 2, stream), (Bytes{1, 2}));
}

TEST_F(SimulatedBatches, RefuseDefaultStreamsAndWhatIsNoCopy) {
  const CUdeviceptr block = allocate(64);
  size_t failed = 7;
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, batch({block}, {block + 32}, {8}, nullptr, &failed));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, batch({block}, {block + 32}, {8}, CU_STREAM_LEGACY, &failed));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, batch({block}, {block + 32}, {8}, CU_STREAM_PER_THREAD, &failed));
  EXPECT_EQ(failed, SIZE_MAX) << "no single copy is to blame";
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, batch({}, {}, {}, stream, &failed));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, batch({block}, {block + 32}, {8}, stream, &failed, 0));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, batch({block, block + 8}, {block + 32, block + 60}, {8, 8}, stream, &failed));
  EXPECT_EQ(failed, 1u);
}

}  // namespace
}  // namespace strideport
