// The order of copies on streams, how long memory lives, and captures.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <future>
#include <stdexcept>
#include <thread>
#include <vector>

#include "device/simulated/control.hpp"
#include "runtime/transfer/progress.hpp"
#include "strideport/plan.hpp"
#include "strideport/view_ops.hpp"
#include "tests/support/device_places.hpp"
#include "tests/support/driver_gate.hpp"
#include "tests/support/throws.hpp"

namespace strideport {
namespace {

using namespace strideport::testing;  // NOLINT: the tests' own vocabulary

class TransferOrder : public OnDevice {};
class TransferLifetime : public OnDevice {};
class TransferCapture : public OnDevice {};

constexpr int64_t kSide = 300;
constexpr size_t kBytes = kSide * kSide * 4;

std::vector<std::byte> pattern(unsigned char first) {
  std::vector<std::byte> bytes(kBytes);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(first + i * 7 + i / 251);
  return bytes;
}

// A square of 4-byte items over bytes of a place, lying one way or the other.
Buffer square(const Buffer& memory, bool turned = false) {
  const Buffer items = memory.cast(dtype_of<uint32_t>()).reshape({kSide, kSide});
  return turned ? items.transpose() : items;
}

std::vector<std::byte> turned(const std::vector<std::byte>& bytes) {
  std::vector<std::byte> result(bytes.size());
  for (size_t i = 0; i < kSide; ++i) {
    for (size_t j = 0; j < kSide; ++j) std::memcpy(&result[(i * kSide + j) * 4], &bytes[(j * kSide + i) * 4], 4);
  }
  return result;
}

Stream stream_of(int device = 0) { return Stream::create({device_type(), device}); }

TEST_F(TransferOrder, MakesLaterCopiesWaitForEarlierOnesOnOtherStreams) {
  const auto bytes = pattern(1);
  const Stream first = stream_of(), second = stream_of();
  const Buffer source = put(PlaceKind::pinned, bytes);
  const Buffer device = put(PlaceKind::device, pattern(9));
  const Buffer result = put(PlaceKind::pinned, pattern(17));
  Gate gate(first);
  copy(square(device), square(source, true), first.ref());
  copy(square(result), square(device), second.ref());
  EXPECT_FALSE(is_ready(result));
  EXPECT_FALSE(is_ready(source));
  gate.open();
  EXPECT_TRUE(get(result) == turned(bytes));
  EXPECT_TRUE(is_ready(result));
}

TEST_F(TransferOrder, MakesWritesWaitForReads) {
  const auto bytes = pattern(1);
  const Stream first = stream_of(), second = stream_of();
  const Buffer device = put(PlaceKind::device, bytes);
  const Buffer result = put(PlaceKind::pinned, pattern(17));
  const Buffer next = put(PlaceKind::pinned, pattern(33));
  Gate gate(first);
  copy(square(result), square(device), first.ref());
  copy(square(device), square(next), second.ref());
  gate.open();
  EXPECT_TRUE(get(result) == bytes);
  EXPECT_TRUE(get(device) == pattern(33));
}

TEST_F(TransferOrder, LetsReadsPassOneAnother) {
  const Stream first = stream_of(), second = stream_of();
  const Buffer device = put(PlaceKind::device, pattern(1));
  const Buffer slow = put(PlaceKind::pinned, pattern(17)), fast = put(PlaceKind::pinned, pattern(33));
  Gate gate(first);
  copy(slow, device, first.ref());
  copy(fast, device, second.ref());
  EXPECT_TRUE(get(fast) == pattern(1)) << "while the other read stands still";
  EXPECT_FALSE(is_ready(slow));
}

TEST_F(TransferOrder, HoldsAcrossDevices) {
  if (device_count() < 2) GTEST_SKIP() << "one device";
  const auto bytes = pattern(1);
  const Stream first = stream_of(0), second = stream_of(1);
  const Buffer source = put(PlaceKind::pinned, bytes);
  const Buffer here = put(PlaceKind::device, pattern(2)), there = put(PlaceKind::other_device, pattern(3));
  const Buffer result = put(PlaceKind::pinned, pattern(4));
  Gate gate(first);
  copy(square(here), square(source, true), first.ref());
  copy(square(there, true), square(here), second.ref());
  copy(square(here), square(there), first.ref());  // back, on the other's stream
  copy(square(result), square(there), second.ref());
  gate.open();
  EXPECT_TRUE(get(result) == bytes);
  EXPECT_TRUE(get(here) == bytes);
}

// All the ways between pinned memory and a device.
struct PinnedCase {
  const char* name;
  std::vector<int64_t> shape;
  std::vector<int64_t> pinned;  // strides
  std::vector<int64_t> device;
};

const PinnedCase kPinnedCases[] = {
    {"block", {1 << 20}, {1}, {1}},
    {"pitched", {64, 8192}, {10000, 1}, {8192, 1}},
    {"long runs", {3, 4, 32768}, {400000, 90000, 1}, {131072, 32768, 1}},
    {"dense", {500, 700}, {1, 500}, {700, 1}},
    {"sparse", {500, 70}, {2800, 4}, {70, 1}},
    {"small", {5, 7}, {1, 5}, {7, 1}},
};

BufferView bytes_view(const Buffer& memory, const std::vector<int64_t>& shape, const std::vector<int64_t>& strides) {
  ViewSpec spec = memory.view().spec();
  spec.shape = shape;
  spec.strides = strides;
  return BufferView::create(spec);
}

TEST_F(TransferOrder, NeverWaitsWhereTheHostsSideIsPinned) {
  const Stream stream = stream_of();
  const Buffer pinned = put(PlaceKind::pinned, std::vector<std::byte>(2 << 20));
  const Buffer device = put(PlaceKind::device, std::vector<std::byte>(2 << 20));
  for (const PinnedCase& layout : kPinnedCases) {
    SCOPED_TRACE(layout.name);
    const Buffer host_side = pinned.rebind(bytes_view(pinned, layout.shape, layout.pinned));
    const Buffer device_side = device.rebind(bytes_view(device, layout.shape, layout.device));
    copy(device_side, host_side, stream.ref());  // whatever is measured or set up once, is by now
    stream.synchronize();
    if (on_simulated_device()) simulated::forget_calls();
    Gate gate(stream);
    copy(device_side, host_side, stream.ref());
    copy(host_side, device_side, stream.ref());
    EXPECT_FALSE(is_ready(pinned));
    if (on_simulated_device()) {
      EXPECT_EQ(simulated::calls("StreamSynchronize"), 0u);
      EXPECT_EQ(simulated::calls("EventSynchronize"), 0u);
    }
    gate.open();
    make_ready(pinned, StreamRef::host());
  }
}

TEST_F(TransferOrder, LetsPageableSourcesBeReusedOnReturn) {
  const auto bytes = pattern(1);
  const Stream stream = stream_of();
  const Buffer device = put(PlaceKind::device, pattern(9));
  std::vector<std::byte> source = bytes;
  const BufferView view = BufferView::of(reinterpret_cast<uint32_t*>(source.data()), {kSide, kSide});
  Gate gate(stream);
  const Buffer target = square(device);
  copy(target.view(), transpose(view), stream.ref());
  std::fill(source.begin(), source.end(), std::byte{0xAA});
  gate.open();
  stream.synchronize();
  EXPECT_TRUE(get(device) == turned(bytes));
}

TEST_F(TransferOrder, IsKeptByStreamsOfTheHostsOwn) {
  // Pinned memory that the host itself writes, in the order of a stream.
  const Stream stream = stream_of();
  const Buffer device = put(PlaceKind::device, pattern(1));
  const Buffer pinned = put(PlaceKind::pinned, pattern(9));
  Buffer result = put(PlaceKind::pageable, pattern(17));
  copy(square(pinned), square(device, true), stream.ref());
  copy(result, pinned, stream.ref());
  EXPECT_TRUE(get(result) == turned(pattern(1)));
}

TEST_F(TransferOrder, IsThatOfThreadsWithStreamsOfTheirOwn) {
  // More threads than the ring has slots, both ways at once: nobody waits for ever, nothing is mixed up.
  std::vector<std::thread> threads;
  std::vector<char> right(8, 0);
  for (size_t number = 0; number < right.size(); ++number) {
    threads.emplace_back([number, &right] {
      const std::vector<std::byte> bytes(9'000'000, static_cast<std::byte>(number));
      const Stream stream = stream_of();
      bool all = true;
      for (int i = 0; i < 3; ++i) {
        const Buffer device = bytes_in(PlaceKind::device, bytes.size(), stream.ref());
        Buffer source = bytes_in(PlaceKind::pageable, bytes.size());
        std::memcpy(source.buf(), bytes.data(), bytes.size());
        copy(device, source, stream.ref());
        Buffer result = bytes_in(PlaceKind::pageable, bytes.size());
        copy(result, device, i % 2 == 0 ? stream.ref() : StreamRef::host());
        all = all && std::memcmp(result.buf(), bytes.data(), bytes.size()) == 0;
      }
      right[number] = all ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const char one : right) EXPECT_EQ(one, 1);
}

// An owner that says when it goes.
std::pair<std::shared_ptr<void>, std::future<void>> watched_owner(Buffer memory) {
  auto gone = std::make_shared<std::promise<void>>();
  std::future<void> future = gone->get_future();
  auto* const kept = new Buffer(std::move(memory));
  return {std::shared_ptr<void>(kept,
                                [gone](Buffer* held) {
                                  delete held;
                                  gone->set_value();
                                }),
          std::move(future)};
}

bool is_gone(const std::future<void>& owner) {
  return owner.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
}

TEST_F(TransferLifetime, OwnersGoAfterTheWorkOnTheirMemory) {
  const Stream stream = stream_of();
  const Buffer result = put(PlaceKind::device, pattern(9));
  Buffer memory = put(PlaceKind::pinned, pattern(1));
  const BufferView view = memory.view();
  auto [owner, gone] = watched_owner(std::move(memory));
  Gate gate(stream);
  {
    const Buffer foreign(view, std::move(owner));
    copy(square(result), square(foreign, true), stream.ref());
  }
  EXPECT_FALSE(is_gone(gone));
  gate.open();
  gone.get();
  EXPECT_TRUE(get(result) == turned(pattern(1)));
}

TEST_F(TransferLifetime, OwnersGoAtOnceWithoutWork) {
  Buffer memory = put(PlaceKind::pinned, pattern(1));
  const BufferView view = memory.view();
  auto [owner, gone] = watched_owner(std::move(memory));
  { const Buffer foreign(view, std::move(owner)); }
  EXPECT_TRUE(is_gone(gone));
}

TEST_F(TransferLifetime, MemoryOfOursMayGoWhileWorkIsPending) {
  const Stream stream = stream_of();
  Buffer result = put(PlaceKind::pinned, pattern(9));
  Gate gate(stream);
  for (const PlaceKind place : places_here()) {
    if (place == PlaceKind::pageable || place == PlaceKind::other_device) continue;
    Buffer between = bytes_in(place, kBytes, stream.ref());
    copy(square(between), square(result), stream.ref());
    copy(square(result), square(between), stream.ref());
  }
  gate.open();
  EXPECT_TRUE(get(result) == pattern(9));
}

TEST_F(TransferLifetime, StreamsMayGoBeforeTheirWork) {
  const Buffer result = put(PlaceKind::pinned, pattern(9));
  const Buffer device = put(PlaceKind::device, pattern(1));
  {
    const Stream stream = stream_of();
    copy(square(result), square(device), stream.ref());
  }
  EXPECT_TRUE(get(result) == pattern(1));
}

class Capture {
 public:
  explicit Capture(const Stream& stream) : stream_(stream) {
    const StreamContext context(stream);
    EXPECT_EQ(driver_here().StreamBeginCapture(as_stream(stream.ref()), CU_STREAM_CAPTURE_MODE_GLOBAL), CUDA_SUCCESS);
  }
  void end() {
    const StreamContext context(stream_);
    EXPECT_EQ(driver_here().StreamEndCapture(as_stream(stream_.ref()), &graph_), CUDA_SUCCESS);
  }
  void launch() {
    const StreamContext context(stream_);
    CUgraphExec executable = nullptr;
    EXPECT_EQ(driver_here().GraphInstantiateWithFlags(&executable, graph_, 0), CUDA_SUCCESS);
    executables_.push_back(executable);
    EXPECT_EQ(driver_here().GraphLaunch(executable, as_stream(stream_.ref())), CUDA_SUCCESS);
    stream_.synchronize();
  }
  void destroy() {
    const StreamContext context(stream_);
    for (const CUgraphExec executable : executables_) {
      EXPECT_EQ(driver_here().GraphExecDestroy(executable), CUDA_SUCCESS);
    }
    executables_.clear();
    EXPECT_EQ(driver_here().GraphDestroy(graph_), CUDA_SUCCESS);
  }

 private:
  const Stream& stream_;
  CUgraph graph_ = nullptr;
  std::vector<CUgraphExec> executables_;
};

TEST_F(TransferCapture, TakesCopiesIntoTheGraph) {
  const Stream stream = stream_of();
  const Buffer pinned = put(PlaceKind::pinned, pattern(1));
  const Buffer first = put(PlaceKind::device, pattern(2)), second = put(PlaceKind::device, pattern(3));
  const Buffer result = put(PlaceKind::pinned, pattern(4));
  const StreamContext context(stream);
  Capture capture(stream);
  copy(square(first), square(pinned, true), stream.ref());
  copy(square(second), square(first, true), stream.ref());
  copy(result, second, stream.ref());
  capture.end();
  EXPECT_TRUE(get(result) == pattern(4)) << "nothing runs before the graph";
  capture.launch();
  EXPECT_TRUE(get(result) == pattern(1));
  from_contiguous(pinned.view(), pattern(77), Order::C, StreamRef::host());
  capture.launch();
  EXPECT_TRUE(get(result) == pattern(77));
  capture.destroy();
}

TEST_F(TransferCapture, RefusesWhatCannotBeRepeated) {
  const Stream stream = stream_of();
  const Buffer device = put(PlaceKind::device, pattern(1));
  std::vector<std::byte> host = pattern(2);
  const BufferView host_view = BufferView::of(host.data(), {static_cast<int64_t>(host.size())});
  const Buffer pinned = put(PlaceKind::pinned, pattern(3));
  const StreamContext context(stream);
  Capture capture(stream);
  expect_throws<BufferError>([&] { copy(device.view(), host_view, stream.ref()); }, {"captures", "pageable"});
  expect_throws<BufferError>([&] { copy(host_view, device.view(), stream.ref()); }, {"captures"});
  expect_throws<BufferError>([&] { copy(host_view, pinned.view(), stream.ref()); }, {"captures"});
  expect_throws<BufferError>([&] { copy(square(device), square(device, true), stream.ref()); },
                             {"captures", "temporary"});
  EXPECT_THROW(bytes_in(PlaceKind::device, 16, stream.ref()), InvalidArgument);
  EXPECT_THROW(Event::record({device_type(), 0}, stream.ref()), InvalidArgument);
  copy(pinned, device, stream.ref());
  capture.end();  // the capture is still valid
  capture.launch();
  EXPECT_TRUE(get(pinned) == pattern(1));
  EXPECT_TRUE(host == pattern(2));
  capture.destroy();
}

TEST_F(TransferCapture, RefusesWorkThatIsPendingOutside) {
  const Stream stream = stream_of(), other = stream_of();
  const Buffer device = put(PlaceKind::device, pattern(1));
  const Buffer pinned = put(PlaceKind::pinned, pattern(3));
  Gate gate(other);
  copy(square(device), square(pinned), other.ref());
  const StreamContext context(stream);
  Capture capture(stream);
  expect_throws<InvalidArgument>([&] { copy(pinned, device, stream.ref()); }, {"captures", "pending"});
  expect_throws<InvalidArgument>([&] { make_ready(device, stream.ref()); }, {"captures", "pending"});
  capture.end();
  capture.destroy();
  gate.open();
  EXPECT_TRUE(get(device) == pattern(3));
}

TEST_F(TransferCapture, KeepsOwnersForTheGraph) {
  const Stream stream = stream_of();
  const Buffer result = put(PlaceKind::device, pattern(9));
  Buffer memory = put(PlaceKind::pinned, pattern(1));
  const BufferView view = memory.view();
  auto [owner, gone] = watched_owner(std::move(memory));
  Capture capture(stream);
  {
    const StreamContext context(stream);
    const Buffer foreign(view, std::move(owner));
    copy(square(result), square(foreign, true), stream.ref());
    capture.end();
  }
  EXPECT_FALSE(is_gone(gone));
  capture.launch();
  EXPECT_TRUE(get(result) == turned(pattern(1)));
  capture.destroy();
  gone.get();
}

TEST_F(TransferOrder, GivesEventsThatOtherStreamsWaitFor) {
  const Stream first = stream_of(), second = stream_of();
  const Buffer device = put(PlaceKind::device, pattern(1));
  const Buffer pinned = put(PlaceKind::pinned, pattern(2)), result = put(PlaceKind::pinned, pattern(3));
  const Event start = first.record();
  Gate gate(first);
  copy(device.view(), pinned.view(), first.ref());  // views: nothing is remembered
  const Event copied = first.record();
  second.wait(copied);
  copy(result.view(), device.view(), second.ref());
  EXPECT_FALSE(copied.done());
  EXPECT_FALSE(second.done());
  expect_throws<InvalidArgument>([&] { (void)copied.seconds_since(start); }, {"must have been reached"});
  gate.open();
  second.synchronize();
  EXPECT_TRUE(copied.done());
  EXPECT_GE(copied.seconds_since(start), 0.0);
  EXPECT_TRUE(get(result) == pattern(2));
}

TEST_F(TransferOrder, RefusesStreamsAndDevicesThatAreNone) {
  expect_throws<InvalidArgument>([] { (void)Stream::create({}); }, {"cuda or simulated", "cpu"});
  expect_throws<InvalidArgument>([] { (void)Stream::create({device_type(), 99}); }, {":99"});
  expect_throws<InvalidArgument>([] { (void)Event::record({device_type(), 0}, StreamRef::host()); }, {"no stream"});
  if (device_count() > 1) {
    const Stream other = stream_of(1);
    expect_throws<InvalidArgument>([&] { (void)Event::record({device_type(), 0}, other.ref()); }, {"belongs to"});
  }
}

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
