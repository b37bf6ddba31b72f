// Element types of imported tensors: whole bytes, packed, padded, unknown.
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
using strideport::DType;
using strideport::TypeCode;
using strideport::testing::expect_refused;
using strideport::testing::floats;
using strideport::testing::import;
using strideport::testing::shape_of;
using strideport::testing::strides_of;
using strideport::testing::TensorFields;

using Numbers = std::vector<int64_t>;

TEST(DlpackImport, TakesEveryTypeOfWholeBytes) {
  for (const DLDataType base : strideport::testing::whole_byte_types()) {
    for (const uint16_t lanes : {uint16_t{1}, uint16_t{4}}) {
      SCOPED_TRACE(std::to_string(base.code) + "/" + std::to_string(base.bits) + "x" + std::to_string(lanes));
      std::atomic<int> deletions = 0;
      TensorFields fields = floats({2, 3});
      fields.dtype = {base.code, base.bits, lanes};
      const Buffer buffer = import(fields, deletions);
      EXPECT_EQ(buffer.dtype(), (DType{static_cast<TypeCode>(base.code), base.bits, lanes}));
      EXPECT_EQ(buffer.itemsize(), base.bits / 8 * lanes);
    }
  }
}

TEST(DlpackImport, RefusesUnknownTypes) {
  TensorFields fields = floats({2});
  for (const DLDataType type : std::vector<DLDataType>{{18, 8, 1},
                                                       {200, 8, 1},
                                                       {255, 8, 1},
                                                       {kDLInt, 0, 1},
                                                       {kDLInt, 32, 0},
                                                       {kDLFloat, 0, 0},
                                                       {kDLFloat, 7, 1},
                                                       {kDLBool, 1, 1},
                                                       {kDLComplex, 7, 1},
                                                       {kDLBfloat, 32, 1},
                                                       {kDLInt, 255, 1},
                                                       {kDLFloat8_e5m2, 4, 1},
                                                       {kDLFloat6_e2m3fn, 8, 1},
                                                       {kDLFloat4_e2m1fn, 8, 1}}) {
    fields.dtype = type;
    expect_refused<BufferError>(fields, "dtype code " + std::to_string(type.code));
  }
}

TEST(DlpackImport, FoldsPackedElementsIntoLanes) {
  struct Case {
    DLDataType type;
    int64_t extent;
    uint16_t lanes;
    int64_t itemsize;
  };
  for (const Case& c :
       {Case{{kDLFloat4_e2m1fn, 4, 1}, 8, 2, 1}, Case{{kDLInt, 4, 1}, 6, 2, 1}, Case{{kDLUInt, 2, 1}, 8, 4, 1},
        Case{{kDLUInt, 1, 1}, 16, 8, 1}, Case{{kDLFloat6_e2m3fn, 6, 1}, 12, 4, 3},
        Case{{kDLFloat6_e3m2fn, 6, 2}, 4, 4, 3}, Case{{kDLInt, 4, 3}, 2, 6, 3}}) {
    SCOPED_TRACE(std::to_string(c.type.code) + "/" + std::to_string(c.type.bits));
    const int64_t groups = c.extent * c.type.lanes / c.lanes;
    for (const bool with_strides : {false, true}) {
      std::atomic<int> deletions = 0;
      TensorFields fields = floats({4, c.extent});
      if (with_strides) fields.strides = Numbers{2 * c.extent, 1};  // every other row of a wider tensor
      fields.dtype = c.type;
      const Buffer buffer = import(fields, deletions);
      EXPECT_EQ(buffer.dtype(), (DType{static_cast<TypeCode>(c.type.code), c.type.bits, c.lanes}));
      EXPECT_EQ(buffer.itemsize(), c.itemsize);
      EXPECT_EQ(shape_of(buffer), (Numbers{4, groups}));
      EXPECT_EQ(strides_of(buffer), (Numbers{(with_strides ? 2 : 1) * groups * c.itemsize, c.itemsize}));
      EXPECT_FALSE(buffer.view().padded());
    }
  }
}

TEST(DlpackImport, TakesPackedElementsThatAlreadyFillBytes) {
  std::atomic<int> deletions = 0;
  TensorFields fields = floats({3, 5}, Numbers{1, 3});
  fields.dtype = {kDLFloat4_e2m1fn, 4, 2};  // as torch spells float4_e2m1fn_x2
  const Buffer buffer = import(fields, deletions);
  EXPECT_EQ(shape_of(buffer), (Numbers{3, 5}));
  EXPECT_EQ(strides_of(buffer), (Numbers{1, 3}));
}

TEST(DlpackImport, RefusesPackedElementsThatStartInsideAByte) {
  TensorFields fields = floats({4, 7});
  fields.dtype = {kDLFloat4_e2m1fn, 4, 1};
  expect_refused<BufferError>(fields, "shape[1] = 7");
  fields.shape = {4, 8};
  fields.strides = Numbers{1, 4};
  expect_refused<BufferError>(fields, "strides[1] = 4");
  fields.strides = Numbers{9, 1};
  expect_refused<BufferError>(fields, "strides[0] = 9");
  fields.shape = {};
  fields.strides = std::nullopt;
  expect_refused<BufferError>(fields, "no axis");
  fields.shape = {2};
  fields.dtype = {kDLFloat4_e2m1fn, 4, 65535};
  expect_refused<BufferError>(fields, "65535");
}

TEST(DlpackImport, LooksAtNoStrideThatMeansNothingInPackedTensors) {
  std::atomic<int> deletions = 0;
  TensorFields fields = floats({1, 8}, Numbers{3, 1});
  fields.dtype = {kDLFloat4_e2m1fn, 4, 1};
  EXPECT_EQ(shape_of(import(fields, deletions)), (Numbers{1, 4}));
  fields.shape = {0, 8};
  fields.strides = Numbers{3, 5};
  EXPECT_EQ(shape_of(import(fields, deletions)), (Numbers{0, 4}));
  EXPECT_EQ(deletions, 2);
}

TEST(DlpackImport, GivesPaddedElementsAByteEach) {
  for (const DLDataType type : strideport::testing::subbyte_types()) {
    std::atomic<int> deletions = 0;
    TensorFields fields = floats({3, 7}, Numbers{1, 3});
    fields.dtype = type;
    fields.flags = DLPACK_FLAG_BITMASK_IS_SUBBYTE_TYPE_PADDED;
    const Buffer buffer = import(fields, deletions);
    EXPECT_TRUE(buffer.view().padded());
    EXPECT_EQ(buffer.itemsize(), 1);
    EXPECT_EQ(shape_of(buffer), (Numbers{3, 7}));
    EXPECT_EQ(strides_of(buffer), (Numbers{1, 3}));
    fields.dtype.lanes = 2;
    expect_refused<BufferError>(fields, "lanes");
  }
}

}  // namespace
