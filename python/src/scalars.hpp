/// Scalars of any byte order in memory of any alignment.
#pragma once

#include <algorithm>
#include <cfloat>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "strideport/format.hpp"

namespace strideport::python {

/// An unsigned integer of `size` <= 8 bytes.
inline uint64_t load_unsigned(const std::byte* memory, int64_t size, ByteOrder order) noexcept {
  uint64_t result = 0;
  for (int64_t i = 0; i < size; ++i) {
    const int64_t at = order == ByteOrder::big ? i : size - 1 - i;
    result = (result << 8) | static_cast<uint8_t>(memory[at]);
  }
  return result;
}

inline int64_t sign_extend(uint64_t value, int bits) noexcept {
  const int unused = 64 - bits;
  return static_cast<int64_t>(value << unused) >> unused;
}

inline void store_unsigned(std::byte* memory, int64_t size, ByteOrder order, uint64_t value) noexcept {
  for (int64_t i = 0; i < size; ++i) {
    const int64_t at = order == ByteOrder::big ? size - 1 - i : i;
    memory[at] = static_cast<std::byte>(value & 0xff);
    value >>= 8;
  }
}

template <class T>
T load(const std::byte* memory, ByteOrder order) noexcept {
  std::byte bytes[sizeof(T)];
  std::memcpy(bytes, memory, sizeof(T));
  if (order != kNativeOrder) std::reverse(bytes, bytes + sizeof(T));
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  return value;
}

/// Padding bytes of a long double become 0.
template <class T>
void store(std::byte* memory, ByteOrder order, T value) noexcept {
  constexpr size_t kUsed = std::is_same_v<T, long double> && LDBL_MANT_DIG == 64 ? 10 : sizeof(T);
  std::memset(memory, 0, sizeof(T));
  std::memcpy(memory, &value, kUsed);
  if (order != kNativeOrder) std::reverse(memory, memory + sizeof(T));
}

}  // namespace strideport::python
