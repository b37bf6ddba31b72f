#include "strideport/device.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "strideport/error.hpp"

namespace strideport {
namespace {

std::string error_of(std::string_view text) {
  try {
    parse_device(text);
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return "no error";
}

TEST(Device, NumbersAreDLPacks) {
  EXPECT_EQ(static_cast<int>(DeviceType::cpu), 1);
  EXPECT_EQ(static_cast<int>(DeviceType::cuda), 2);
  EXPECT_EQ(static_cast<int>(DeviceType::cuda_host), 3);
  EXPECT_EQ(static_cast<int>(DeviceType::simulated), 12);
  EXPECT_EQ(static_cast<int>(DeviceType::cuda_managed), 13);
}

TEST(Device, PrintsTheTypeAndTheIndex) {
  EXPECT_EQ(to_string(Device{}), "cpu");
  EXPECT_EQ(to_string(Device{DeviceType::cpu, 1}), "cpu:1");
  EXPECT_EQ(to_string(Device{DeviceType::cuda, 0}), "cuda:0");
  EXPECT_EQ(to_string(Device{DeviceType::cuda_host, 3}), "cuda_host:3");
  EXPECT_EQ(to_string(Device{DeviceType::cuda_managed, 0}), "cuda_managed:0");
  EXPECT_EQ(to_string(Device{DeviceType::simulated, 2}), "simulated:2");
}

TEST(Device, PrintsTypesThatItCannotUse) {
  EXPECT_EQ(to_string(Device{static_cast<DeviceType>(10), 1}), "rocm:1");
  EXPECT_EQ(to_string(Device{static_cast<DeviceType>(18), 0}), "trn:0");
  EXPECT_EQ(to_string(Device{static_cast<DeviceType>(99), 0}), "device_type_99:0");
  EXPECT_EQ(to_string(Device{static_cast<DeviceType>(-1), -5}), "device_type_-1:-5");
}

TEST(Device, ParsesWhatItPrints) {
  for (const DeviceType type :
       {DeviceType::cpu, DeviceType::cuda, DeviceType::cuda_host, DeviceType::simulated, DeviceType::cuda_managed}) {
    for (const int32_t id : {0, 1, 7, std::numeric_limits<int32_t>::max()}) {
      const Device device{type, id};
      EXPECT_EQ(parse_device(to_string(device)), device) << to_string(device);
    }
  }
}

TEST(Device, NoIndexMeansTheFirst) {
  EXPECT_EQ(parse_device("cuda"), (Device{DeviceType::cuda, 0}));
  EXPECT_EQ(parse_device("cpu:0"), Device{});
}

TEST(Device, RefusesUnknownNames) {
  EXPECT_EQ(error_of("gpu"),
            "device 'gpu' is unknown: expected cpu, cuda, cuda_host, cuda_managed or simulated, and perhaps ':' and "
            "an index");
  for (const char* name : {"", ":0", "CPU", "cpu ", " cpu", "rocm", "rocm:0", "cudahost", "device_type_99:0"}) {
    EXPECT_THROW(parse_device(name), InvalidArgument) << name;
  }
}

TEST(Device, RefusesBadIndices) {
  EXPECT_EQ(error_of("cuda:-1"), "device 'cuda:-1' has a bad index '-1': expected a number from 0 to 2147483647");
  for (const char* name : {"cuda:", "cuda:x", "cuda:1x", "cuda: 1", "cuda:+1", "cuda:1:2", "cuda:-0", "cuda:1.0",
                           "cuda:2147483648", "cuda:99999999999999999999"}) {
    EXPECT_THROW(parse_device(name), InvalidArgument) << name;
  }
}

TEST(Device, OnlyHostKindsAreHostAccessible) {
  EXPECT_TRUE((Device{DeviceType::cpu, 0}).host_accessible());
  EXPECT_TRUE((Device{DeviceType::cuda_host, 0}).host_accessible());
  EXPECT_TRUE((Device{DeviceType::cuda_managed, 0}).host_accessible());
  EXPECT_FALSE((Device{DeviceType::cuda, 0}).host_accessible());
  EXPECT_FALSE((Device{DeviceType::simulated, 0}).host_accessible());
}

}  // namespace
}  // namespace strideport
