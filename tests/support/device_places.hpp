/// The places that a copy goes between, on the device that this run is about: with STRIDEPORT_SIMULATED_DEVICES the
/// simulated one, else a GPU. Without either a test skips, or fails under STRIDEPORT_REQUIRE_GPU=1.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "strideport/buffer.hpp"
#include "strideport/copy.hpp"
#include "strideport/device.hpp"

namespace strideport::testing {

enum class PlaceKind : uint8_t { pageable, pinned, managed, device, other_device };

inline constexpr PlaceKind kAllPlaces[] = {PlaceKind::pageable, PlaceKind::pinned, PlaceKind::managed,
                                           PlaceKind::device, PlaceKind::other_device};

inline bool on_simulated_device() {
  const char* const devices = std::getenv("STRIDEPORT_SIMULATED_DEVICES");
  return devices != nullptr && *devices != '\0' && std::strcmp(devices, "0") != 0;
}

inline DeviceType device_type() { return on_simulated_device() ? DeviceType::simulated : DeviceType::cuda; }

/// How many devices this run may use.
inline int device_count() {
  int count = 0;
  for (const DeviceInfo& info : devices()) count += info.device.type == device_type() ? 1 : 0;
  return count;
}

inline Device device_of(PlaceKind place) {
  const bool simulated = on_simulated_device();
  switch (place) {
    case PlaceKind::pageable: return {};
    case PlaceKind::pinned: return {simulated ? DeviceType::simulated_host : DeviceType::cuda_host, 0};
    case PlaceKind::managed: return {simulated ? DeviceType::simulated_managed : DeviceType::cuda_managed, 0};
    case PlaceKind::device: return {device_type(), 0};
    case PlaceKind::other_device: return {device_type(), 1};
  }
  return {};
}

/// The places that there are: the other device only where there is one.
inline std::vector<PlaceKind> places_here() {
  std::vector<PlaceKind> places(std::begin(kAllPlaces), std::end(kAllPlaces));
  if (device_count() < 2) places.pop_back();
  return places;
}

/// For tests of a device: skips without one.
class OnDevice : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string why = why_no_device(device_type());
    if (why.empty()) return;
    const char* const require = std::getenv("STRIDEPORT_REQUIRE_GPU");
    const bool required = on_simulated_device() || (require != nullptr && std::strcmp(require, "1") == 0);
    if (required) FAIL() << "a device is required: " << why;
    GTEST_SKIP() << why;
  }
};

/// Uninitialised bytes in a place.
inline Buffer bytes_in(PlaceKind place, size_t size, StreamRef stream = StreamRef::host()) {
  const int64_t shape[] = {static_cast<int64_t>(size)};
  return empty(shape, dtype_of<std::byte>(), Order::C, device_of(place), stream);
}

/// The same bytes in a place, and back: single blocks, done on return.
inline Buffer put(PlaceKind place, const std::vector<std::byte>& bytes) {
  Buffer memory = bytes_in(place, bytes.size());
  from_contiguous(memory.view(), bytes, Order::C, StreamRef::host());
  return memory;
}
inline std::vector<std::byte> get(const Buffer& memory) {
  make_ready(memory, StreamRef::host());
  std::vector<std::byte> bytes(static_cast<size_t>(memory.len()));
  to_contiguous(bytes, memory.view(), Order::C, StreamRef::host());
  return bytes;
}

/// `view`, which lies in `shadow`, at the same distance from the beginning of `memory`.
inline BufferView moved(const BufferView& view, const std::vector<std::byte>& shadow, const Buffer& memory) {
  ViewSpec spec = view.spec();
  const auto offset = reinterpret_cast<uintptr_t>(view.buf()) - reinterpret_cast<uintptr_t>(shadow.data());
  spec.buf = reinterpret_cast<void*>(reinterpret_cast<uintptr_t>(memory.buf()) + offset);
  spec.device = memory.device();
  return BufferView::create(spec);
}

inline const char* name_of(PlaceKind place) {
  switch (place) {
    case PlaceKind::pageable: return "pageable";
    case PlaceKind::pinned: return "pinned";
    case PlaceKind::managed: return "managed";
    case PlaceKind::device: return "device";
    case PlaceKind::other_device: return "other device";
  }
  return "";
}

}  // namespace strideport::testing
