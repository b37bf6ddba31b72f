/// What the fuzzers share: their bytes read as numbers, and what they do when a claim does not hold.
///
/// Each target reads its bytes front to back, so that a change near the end of a file changes the end of the story. Past
/// the end everything is 0: any prefix of a file is a file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <limits>
#include <span>

namespace strideport::testing {

class Input {
 public:
  Input(const uint8_t* data, size_t size) noexcept : left_(data, size) {}

  bool done() const noexcept { return left_.empty(); }
  size_t size() const noexcept { return left_.size(); }

  uint8_t byte() noexcept {
    if (left_.empty()) return 0;
    const uint8_t first = left_.front();
    left_ = left_.subspan(1);
    return first;
  }

  /// Little-endian.
  uint64_t raw(int bytes) noexcept {
    uint64_t value = 0;
    for (int i = 0; i < bytes; ++i) value |= uint64_t{byte()} << (8 * i);
    return value;
  }

  bool flag() noexcept { return byte() % 2 != 0; }

  /// A number in [low, high], from one byte, or two where one does not reach. Units: high - low < 2^16.
  int64_t pick(int64_t low, int64_t high) noexcept {
    const auto choices = static_cast<uint64_t>(high - low + 1);
    return low + static_cast<int64_t>(raw(choices > 256 ? 2 : 1) % choices);
  }

  /// Any number at all: mostly small ones of either sign, else those around which arithmetic goes wrong, else 8 bytes.
  int64_t wide() noexcept {
    const uint8_t kind = byte();
    if (kind < 200) return int64_t{kind} - 40;
    if (kind == 255) return static_cast<int64_t>(raw(8));
    static constexpr int64_t kEdges[] = {std::numeric_limits<int64_t>::min(),
                                         std::numeric_limits<int64_t>::max(),
                                         int64_t{1} << 31,
                                         int64_t{1} << 32,
                                         int64_t{1} << 62,
                                         -(int64_t{1} << 62),
                                         int64_t{1} << 60};
    const auto edge = static_cast<uint64_t>(kEdges[kind % std::size(kEdges)]);
    return static_cast<int64_t>(edge + static_cast<uint64_t>(int64_t{byte()} - 128));
  }

 private:
  std::span<const uint8_t> left_;
};

/// Ends the process, which is how a fuzzer finds something.
[[noreturn]] inline void fail(const char* claim) noexcept {
  std::fprintf(stderr, "This does not hold: %s\n", claim);
  std::abort();
}

inline void require(bool holds, const char* claim) noexcept {
  if (!holds) fail(claim);
}

}  // namespace strideport::testing
