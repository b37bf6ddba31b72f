// The strided iterators over memory of a simulated device: Thrust runs on the host, over the device's bytes.

#include <gtest/gtest.h>

#include "strideport/copy.hpp"
#include "strideport/device.hpp"
#include "strideport/stream.hpp"
#include "strideport/thrust.hpp"
#include "tests/support/throws.hpp"
// Thrust's algorithms come after strideport/thrust.hpp, which chooses its backend.
#include <thrust/reduce.h>
#include <thrust/sort.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace strideport {
namespace {

bool simulated() {
  for (const DeviceInfo& info : devices()) {
    if (info.device.type == DeviceType::simulated) return true;
  }
  return false;
}

TEST(ThrustSimulated, WorksOnTheBytesOfTheDevice) {
  if (!simulated()) GTEST_SKIP() << "no simulated device";
  std::vector<int16_t> values(600);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<int16_t>(i * 7919 % 1009);
  const Buffer buffer = empty({20, 30}, dtype_of<int16_t>(), Order::C, {DeviceType::simulated, 1});
  copy(buffer.view(), BufferView::of(values.data(), {20, 30}), StreamRef::host());
  const BufferView column = index(buffer.view(), 1, 7);

  int expected = 0;
  std::vector<int16_t> sorted;
  for (size_t row = 0; row < 20; ++row) {
    expected += values[row * 30 + 7];
    sorted.push_back(values[row * 30 + 7]);
  }
  EXPECT_EQ(thrust::reduce(strided_begin<const int16_t>(column), strided_end<const int16_t>(column), 0), expected);
  thrust::sort(thrust::host, strided_begin<int16_t>(thrust::host, column), strided_end<int16_t>(thrust::host, column));

  std::sort(sorted.begin(), sorted.end());
  for (size_t row = 0; row < 20; ++row) values[row * 30 + 7] = sorted[row];
  std::vector<int16_t> after(600);
  copy(BufferView::of(after.data(), {20, 30}), buffer.view(), StreamRef::host());
  EXPECT_EQ(after, values);
}

TEST(ThrustSimulated, TheHostsViewKeepsAllButTheAddress) {
  if (!simulated()) GTEST_SKIP() << "no simulated device";
  const Buffer buffer = empty({4, 6}, dtype_of<float>(), Order::F, {DeviceType::simulated, 0});
  const BufferView host = simulated_host_view(buffer.view());
  EXPECT_EQ(host.device(), (Device{DeviceType::simulated_host, 0}));
  EXPECT_NE(host.buf(), buffer.buf());
  EXPECT_TRUE(std::ranges::equal(host.strides(), buffer.view().strides()));
  EXPECT_EQ(host.dtype(), buffer.dtype());
  *static_cast<float*>(host.buf()) = 4.0F;
  float value = 0;
  copy(BufferView::of(&value, {1}), slice(slice(buffer.view(), 0, {0, 1}), 1, {0, 1}), StreamRef::host());
  EXPECT_EQ(value, 4.0F);
}

TEST(ThrustSimulated, TheHostsViewIsForSimulatedMemoryAlone) {
  float value = 0;
  const BufferView here = BufferView::of(&value, {1});
  testing::expect_throws<BufferError>([&] { (void)simulated_host_view(here); }, {"said to be of cpu"});
  ViewSpec spec = here.spec();
  spec.device = {DeviceType::simulated, 0};
  testing::expect_throws<BufferError>([&] { (void)simulated_host_view(BufferView::create(spec)); }, {"simulated:0"});
}

}  // namespace
}  // namespace strideport
