/// Which DLPack tensors mean something, decided from docs/dlpack.md in arithmetic that cannot overflow. It shares no code
/// with the library, and knows no device: of memory elsewhere it judges the rest alone.
#pragma once

#include <dlpack/dlpack.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

namespace strideport::testing {

__extension__ typedef __int128 Wide;

/// A tensor in elements that fill bytes.
struct Meaning {
  int64_t fold = 1;  ///< neighbours along the last axis that make one of them
  int64_t itemsize = 0;
  bool empty = false;
  Wide count = 1;
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;  ///< bytes; 0 where they mean nothing
  Wide lower = 0;
  Wide upper = 0;
};

inline bool fits(Wide value) {
  return value >= std::numeric_limits<int64_t>::min() && value <= std::numeric_limits<int64_t>::max();
}

inline bool is_dlpack_type(DLDataType type) {
  const auto one_of = [&](std::initializer_list<int> widths) {
    for (const int width : widths) {
      if (type.bits == width) return type.lanes > 0;
    }
    return false;
  };
  switch (type.code) {
    case kDLInt:
    case kDLUInt: return one_of({1, 2, 4, 8, 16, 32, 64});
    case kDLFloat: return one_of({16, 32, 64, 128});
    case kDLOpaqueHandle: return one_of({64});
    case kDLBfloat: return one_of({16});
    case kDLComplex: return one_of({32, 64, 128});
    case kDLBool: return one_of({8});
    case kDLFloat6_e2m3fn:
    case kDLFloat6_e3m2fn: return one_of({6});
    case kDLFloat4_e2m1fn: return one_of({4});
    default: return type.code >= kDLFloat8_e3m4 && type.code <= kDLFloat8_e8m0fnu && one_of({8});
  }
}

/// Sets fold and itemsize.
inline bool settle_element(DLDataType type, bool padded, Meaning& meaning) {
  const int64_t bits = int64_t{type.bits} * type.lanes;
  if (!is_dlpack_type(type)) return false;
  if (type.bits < 8 && padded) {
    meaning.itemsize = 1;
    return type.lanes == 1;
  }
  if (type.bits < 8) {
    while (meaning.fold * bits % 8 != 0) ++meaning.fold;
  }
  meaning.itemsize = (meaning.fold * bits + 7) / 8;
  return meaning.fold == 1 || meaning.fold * type.lanes <= 65535;
}

inline bool settle_shape(const DLTensor& tensor, Meaning& meaning) {
  if (tensor.ndim < 0 || tensor.ndim > 64 || (tensor.ndim > 0 && tensor.shape == nullptr)) return false;
  meaning.shape.assign(tensor.shape, tensor.shape + tensor.ndim);
  Wide unfolded = 1;
  for (const int64_t extent : meaning.shape) {
    if (extent < 0) return false;
    meaning.empty = meaning.empty || extent == 0;
  }
  for (const int64_t extent : meaning.shape) {
    if (meaning.empty) break;
    unfolded *= extent;
    if (!fits(unfolded)) return false;
  }
  if (meaning.fold > 1) {
    if (meaning.shape.empty() || meaning.shape.back() % meaning.fold != 0) return false;
    meaning.shape.back() /= meaning.fold;
  }
  meaning.count = meaning.empty ? 0 : unfolded / meaning.fold;
  return fits(meaning.count * meaning.itemsize);
}

/// Strides in bytes, and how far they reach.
inline bool settle_strides(const DLTensor& tensor, Meaning& meaning) {
  const size_t ndim = meaning.shape.size();
  meaning.strides.assign(ndim, 0);
  if (meaning.empty) return true;
  meaning.upper = meaning.itemsize;
  Wide dense = meaning.itemsize;
  for (size_t i = ndim; i-- > 0;) {
    Wide stride = dense;
    dense *= meaning.shape[i];
    const bool last_of_packed = meaning.fold > 1 && i + 1 == ndim;
    if (last_of_packed) {
      if (tensor.strides != nullptr && tensor.strides[i] != 1) return false;
    } else if (tensor.strides != nullptr && meaning.shape[i] > 1) {
      if (tensor.strides[i] % meaning.fold != 0) return false;
      stride = Wide{tensor.strides[i] / meaning.fold} * meaning.itemsize;
    }
    if (meaning.shape[i] == 1) continue;
    const Wide reach = stride * (meaning.shape[i] - 1);
    (reach < 0 ? meaning.lower : meaning.upper) += reach;
    if (!fits(stride) || !fits(reach) || !fits(meaning.lower) || !fits(meaning.upper)) return false;
    meaning.strides[i] = static_cast<int64_t>(stride);
  }
  return fits(meaning.upper - meaning.lower);
}

/// Whether the elements have addresses.
inline bool is_placed(const DLTensor& tensor, const Meaning& meaning) {
  if (tensor.data == nullptr) return meaning.empty;
  constexpr Wide kEnd = std::numeric_limits<uint64_t>::max();
  const Wide first = Wide{reinterpret_cast<uintptr_t>(tensor.data)} + Wide{tensor.byte_offset};
  return fits(Wide{tensor.byte_offset}) && first <= kEnd && first + meaning.lower >= 0 && first + meaning.upper <= kEnd;
}

/// `padded`: the flag that elements narrower than a byte take whole ones. Nothing for a tensor that must be refused.
inline std::optional<Meaning> meaning_of(const DLTensor& tensor, bool padded) {
  Meaning meaning;
  const bool sound = settle_element(tensor.dtype, padded, meaning) && settle_shape(tensor, meaning) &&
                     settle_strides(tensor, meaning) && is_placed(tensor, meaning);
  return sound ? std::optional(meaning) : std::nullopt;
}

}  // namespace strideport::testing
