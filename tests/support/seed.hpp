/// The seed of a random test: STRIDEPORT_SEED if set, else a fresh one; printed either way.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <span>
#include <utility>
#include <vector>

namespace strideport::testing {

using Random = std::mt19937_64;

inline Random seeded_random(const char* test) {
  const char* given = std::getenv("STRIDEPORT_SEED");
  const uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  std::printf("%s: STRIDEPORT_SEED=%llu\n", test, static_cast<unsigned long long>(seed));
  return Random(seed);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

/// How often a random test draws: what STRIDEPORT_ROUNDS says, else `usual`; under a sanitizer, where each takes about
/// ten times as long, a tenth.
inline int64_t rounds(int64_t usual) {
  const char* const given = std::getenv("STRIDEPORT_ROUNDS");
  if (given != nullptr) return std::atoll(given);
  return kSanitized ? usual / 10 : usual;
}

/// A number in [low, high]. Not the standard library's distributions: a seed must mean the same on every one.
inline int64_t pick(Random& random, int64_t low, int64_t high) {
  return low + static_cast<int64_t>(random() % static_cast<uint64_t>(high - low + 1));
}

template <class T>
void shuffle(Random& random, std::vector<T>& values) {
  for (size_t left = values.size(); left > 1; --left) {
    std::swap(values[left - 1], values[static_cast<size_t>(pick(random, 0, static_cast<int64_t>(left) - 1))]);
  }
}

inline void fill(Random& random, std::span<std::byte> bytes) {
  while (!bytes.empty()) {
    const uint64_t draw = random();
    const size_t size = std::min(bytes.size(), sizeof draw);
    std::memcpy(bytes.data(), &draw, size);
    bytes = bytes.subspan(size);
  }
}

/// True once in `n` times.
inline bool one_in(Random& random, int64_t n) { return pick(random, 1, n) == 1; }

}  // namespace strideport::testing
