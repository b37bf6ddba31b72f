// The order of copies on streams.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

#include "device/simulated/control.hpp"
#include "strideport/view_ops.hpp"
#include "tests/support/device_places.hpp"
#include "tests/support/throws.hpp"
#include "tests/support/transfer_squares.hpp"

namespace strideport {
namespace {

using namespace strideport::testing;  // NOLINT: the tests' own vocabulary

class TransferOrder : public OnDevice {};

TEST_F(TransferOrder, MakesLaterCopiesWaitForEarlierOnesOnOtherStreams) {
  const auto bytes = pattern(1);
  const Stream first = stream_of(), second = stream_of();
  const Buffer source = put(PlaceKind::pinned, bytes);
  const Buffer device = put(PlaceKind::device, pattern(9));
  const Buffer result = put(PlaceKind::pinned, pattern(17));
  StreamGate gate(first);
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
  StreamGate gate(first);
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
  StreamGate gate(first);
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
  StreamGate gate(first);
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
    StreamGate gate(stream);
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
  StreamGate gate(stream);
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

TEST_F(TransferOrder, GivesEventsThatOtherStreamsWaitFor) {
  const Stream first = stream_of(), second = stream_of();
  const Buffer device = put(PlaceKind::device, pattern(1));
  const Buffer pinned = put(PlaceKind::pinned, pattern(2)), result = put(PlaceKind::pinned, pattern(3));
  const Event start = first.record();
  StreamGate gate(first);
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

}  // namespace
}  // namespace strideport
