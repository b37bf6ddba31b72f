// 06 Pipeline: a stream of frames goes to the GPU, is worked on there and comes back, with all three at the same time.
//
// A frame takes three steps: up to the device, compute (here each frame is turned from pixels into planes), down again.
// One after the other they leave two of three engines idle. With two slots of memory and a stream for each step, frame
// n + 1 goes up while frame n is computed and frame n - 1 comes down. What makes that right are events: whoever writes
// a piece of memory waits for whoever read it last. The device waits for the device; the host waits where it reuses
// host memory itself, and nowhere else.
//
// Views are copied here, which carry no memory of pending work, to show each wait. `copy` of Buffers would know them.
//
// Takes the GPU if there is one, else a simulated device. Returns 0 if every pixel of every frame came back in its
// place.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "strideport/strideport.hpp"

namespace sp = strideport;

namespace {

constexpr int64_t kFrames = 12, kHeight = 270, kWidth = 480, kChannels = 3;

sp::Device choose_device() {
  setenv("STRIDEPORT_SIMULATED_DEVICES", "1", 0);  // GPUs come first among the devices
  const auto devices = sp::devices();
  if (devices.empty()) throw std::runtime_error("no GPU and no simulated device");
  const sp::DeviceInfo& first = devices.front();
  std::printf("device: %s (%s)\n", sp::to_string(first.device).c_str(), first.name.c_str());
  if (first.device.type == sp::DeviceType::simulated) {
    std::printf("  it is simulated, so that times mean nothing: %s\n", sp::why_no_device(sp::DeviceType::cuda).c_str());
  }
  return first.device;
}

/// The kind of host memory that the device reads and writes by itself.
sp::Device pinned_for(sp::Device device) {
  const bool cuda = device.type == sp::DeviceType::cuda;
  return {cuda ? sp::DeviceType::cuda_host : sp::DeviceType::simulated_host, device.id};
}

uint8_t pixel(int64_t frame, int64_t y, int64_t x, int64_t channel) {
  return static_cast<uint8_t>(31 * frame + 3 * y + 5 * x + 89 * channel + (x * y >> 5));
}

/// The camera.
void take_picture(const sp::Buffer& pixels, int64_t frame) {
  auto* byte = static_cast<uint8_t*>(pixels.buf());
  for (int64_t y = 0; y < kHeight; ++y) {
    for (int64_t x = 0; x < kWidth; ++x) {
      for (int64_t c = 0; c < kChannels; ++c) *byte++ = pixel(frame, y, x, c);
    }
  }
}

int64_t differences(const sp::Buffer& planes, int64_t frame) {
  const auto* byte = static_cast<const uint8_t*>(planes.buf());
  int64_t wrong = 0;
  for (int64_t c = 0; c < kChannels; ++c) {
    for (int64_t y = 0; y < kHeight; ++y) {
      for (int64_t x = 0; x < kWidth; ++x) wrong += *byte++ != pixel(frame, y, x, c) ? 1 : 0;
    }
  }
  return wrong;
}

/// The memory of one frame under way, and the last step of each kind that touched it.
struct Slot {
  explicit Slot(sp::Device device)
      : pixels(sp::empty({kHeight, kWidth, kChannels}, sp::dtype_of<uint8_t>(), sp::Order::C, pinned_for(device))),
        device_pixels(sp::empty({kHeight, kWidth, kChannels}, sp::dtype_of<uint8_t>(), sp::Order::C, device)),
        device_planes(sp::empty({kChannels, kHeight, kWidth}, sp::dtype_of<uint8_t>(), sp::Order::C, device)),
        planes(sp::empty({kChannels, kHeight, kWidth}, sp::dtype_of<uint8_t>(), sp::Order::C, pinned_for(device))),
        device_pixels_planar(device_pixels.permute({2, 0, 1})) {}

  sp::Buffer pixels, device_pixels, device_planes, planes;
  sp::Buffer device_pixels_planar;  ///< a view
  std::optional<sp::Event> up, computed, down;
};

class Pipeline {
 public:
  /// One slot and one stream for everything do the steps one after the other.
  Pipeline(sp::Device device, size_t slots, bool several_streams)
      : upload_(sp::Stream::create(device)),
        compute_(several_streams ? sp::Stream::create(device) : upload_),
        download_(several_streams ? sp::Stream::create(device) : upload_) {
    for (size_t i = 0; i < slots; ++i) slots_.emplace_back(device);
  }

  /// Returns the number of wrong bytes.
  int64_t run() {
    const auto slots = static_cast<int64_t>(slots_.size());
    const sp::Event start = upload_.record();
    for (int64_t frame = 0; frame < kFrames; ++frame) {
      Slot& slot = slot_of(frame);
      go_up(slot, frame);
      compute(slot);
      if (frame >= slots) take_result(slot, frame - slots);
      go_down(slot);
    }
    for (int64_t frame = kFrames - slots; frame < kFrames; ++frame) take_result(slot_of(frame), frame);
    seconds_ = slot_of(kFrames - 1).down->seconds_since(start);
    return wrong_;
  }

  double seconds() const { return seconds_; }

 private:
  Slot& slot_of(int64_t frame) { return slots_[static_cast<size_t>(frame) % slots_.size()]; }

  void go_up(Slot& slot, int64_t frame) {
    if (slot.up) slot.up->synchronize();  // the camera writes where an earlier frame was read from
    take_picture(slot.pixels, frame);
    if (slot.computed) upload_.wait(*slot.computed);
    sp::copy(slot.device_pixels.view(), slot.pixels.view(), upload_.ref());
    slot.up = upload_.record();
  }

  void compute(Slot& slot) {
    compute_.wait(*slot.up);
    if (slot.down) compute_.wait(*slot.down);
    sp::copy(slot.device_planes.view(), slot.device_pixels_planar.view(), compute_.ref());
    slot.computed = compute_.record();
  }

  void go_down(Slot& slot) {
    download_.wait(*slot.computed);
    sp::copy(slot.planes.view(), slot.device_planes.view(), download_.ref());
    slot.down = download_.record();
  }

  void take_result(Slot& slot, int64_t frame) {
    slot.down->synchronize();
    wrong_ += differences(slot.planes, frame);
  }

  sp::Stream upload_, compute_, download_;
  std::vector<Slot> slots_;
  int64_t wrong_ = 0;
  double seconds_ = 0;
};

int64_t report(const char* name, Pipeline pipeline) {
  const int64_t wrong = pipeline.run();
  std::printf("%-44s %8.2f ms, %lld wrong bytes\n", name, pipeline.seconds() * 1e3, static_cast<long long>(wrong));
  return wrong;
}

}  // namespace

int main() try {
  const sp::Device device = choose_device();
  const Slot slot(device);
  std::printf("%lld frames of (%lld,%lld,%lld) bytes\n\nup:\n%s\ncompute:\n%s\ndown:\n%s\n",
              static_cast<long long>(kFrames), static_cast<long long>(kHeight), static_cast<long long>(kWidth),
              static_cast<long long>(kChannels), sp::explain(slot.device_pixels.view(), slot.pixels.view()).c_str(),
              sp::explain(slot.device_planes.view(), slot.device_pixels_planar.view()).c_str(),
              sp::explain(slot.planes.view(), slot.device_planes.view()).c_str());

  int64_t wrong = report("one slot, one stream: one step at a time", Pipeline(device, 1, false));
  wrong += report("two slots, a stream for each step", Pipeline(device, 2, true));
  return wrong == 0 ? 0 : 1;
} catch (const std::exception& error) {
  std::fprintf(stderr, "error: %s\n", error.what());
  return 1;
}
