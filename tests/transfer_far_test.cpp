// Copies of more than 2^31 bytes, and of memory that is another device's than the first one's.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "strideport/copy.hpp"
#include "tests/support/device_places.hpp"
#include "tests/support/seed.hpp"

namespace strideport {
namespace {

using namespace strideport::testing;  // NOLINT: the tests' own vocabulary

std::vector<std::byte> random_bytes(Random& random, size_t size) {
  std::vector<std::byte> bytes(size);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

Buffer part_of(const Buffer& memory, int64_t begin, int64_t size) {
  Slice range;
  range.start = begin;
  range.stop = begin + size;
  return memory.rebind(slice(memory.view(), 0, range));
}

Buffer viewed(const Buffer& memory, const std::vector<int64_t>& shape, const std::vector<int64_t>& strides) {
  ViewSpec spec = memory.view().spec();
  spec.shape = shape;
  spec.strides = strides;
  return memory.rebind(BufferView::create(spec));
}

class SlowTransferFar : public OnDevice {};

// One row twice: half the memory that two rows would take.
TEST_F(SlowTransferFar, CopiesMoreThanTwoToThe31Bytes) {
  constexpr int64_t kRow = (int64_t{1} << 30) + (int64_t{1} << 20) + 16;
  constexpr int64_t kLooked = 4096;
  Random random = seeded_random("SlowTransferFar");
  const Buffer src = bytes_in(PlaceKind::device, kRow);
  const Buffer dst = bytes_in(PlaceKind::device, 2 * kRow);
  struct Look {
    int64_t at;
    std::vector<std::byte> bytes;
  };
  std::vector<Look> looks;
  for (const int64_t at : {int64_t{0}, kRow / 2 + 1, (int64_t{1} << 31) - kRow - kLooked / 2, kRow - kLooked}) {
    looks.push_back({at, random_bytes(random, kLooked)});
    const Buffer part = part_of(src, at, kLooked);
    from_contiguous(part.view(), looks.back().bytes, Order::C, StreamRef::host());
  }
  copy(viewed(dst, {2, kRow}, {kRow, 1}), viewed(src, {2, kRow}, {0, 1}), StreamRef::host());
  for (const Look& look : looks) {
    EXPECT_TRUE(get(part_of(dst, look.at, kLooked)) == look.bytes) << look.at;
    EXPECT_TRUE(get(part_of(dst, kRow + look.at, kLooked)) == look.bytes) << look.at;
  }
}

class TransferFar : public OnDevice {};

TEST_F(TransferFar, CopiesManagedMemoryOfTheSecondDevice) {
  if (device_count() < 2) GTEST_SKIP() << "needs two devices";
  Random random = seeded_random("TransferFar");
  Device second = device_of(PlaceKind::managed);
  second.id = 1;
  const int64_t shape[] = {2000};
  for (const PlaceKind other : places_here()) {
    SCOPED_TRACE(name_of(other));
    const auto bytes = random_bytes(random, 2000);
    std::vector<std::byte> expected(2000);
    for (size_t i = 0; i < 50; ++i) {
      for (size_t j = 0; j < 40; ++j) expected[i * 40 + j] = bytes[j * 50 + i];
    }
    const Buffer there = put(other, bytes);
    const Buffer managed = empty(shape, dtype_of<std::byte>(), Order::C, second);
    EXPECT_EQ(managed.device(), second);
    copy(viewed(managed, {50, 40}, {40, 1}), viewed(there, {50, 40}, {1, 50}), StreamRef::host());
    EXPECT_TRUE(get(managed) == expected);
    const Buffer back = bytes_in(other, 2000);
    copy(viewed(back, {50, 40}, {1, 50}), viewed(managed, {50, 40}, {40, 1}), StreamRef::host());
    EXPECT_TRUE(get(back) == bytes);
  }
}

}  // namespace
}  // namespace strideport
