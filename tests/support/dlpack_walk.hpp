/// Oracles for DLPack: which addresses a tensor names, counted out index by index, and the types that DLPack 1.3 lists.
#pragma once

#include <dlpack/dlpack.h>

#include <cstdint>
#include <vector>

namespace strideport::testing {

/// Bytes of one element as dlpack.h's GetDataSize counts them.
inline int64_t element_bytes(DLDataType type) { return (int64_t{type.bits} * type.lanes + 7) / 8; }

/// The address of every element, in C order of the indices; NULL strides mean C order.
inline std::vector<uintptr_t> element_addresses(const DLTensor& tensor) {
  const auto ndim = static_cast<size_t>(tensor.ndim);
  int64_t count = 1;
  std::vector<int64_t> strides(ndim);
  for (size_t i = ndim; i-- > 0;) {
    strides[i] = tensor.strides != nullptr ? tensor.strides[i] : count;
    count *= tensor.shape[i];
  }
  std::vector<uintptr_t> addresses;
  std::vector<int64_t> index(ndim, 0);
  for (int64_t n = 0; n < count; ++n) {
    int64_t elements = 0;
    for (size_t i = 0; i < ndim; ++i) elements += index[i] * strides[i];
    addresses.push_back(reinterpret_cast<uintptr_t>(tensor.data) + tensor.byte_offset +
                        static_cast<uintptr_t>(elements * element_bytes(tensor.dtype)));
    for (size_t i = ndim; i-- > 0;) {
      if (++index[i] < tensor.shape[i]) break;
      index[i] = 0;
    }
  }
  return addresses;
}

/// Whole-byte element types of DLPack 1.3, as its header lists codes and common widths.
inline std::vector<DLDataType> whole_byte_types() {
  std::vector<DLDataType> types;
  const auto add = [&](DLDataTypeCode code, std::initializer_list<uint8_t> widths) {
    for (const uint8_t bits : widths) types.push_back({static_cast<uint8_t>(code), bits, 1});
  };
  add(kDLInt, {8, 16, 32, 64});
  add(kDLUInt, {8, 16, 32, 64});
  add(kDLFloat, {16, 32, 64, 128});
  add(kDLBfloat, {16});
  add(kDLComplex, {64, 128});
  add(kDLBool, {8});
  for (int code = kDLFloat8_e3m4; code <= kDLFloat8_e8m0fnu; ++code) add(static_cast<DLDataTypeCode>(code), {8});
  return types;
}

/// Types narrower than a byte.
inline std::vector<DLDataType> subbyte_types() {
  return {{kDLInt, 4, 1},  {kDLUInt, 4, 1},          {kDLInt, 2, 1},           {kDLUInt, 2, 1},
          {kDLUInt, 1, 1}, {kDLFloat6_e2m3fn, 6, 1}, {kDLFloat6_e3m2fn, 6, 1}, {kDLFloat4_e2m1fn, 4, 1}};
}

}  // namespace strideport::testing
