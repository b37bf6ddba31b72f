// What the library does in a process whose CUDA driver is unusable: the environment names a stand-in
// (STRIDEPORT_LIBCUDA) and how the story of it begins (STRIDEPORT_EXPECTED_STORY). ctest runs this once for each thing
// that can be wrong.

#include <dlpack/dlpack.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <numeric>
#include <string>
#include <vector>

#include "strideport/strideport.hpp"
#include "tests/support/throws.hpp"

namespace strideport {
namespace {

class NoDriver : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* story = std::getenv("STRIDEPORT_EXPECTED_STORY");
    if (story == nullptr || std::getenv("STRIDEPORT_LIBCUDA") == nullptr) {
      GTEST_SKIP() << "ctest says which stand-in to load";
    }
    story_ = story;
  }

  // A copy that is no plain block, through the host's own engine.
  static void expect_host_copies_work() {
    std::vector<int32_t> from(35), to(35, -1);
    std::iota(from.begin(), from.end(), 0);
    copy(BufferView::of(to.data(), {7, 5}), BufferView::of(from.data(), {7, 5}, {4, 28}), StreamRef::host());
    for (size_t i = 0; i < 7; ++i) {
      for (size_t j = 0; j < 5; ++j) EXPECT_EQ(to[i * 5 + j], from[j * 7 + i]);
    }
  }

  // A driver that works and has no device is no failure of the driver: the device that is asked for is a bad argument.
  template <class F>
  void expect_refused(F&& f) const {
    if (!story_.empty()) return testing::expect_throws<DeviceError>(f, {story_.c_str()});
    EXPECT_THROW(f(), Error);
  }

  std::string story_;
};

TEST_F(NoDriver, IsToldByWhyNoDevice) {
  const std::string why = why_no_device(DeviceType::cuda);
  EXPECT_EQ(why.find(story_), 0U) << why;
  EXPECT_EQ(why_no_device(DeviceType::cuda), why) << "the second time as the first";
  EXPECT_EQ(why_no_device(DeviceType::cuda_host).find(story_), 0U);
  EXPECT_EQ(why_no_device(DeviceType::cpu), "");
}

TEST_F(NoDriver, LeavesTheDevicesThatThereAre) {
  for (const DeviceInfo& info : devices()) EXPECT_EQ(info.device.type, DeviceType::simulated) << info.name;
}

TEST_F(NoDriver, FailsWhereADeviceIsAskedFor) {
  const std::array<int64_t, 2> shape = {4, 8};
  for (const DeviceType type : {DeviceType::cuda, DeviceType::cuda_host, DeviceType::cuda_managed}) {
    SCOPED_TRACE(to_string(Device{type, 0}));
    expect_refused([&] { empty(shape, dtype_of<float>(), Order::C, Device{type, 0}); });
  }
  expect_refused([] { Stream::create(Device{DeviceType::cuda, 0}); });
  expect_refused([] { Event::record(Device{DeviceType::cuda, 0}, StreamRef::legacy_default()); });
  expect_host_copies_work();
}

// Somebody says that memory is on a GPU. It is not touched.
TEST_F(NoDriver, FailsWhereMemoryOfADeviceIsGiven) {
  std::vector<float> memory(8, 1.0F);
  const BufferView host = BufferView::of(memory.data(), {8});
  ViewSpec spec = host.spec();
  spec.buf = reinterpret_cast<void*>(uintptr_t{0x7000'0000'0000});
  spec.device = {DeviceType::cuda, 0};
  const BufferView foreign = BufferView::create(spec);
  expect_refused([&] { copy(host, foreign, StreamRef::legacy_default()); });
  expect_refused([&] { copy(foreign, host, StreamRef::host()); });
  EXPECT_EQ(memory, std::vector<float>(8, 1.0F));
}

TEST_F(NoDriver, IsNoMatterToTheHost) {
  expect_host_copies_work();
  const Buffer host = empty({3, 5}, dtype_of<double>());
  EXPECT_TRUE(is_ready(host));
  make_ready(host, StreamRef::host());
  EXPECT_FALSE(locate(host.buf()).has_value());
  const Buffer back = import_dlpack(export_dlpack(host), StreamRef::host());
  EXPECT_EQ(back.buf(), host.buf());
  EXPECT_FALSE(explain(host.view(), back.view()).empty());
}

TEST_F(NoDriver, IsNoMatterToSimulatedDevices) {
  if (std::getenv("STRIDEPORT_SIMULATED_DEVICES") == nullptr) GTEST_SKIP() << "none is asked for";
  const Device device{DeviceType::simulated, 0};
  std::vector<int32_t> from(35), to(35, -1);
  std::iota(from.begin(), from.end(), 0);
  const Buffer there = empty({7, 5}, dtype_of<int32_t>(), Order::C, device);
  copy(there.view(), BufferView::of(from.data(), {7, 5}), StreamRef::host());
  copy(BufferView::of(to.data(), {7, 5}), there.view(), StreamRef::host());
  EXPECT_EQ(to, from);
}

}  // namespace
}  // namespace strideport
