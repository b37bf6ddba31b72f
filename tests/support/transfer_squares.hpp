/// What the tests of copies on streams copy: squares of 4-byte items; and the streams, with gates before them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "device/driver/driver.hpp"
#include "device/simulated/table.hpp"
#include "strideport/buffer.hpp"
#include "strideport/stream.hpp"
#include "strideport/view_ops.hpp"
#include "tests/support/device_places.hpp"
#include "tests/support/gate.hpp"

namespace strideport::testing {

inline constexpr int64_t kSide = 300;
inline constexpr size_t kBytes = kSide * kSide * 4;

inline std::vector<std::byte> pattern(unsigned char first) {
  std::vector<std::byte> bytes(kBytes);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(first + i * 7 + i / 251);
  return bytes;
}

// A square of 4-byte items over bytes of a place, lying one way or the other.
inline Buffer square(const Buffer& memory, bool turned = false) {
  const Buffer items = memory.cast(dtype_of<uint32_t>()).reshape({kSide, kSide});
  return turned ? items.transpose() : items;
}

inline std::vector<std::byte> turned(const std::vector<std::byte>& bytes) {
  std::vector<std::byte> result(bytes.size());
  for (size_t i = 0; i < kSide; ++i) {
    for (size_t j = 0; j < kSide; ++j) std::memcpy(&result[(i * kSide + j) * 4], &bytes[(j * kSide + i) * 4], 4);
  }
  return result;
}

inline Stream stream_of(int device = 0) { return Stream::create({device_type(), device}); }

/// The driver of this run's device.
inline const driver::Driver& driver_here() {
  return on_simulated_device() ? simulated::table().driver : driver::libcuda().driver;
}

/// Makes the primary context of a stream's device current for as long as it lives.
class StreamContext : public ContextOf {
 public:
  explicit StreamContext(const Stream& stream) : ContextOf(driver_here(), stream.device().id) {}
};

/// Holds up a stream from the beginning.
class StreamGate : public Gate {
 public:
  explicit StreamGate(const Stream& stream) { EXPECT_TRUE(close(driver_here(), stream.ref(), stream.device().id)); }
};

}  // namespace strideport::testing
