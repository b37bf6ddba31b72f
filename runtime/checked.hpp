/// int64 arithmetic that refuses to overflow. Sizes, strides and offsets that come from outside go through here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "strideport/error.hpp"
#include "strideport/layout.hpp"

namespace strideport {

/// Writes a + b and returns true, or returns false where int64 cannot hold it.
[[nodiscard]] inline bool try_add(int64_t a, int64_t b, int64_t& sum) noexcept {
  return !__builtin_add_overflow(a, b, &sum);
}

/// Writes a * b and returns true, or returns false where int64 cannot hold it.
[[nodiscard]] inline bool try_mul(int64_t a, int64_t b, int64_t& product) noexcept {
  return !__builtin_mul_overflow(a, b, &product);
}

[[noreturn]] inline void throw_overflow(const char* what, int64_t a, const char* sign, int64_t b) {
  throw InvalidArgument(std::string(what) + " overflows int64: " + std::to_string(a) + " " + sign + " " +
                        std::to_string(b));
}

/// Throws: InvalidArgument for more dimensions than a view can have.
inline void check_ndim(size_t ndim) {
  if (ndim <= static_cast<size_t>(kMaxNdim)) return;
  throw InvalidArgument("ndim is " + std::to_string(ndim) + "; at most 64 dimensions are supported");
}

/// Throws: InvalidArgument, "<what> overflows int64: a + b".
inline int64_t checked_add(int64_t a, int64_t b, const char* what) {
  int64_t sum = 0;
  if (!try_add(a, b, sum)) throw_overflow(what, a, "+", b);
  return sum;
}

/// Throws: InvalidArgument, "<what> overflows int64: a * b".
inline int64_t checked_mul(int64_t a, int64_t b, const char* what) {
  int64_t product = 0;
  if (!try_mul(a, b, product)) throw_overflow(what, a, "*", b);
  return product;
}

}  // namespace strideport
