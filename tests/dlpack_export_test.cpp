#include <dlpack/dlpack.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <numeric>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "strideport/buffer.hpp"
#include "strideport/dlpack.hpp"
#include "strideport/error.hpp"
#include "tests/support/dlpack_walk.hpp"

namespace {

using strideport::Buffer;
using strideport::BufferError;
using strideport::BufferView;
using strideport::Device;
using strideport::DeviceType;
using strideport::DLPackTensor;
using strideport::DType;
using strideport::export_dlpack;
using strideport::export_dlpack_legacy;
using strideport::Format;
using strideport::import_dlpack;
using strideport::StreamRef;
using strideport::TypeCode;
using strideport::TypeMismatch;
using strideport::ViewSpec;
using strideport::testing::element_addresses;

using Numbers = std::vector<int64_t>;

alignas(64) std::array<std::byte, 1 << 15> memory{};
std::byte* const kMiddle = memory.data() + memory.size() / 2;

Numbers list(std::span<const int64_t> values) { return {values.begin(), values.end()}; }
Numbers list(const int64_t* values, int32_t ndim) { return {values, values + ndim}; }

/// What a buffer is made of, with the owner counting its release.
struct Made {
  Numbers shape{};
  Numbers strides{};
  DType dtype{TypeCode::floating, 32, 1};
  Format format{};
  int64_t itemsize = 0;
  bool readonly = false;
  bool padded = false;
  Device device{};
  void* buf = kMiddle;

