// Exports of imports of exports: their deleters nest, and a chain of them can be longer than the stack is deep.
#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <memory>

#include "strideport/dlpack.hpp"

namespace strideport::testing {
namespace {

constexpr int kLinks = 300'000;

struct Source {
  std::array<std::byte, 16> memory{};
  int released = 0;
  std::shared_ptr<void> owner() {
    return std::shared_ptr<void>(this, [](void* source) { ++static_cast<Source*>(source)->released; });
  }
  Buffer buffer() { return Buffer(BufferView::of(memory.data(), {16}), owner()); }
};

Buffer through_versioned(const Buffer& buffer) { return import_dlpack(export_dlpack(buffer), StreamRef::host()); }
Buffer through_legacy(const Buffer& buffer) {
  return import_dlpack(export_dlpack_legacy(buffer), StreamRef::host(), true);
}

template <class Link>
void expect_one_release(Link&& link) {
  Source source;
  {
    Buffer buffer = source.buffer();
    for (int i = 0; i < kLinks; ++i) buffer = link(buffer, i);
    EXPECT_EQ(source.released, 0);
    EXPECT_EQ(buffer.buf(), source.memory.data());
  }
  EXPECT_EQ(source.released, 1);
}

TEST(DLPackChain, OfVersionedTensorsIsReleasedWithoutRecursion) {
  expect_one_release([](const Buffer& buffer, int) { return through_versioned(buffer); });
}

TEST(DLPackChain, OfLegacyTensorsIsReleasedWithoutRecursion) {
  expect_one_release([](const Buffer& buffer, int) { return through_legacy(buffer); });
}

TEST(DLPackChain, OfBothKindsIsReleasedWithoutRecursion) {
  expect_one_release(
      [](const Buffer& buffer, int i) { return i % 3 == 0 ? through_legacy(buffer) : through_versioned(buffer); });
}

TEST(DLPackChain, ThatStillHasAUserInTheMiddleEndsThere) {
  Source source;
  Buffer middle;
  {
    Buffer buffer = source.buffer();
    for (int i = 0; i < 1000; ++i) {
      buffer = through_versioned(buffer);
      if (i == 500) middle = buffer;
    }
  }
  EXPECT_EQ(source.released, 0);
  EXPECT_EQ(middle.buf(), source.memory.data());
  middle = Buffer();
  EXPECT_EQ(source.released, 1);
}

}  // namespace
}  // namespace strideport::testing
