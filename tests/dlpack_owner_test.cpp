// Exports of memory whose owner is a pointer and a function: it is called once, whatever happens.
#include <dlpack/dlpack.h>
#include <gtest/gtest.h>

#include <cstdint>

#include "strideport/dlpack.hpp"
#include "strideport/error.hpp"

namespace {

using strideport::BufferError;
using strideport::BufferView;
using strideport::export_dlpack;
using strideport::export_dlpack_legacy;

float numbers[64];

void release(void* count) noexcept { ++*static_cast<int*>(count); }

TEST(DlpackSingleOwner, IsReleasedByTheDeleter) {
  int releases = 0;
  const BufferView view = BufferView::of(numbers, {2, 3}, {12, -4});
  auto tensor = export_dlpack(view, &releases, &release);
  EXPECT_EQ(tensor->flags, 0U);
  EXPECT_EQ(tensor->dl_tensor.data, numbers);
  EXPECT_EQ(tensor->dl_tensor.strides[0], 3);
  EXPECT_EQ(tensor->dl_tensor.strides[1], -1);
  EXPECT_EQ(releases, 0);
  tensor.reset();
  EXPECT_EQ(releases, 1);
}

TEST(DlpackSingleOwner, IsReleasedByTheDeleterOfALegacyTensor) {
  int releases = 0;
  auto tensor = export_dlpack_legacy(BufferView::of(numbers, {64}), &releases, &release);
  EXPECT_EQ(tensor->dl_tensor.shape[0], 64);
  EXPECT_EQ(releases, 0);
  tensor.reset();
  EXPECT_EQ(releases, 1);
}

TEST(DlpackSingleOwner, IsReleasedByARefusal) {
  int releases = 0;
  const BufferView uneven = BufferView::of(numbers, {2, 3}, {13, 4});
  EXPECT_THROW(static_cast<void>(export_dlpack(uneven, &releases, &release)), BufferError);
  EXPECT_EQ(releases, 1);
  const BufferView constant = BufferView::of(static_cast<const float*>(numbers), {64});
  EXPECT_THROW(static_cast<void>(export_dlpack_legacy(constant, &releases, &release)), BufferError);
  EXPECT_EQ(releases, 2);
}

TEST(DlpackSingleOwner, ReadOnlyIsSaid) {
  int releases = 0;
  const BufferView constant = BufferView::of(static_cast<const float*>(numbers), {64});
  EXPECT_EQ(export_dlpack(constant, &releases, &release)->flags, uint64_t{DLPACK_FLAG_BITMASK_READ_ONLY});
  EXPECT_EQ(releases, 1);
}

}  // namespace