  Buffer with(std::shared_ptr<void> owner) const {
    ViewSpec spec;
    spec.buf = buf;
    spec.shape = shape;
    spec.strides = strides;
    spec.itemsize = itemsize != 0 ? itemsize : dtype.itemsize();
    spec.dtype = dtype;
    spec.format = format ? format : Format::of(dtype);
    spec.readonly = readonly;
    spec.padded = padded;
    spec.device = device;
    return Buffer(BufferView::create(spec), std::move(owner));
  }
  Buffer make() const { return with(nullptr); }
};

/// Of a format and nothing else.
Made of_format(const std::string& text) {
  Made made;
  made.shape = {2};
  made.format = Format::parse(text);
  made.itemsize = made.format.itemsize();
  made.dtype = made.format.dtype();
  return made;
}

std::shared_ptr<void> counted(std::atomic<int>& releases) {
  return std::shared_ptr<void>(&releases, [](void* p) { ++*static_cast<std::atomic<int>*>(p); });
}

template <class Error>
void expect_refused(const Buffer& buffer, const std::vector<std::string>& parts) {
  try {
    static_cast<void>(export_dlpack(buffer));
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& error) {
    for (const std::string& part : parts) {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << part << " in: " << error.what();
    }
  }
}

/// The addresses of a buffer's elements, counted out from its byte strides.
std::vector<uintptr_t> buffer_addresses(const Buffer& buffer) {
  DLTensor bytes{};
  Numbers shape = list(buffer.shape()), strides = list(buffer.strides());
  bytes.data = buffer.buf();
  bytes.ndim = buffer.ndim();
  bytes.dtype = {kDLUInt, 8, 1};
  bytes.shape = shape.data();
  bytes.strides = strides.data();
  return element_addresses(bytes);
}

TEST(DlpackExport, WritesEveryField) {
  std::atomic<int> releases = 0;
  const Made made{.shape = {4, 8}, .strides = {-64, 8}};
  const DLPackTensor tensor = export_dlpack(made.with(counted(releases)));
  EXPECT_EQ(tensor->version.major, 1u);
  EXPECT_EQ(tensor->version.minor, 3u);
  EXPECT_EQ(tensor->flags, 0u);
  const DLTensor& t = tensor->dl_tensor;
  EXPECT_EQ(t.data, kMiddle);
  EXPECT_EQ(t.byte_offset, 0u);
  EXPECT_EQ(t.device.device_type, kDLCPU);
  EXPECT_EQ(t.device.device_id, 0);
  EXPECT_EQ(t.ndim, 2);
  EXPECT_EQ(t.dtype.code, kDLFloat);
  EXPECT_EQ(t.dtype.bits, 32);
  EXPECT_EQ(t.dtype.lanes, 1);
  EXPECT_EQ(list(t.shape, 2), (Numbers{4, 8}));
  EXPECT_EQ(list(t.strides, 2), (Numbers{-16, 2}));
  EXPECT_EQ(releases, 0);
}

TEST(DlpackExport, KeepsTheOwnerUntilTheDeleterRuns) {
  std::atomic<int> releases = 0;
  DLPackTensor tensor;
  {
    const Buffer buffer = Made{.shape = {4}}.with(counted(releases));
    tensor = export_dlpack(buffer);
  }
  EXPECT_EQ(releases, 0);
  DLManagedTensorVersioned* raw = tensor.release();  // as a consumer does it
  raw->deleter(raw);
  EXPECT_EQ(releases, 1);

  auto legacy = export_dlpack_legacy(Made{.shape = {4}}.with(counted(releases)));
  EXPECT_EQ(releases, 1);
  legacy.reset();
  EXPECT_EQ(releases, 2);
}

TEST(DlpackExport, ReleasesTheOwnerOnceWhenEightThreadsDelete) {
  for (int round = 0; round < 200; ++round) {
    std::atomic<int> releases = 0;
    std::atomic<bool> go = false;
    std::vector<std::thread> threads;
    {
      const Buffer buffer = Made{.shape = {4}}.with(counted(releases));
      for (int i = 0; i < 8; ++i) {
        threads.emplace_back([raw = export_dlpack(buffer).release(), &go] {
          while (!go) std::this_thread::yield();
          raw->deleter(raw);
        });
      }
    }
    go = true;
    for (std::thread& thread : threads) thread.join();
    ASSERT_EQ(releases, 1);
  }
}

TEST(DlpackExport, WritesCanonicalStridesWhereTheyMeanNothing) {
  const DLPackTensor unit = export_dlpack(Made{.shape = {1, 3, 1}, .strides = {7, 4, -9}}.make());
  EXPECT_EQ(list(unit->dl_tensor.strides, 3), (Numbers{3, 1, 1}));
  const DLPackTensor empty = export_dlpack(Made{.shape = {2, 0, 3}, .strides = {5, -7, 11}}.make());
  EXPECT_EQ(list(empty->dl_tensor.strides, 3), (Numbers{3, 3, 1}));
}

TEST(DlpackExport, WritesNullDataForNoElements) {
  const DLPackTensor tensor = export_dlpack(Made{.shape = {2, 0}}.make());
  EXPECT_EQ(tensor->dl_tensor.data, nullptr);
  const Buffer back = import_dlpack(export_dlpack(Made{.shape = {2, 0}}.make()), StreamRef::host());
  EXPECT_EQ(list(back.shape()), (Numbers{2, 0}));
}

TEST(DlpackExport, WritesScalars) {
  const DLPackTensor tensor = export_dlpack(Made{}.make());
  EXPECT_EQ(tensor->dl_tensor.ndim, 0);
  EXPECT_EQ(tensor->dl_tensor.data, kMiddle);
}

TEST(DlpackExport, SaysReadOnlyCopiedAndPadded) {
  Made made{.shape = {4}};
  EXPECT_EQ(export_dlpack(made.make(), true)->flags, DLPACK_FLAG_BITMASK_IS_COPIED);
  made.readonly = true;
  EXPECT_EQ(export_dlpack(made.make())->flags, DLPACK_FLAG_BITMASK_READ_ONLY);
  EXPECT_EQ(export_dlpack(made.make(), true)->flags, DLPACK_FLAG_BITMASK_READ_ONLY | DLPACK_FLAG_BITMASK_IS_COPIED);
  const Made padded{.shape = {4}, .dtype = {TypeCode::float4_e2m1fn, 4, 1}, .padded = true};
  EXPECT_EQ(export_dlpack(padded.make())->flags, DLPACK_FLAG_BITMASK_IS_SUBBYTE_TYPE_PADDED);
}

TEST(DlpackExport, SaysPaddedOnlyWhereBitsAreUnused) {
  const Made whole{.shape = {4}, .padded = true};
  EXPECT_EQ(export_dlpack(whole.make())->flags, 0u);
  EXPECT_EQ(export_dlpack_legacy(whole.make())->dl_tensor.ndim, 1);
  const Made pairs{.shape = {4}, .dtype = {TypeCode::float4_e2m1fn, 4, 2}, .padded = true};
  EXPECT_EQ(export_dlpack(pairs.make())->flags, 0u);
  const Made triples{.shape = {4}, .dtype = {TypeCode::float4_e2m1fn, 4, 3}, .padded = true};
  expect_refused<BufferError>(triples.make(), {"padded", "lanes"});
}

TEST(DlpackExport, LegacyCannotSayReadOnlyOrPadded) {
  Made made{.shape = {4}, .readonly = true};
  EXPECT_THROW(static_cast<void>(export_dlpack_legacy(made.make())), BufferError);
  made.readonly = false;
  EXPECT_EQ(export_dlpack_legacy(made.make())->dl_tensor.data, kMiddle);
  const Made padded{.shape = {4}, .dtype = {TypeCode::float4_e2m1fn, 4, 1}, .padded = true};
  EXPECT_THROW(static_cast<void>(export_dlpack_legacy(padded.make())), BufferError);
}

TEST(DlpackExport, WritesDlpacksNumberOfEveryDevice) {
  for (const auto& [device, type, id] : std::vector<std::tuple<Device, int32_t, int32_t>>{
           {{DeviceType::cpu, 0}, kDLCPU, 0},
           {{DeviceType::cpu, 2}, kDLCPU, 0},  // DLPack: host memory has index 0
           {{DeviceType::cuda, 1}, kDLCUDA, 1},
           {{DeviceType::cuda_host, 0}, kDLCUDAHost, 0},
           {{DeviceType::cuda_managed, 1}, kDLCUDAManaged, 1},
           {{DeviceType::simulated, 3}, kDLExtDev, 3},
           {{DeviceType::simulated_host, 1}, kDLCPU, 0},  // plain host memory to everybody else
           {{DeviceType::simulated_managed, 1}, kDLCPU, 0}}) {
    const DLPackTensor tensor = export_dlpack(Made{.shape = {4}, .device = device}.make());
    EXPECT_EQ(tensor->dl_tensor.device.device_type, type);
    EXPECT_EQ(tensor->dl_tensor.device.device_id, id);
  }
}

TEST(DlpackExport, RefusesForeignByteOrder) {
  const std::string foreign = strideport::kNativeOrder == strideport::ByteOrder::little ? ">" : "<";
  for (const char* code : {"h", "i", "q", "H", "Q", "e", "f", "d", "Zd"}) {
    SCOPED_TRACE(code);
    expect_refused<BufferError>(of_format(foreign + code).make(), {"byte order", "'" + foreign + code + "'"});
  }
  for (const char* code : {"b", "B", "?"}) {
    EXPECT_NO_THROW(static_cast<void>(export_dlpack(of_format(foreign + code).make())));
  }
  expect_refused<BufferError>(of_format(foreign + "(2,3)i").make(), {".cast(\"B\")"});  // no order would mend it
}

TEST(DlpackExport, RefusesWhatDlpackHasNoTypeFor) {
  for (const char* text : {"T{i:a:f:b:}", "4s", "c", "3w", "P", "(2,3)i", "i2h", "4x"}) {
    SCOPED_TRACE(text);
    expect_refused<BufferError>(of_format(text).make(), {text, ".cast(\"B\")"});
  }
  Made opaque{.shape = {2}, .format = Format::opaque("T{i:a:3", 5), .itemsize = 5};
  opaque.dtype = DType{};
  expect_refused<BufferError>(opaque.make(), {".cast(\"B\")"});
}

TEST(DlpackExport, RefusesReferences) {
  expect_refused<TypeMismatch>(of_format("O").make(), {"'O'"});
  expect_refused<TypeMismatch>(of_format("T{i:a:O:b:}").make(), {"references"});
}

TEST(DlpackExport, SaysBeforeACopyWhatNoCopyCures) {
  std::array<char, 64> bytes{};
  strideport::ViewSpec spec;
  spec.buf = bytes.data();
  spec.itemsize = 8;
  for (const char* format : {">q", "T{i:a:f:b:}"}) {
    spec.format = strideport::Format::parse(format);
    EXPECT_THROW(strideport::check_dlpack_elements(strideport::BufferView::create(spec)), BufferError) << format;
  }
  spec.format = strideport::Format::parse("O");
  EXPECT_THROW(strideport::check_dlpack_elements(strideport::BufferView::create(spec)), strideport::TypeMismatch);
  spec.format = strideport::Format::parse("q");
  EXPECT_NO_THROW(strideport::check_dlpack_elements(strideport::BufferView::create(spec)));
}

TEST(DlpackExport, RefusesSuboffsets) {
  std::array<std::byte, 12> row{};
  std::array<void*, 2> rows = {row.data(), row.data()};
  const Numbers shape{2, 12}, strides{sizeof(void*), 1}, suboffsets{0, -1};
  ViewSpec spec;
  spec.buf = rows.data();
  spec.shape = shape;
  spec.strides = strides;
  spec.suboffsets = suboffsets;
  spec.dtype = {TypeCode::unsigned_integer, 8, 1};
  spec.format = Format::of(spec.dtype);
  expect_refused<BufferError>(Buffer(BufferView::create(spec), nullptr), {"axis 0", ".contiguous()"});
}

TEST(DlpackExport, RefusesStridesThatAreNoWholeElements) {
  Made made{.shape = {2, 3}, .strides = {30, 4}};
  expect_refused<BufferError>(made.make(), {"axis 0", "30", "itemsize 4", ".contiguous()"});
  expect_refused<BufferError>(Made{.shape = {2, 2, 2, 2}, .strides = {64, 18, 5, 4}}.make(), {"axis 1", "18"});
  made.shape = {1, 3};  // an extent of 1 uses no stride
  EXPECT_NO_THROW(static_cast<void>(export_dlpack(made.make())));
  made.shape = {2, 0};
  EXPECT_NO_THROW(static_cast<void>(export_dlpack(made.make())));
}

TEST(DlpackExport, HoldsNothingAfterARefusal) {
  std::atomic<int> releases = 0;
  EXPECT_THROW(export_dlpack(Made{.shape = {2, 3}, .strides = {30, 4}}.with(counted(releases))), BufferError);
  EXPECT_EQ(releases, 1);
}

TEST(DlpackExport, NamesTheSameElementsAsTheBuffer) {
  for (const Made& made : {Made{.shape = {3, 4, 5}}, Made{.shape = {3, 4, 5}, .strides = {4, 12, 48}},
                           Made{.shape = {3, 4, 5}, .strides = {-80, 20, -4}}, Made{.shape = {3, 4}, .strides = {0, 0}},
                           Made{.shape = {2, 1, 7}, .strides = {-64, 1, 8}}, Made{.shape = {}}, Made{.shape = {5, 0}},
                           Made{.shape = {6}, .strides = {-12}},
                           Made{.shape = {2, 3}, .strides = {48, 16}, .dtype = {TypeCode::floating, 32, 4}},
                           Made{.shape = {2, 3}, .strides = {1, 2}, .dtype = {TypeCode::float4_e2m1fn, 4, 2}}}) {
    const Buffer buffer = made.make();
    EXPECT_EQ(element_addresses(export_dlpack(buffer)->dl_tensor), buffer_addresses(buffer));
    EXPECT_EQ(element_addresses(export_dlpack_legacy(buffer)->dl_tensor), buffer_addresses(buffer));
  }
}

/// Every field but the strides that mean nothing.
void expect_same(const Buffer& back, const Buffer& buffer) {
  EXPECT_EQ(back.dtype(), buffer.dtype());
  EXPECT_EQ(back.format(), buffer.format());
  EXPECT_EQ(back.itemsize(), buffer.itemsize());
  EXPECT_EQ(back.len(), buffer.len());
  EXPECT_EQ(back.buf(), buffer.len() == 0 ? nullptr : buffer.buf());
  EXPECT_EQ(back.readonly(), buffer.readonly());
  EXPECT_EQ(back.view().padded(), buffer.view().padded());
  EXPECT_EQ(back.device(), buffer.device());
  EXPECT_EQ(list(back.shape()), list(buffer.shape()));
  EXPECT_EQ(buffer_addresses(back), buffer_addresses(buffer));
}

TEST(DlpackExport, EveryTypeComesBack) {
  for (const DLDataType type : strideport::testing::whole_byte_types()) {
    for (const uint16_t lanes : {uint16_t{1}, uint16_t{2}, uint16_t{3}}) {
      SCOPED_TRACE(std::to_string(type.code) + "/" + std::to_string(type.bits) + "x" + std::to_string(lanes));
      const Made made{.shape = {2, 3}, .dtype = {static_cast<TypeCode>(type.code), type.bits, lanes}};
      expect_same(import_dlpack(export_dlpack(made.make()), StreamRef::host()), made.make());
    }
  }
}

TEST(DlpackExport, TypesBelowAByteComeBackPackedAndPadded) {
  for (const DLDataType type : strideport::testing::subbyte_types()) {
    SCOPED_TRACE(std::to_string(type.code) + "/" + std::to_string(type.bits));
    const auto lanes = static_cast<uint16_t>(8 / std::gcd(8, int{type.bits}));
    const auto code = static_cast<TypeCode>(type.code);
    const Made packed{.shape = {2, 3}, .strides = {66, 6}, .dtype = {code, type.bits, lanes}};
    expect_same(import_dlpack(export_dlpack(packed.make()), StreamRef::host()), packed.make());
    const Made padded{.shape = {2, 3}, .strides = {1, 2}, .dtype = {code, type.bits, 1}, .padded = true};
    expect_same(import_dlpack(export_dlpack(padded.make()), StreamRef::host()), padded.make());
  }
}

TEST(DlpackExport, EveryRankComesBack) {
  for (size_t ndim = 0; ndim <= 64; ++ndim) {
    SCOPED_TRACE(ndim);
    Made made;
    made.shape.assign(ndim, 1);
    for (size_t i = 0; i < ndim; i += 7) made.shape[i] = 2;
    made.strides.assign(ndim, 0);
    int64_t dense = 4;
    for (size_t i = 0; i < ndim; ++i) {  // F order
      made.strides[i] = dense;
      dense *= made.shape[i];
    }
    expect_same(import_dlpack(export_dlpack(made.make()), StreamRef::host()), made.make());
  }
}

TEST(DlpackExport, ReadOnlySticksThroughAChain) {
  Buffer buffer = Made{.shape = {2, 3}, .readonly = true}.make();
  for (int i = 0; i < 3; ++i) buffer = import_dlpack(export_dlpack(buffer, i == 1), StreamRef::host());
  EXPECT_TRUE(buffer.readonly());
  EXPECT_THROW(export_dlpack_legacy(buffer), BufferError);
}

TEST(DlpackExport, AChainReleasesTheFirstOwnerOnce) {
  std::atomic<int> releases = 0;
  Buffer buffer = Made{.shape = {2, 3}}.with(counted(releases));
  for (int i = 0; i < 5; ++i) buffer = import_dlpack(export_dlpack(buffer), StreamRef::host());
  for (int i = 0; i < 5; ++i) buffer = import_dlpack(export_dlpack_legacy(buffer), StreamRef::host(), true);
  EXPECT_EQ(releases, 0);
  buffer = Buffer();
  EXPECT_EQ(releases, 1);
}

}  // namespace
