// What the progress of a copy is told, and when.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <vector>

#include "runtime/transfer/progress.hpp"
#include "tests/support/device_places.hpp"

namespace strideport {
namespace {

using namespace strideport::testing;  // NOLINT: the tests' own vocabulary

// A clock that goes on by so much whenever it is asked.
std::atomic<int64_t> clock_step_ms{0};
transfer::ProgressMeter::Time stepping_clock() {
  static std::atomic<int64_t> now_ms{0};
  return transfer::ProgressMeter::Time(std::chrono::milliseconds(now_ms += clock_step_ms));
}

class TransferProgress : public OnDevice {
 protected:
  void SetUp() override {
    OnDevice::SetUp();
    before_ = transfer::ProgressMeter::clock.exchange(&stepping_clock);
  }
  void TearDown() override { transfer::ProgressMeter::clock = before_; }

 private:
  transfer::ProgressMeter::Time (*before_)() = nullptr;
};

constexpr int64_t kLong = (int64_t{4} << 20) * 12;  // a dozen slots

TEST_F(TransferProgress, IsToldFromTheFirstSecondOnTenTimesASecond) {
  const Buffer device = bytes_in(PlaceKind::device, kLong);
  std::vector<std::byte> host(kLong);
  const BufferView view = BufferView::of(host.data(), {kLong});
  std::vector<int64_t> told;
  const Progress progress = [&](int64_t done, int64_t total) {
    EXPECT_EQ(total, kLong);
    told.push_back(done);
  };
  clock_step_ms = 400;  // after the third piece more than a second is over
  copy(device.view(), view, StreamRef::host(), progress);
  const std::vector<int64_t> expected = {3 * kLong / 12, 4 * kLong / 12,  5 * kLong / 12,
                                         6 * kLong / 12, 7 * kLong / 12,  8 * kLong / 12,
                                         9 * kLong / 12, 10 * kLong / 12, 11 * kLong / 12};
  EXPECT_EQ(told, expected);
  told.clear();
  clock_step_ms = 50;  // every second piece, from the 20th on: there are but twelve
  copy(view, device.view(), StreamRef::host(), progress);
  EXPECT_TRUE(told.empty());
}

TEST_F(TransferProgress, EndsTheCopyWhereItThrows) {
  clock_step_ms = 2000;
  const Buffer device = bytes_in(PlaceKind::device, kLong);
  std::vector<std::byte> host(kLong, std::byte{5});
  const BufferView view = BufferView::of(host.data(), {kLong});
  const Progress stop = [](int64_t, int64_t) { throw std::runtime_error("stop"); };
  for (int i = 0; i < 3; ++i) {  // more often than there are slots to lose
    EXPECT_THROW(copy(device.view(), view, StreamRef::host(), stop), std::runtime_error);
    EXPECT_THROW(copy(view, device.view(), StreamRef::host(), stop), std::runtime_error);
  }
  std::fill(host.begin(), host.end(), std::byte{6});
  copy(device.view(), view, StreamRef::host());
  EXPECT_TRUE(get(device) == host);
}

}  // namespace
}  // namespace strideport
