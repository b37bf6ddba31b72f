// What the order of work costs on the driver: which calls there are, counted by the simulated one, while a gate holds
// the work that came before. The rule: work of one stream needs no event, work of another waits for one, on the device,
// and nothing waits for a whole device.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "device/simulated/control.hpp"
#include "strideport/buffer.hpp"
#include "tests/support/device_places.hpp"
#include "tests/support/transfer_squares.hpp"

namespace strideport {
namespace {

using namespace strideport::testing;  // NOLINT: the tests' own vocabulary

class TransferEvents : public OnDevice {
 protected:
  void SetUp() override {
    OnDevice::SetUp();
    if (!on_simulated_device()) GTEST_SKIP() << "only the simulated driver counts its calls";
  }

  static uint64_t waits() { return simulated::calls("StreamWaitEvent"); }

  /// The calls that no ordering of two streams may need.
  static std::vector<std::string> host_waits() {
    std::vector<std::string> out;
    for (const std::string& name : simulated::call_log()) {
      const bool on_host = name == "CtxSynchronize" || name == "StreamSynchronize" || name == "EventSynchronize";
      if (on_host) out.push_back(name);
    }
    return out;
  }
};

TEST_F(TransferEvents, WorkOfOneStreamWaitsForNone) {
  const Stream stream = stream_of();
  const Buffer source = put(PlaceKind::pinned, pattern(1));
  const Buffer device = put(PlaceKind::device, pattern(9)), other = put(PlaceKind::device, pattern(17));
  StreamGate gate(stream);
  copy(device, source, stream.ref());
  simulated::forget_calls();
  copy(other, device, stream.ref());   // reads what the stream writes
  copy(device, source, stream.ref());  // writes what it reads
  make_ready(device, stream.ref());
  EXPECT_EQ(waits(), 0u);
  EXPECT_EQ(host_waits(), std::vector<std::string>());
  gate.open();
  EXPECT_TRUE(get(other) == pattern(1));
}

TEST_F(TransferEvents, AnotherStreamWaitsOnceForAWrite) {
  const Stream first = stream_of(), second = stream_of();
  const Buffer source = put(PlaceKind::pinned, pattern(1)), device = put(PlaceKind::device, pattern(9));
  StreamGate gate(first);
  copy(device, source, first.ref());
  simulated::forget_calls();
  make_ready(device, second.ref());
  EXPECT_EQ(waits(), 1u);
  EXPECT_EQ(host_waits(), std::vector<std::string>());
  gate.open();
  EXPECT_TRUE(get(device) == pattern(1));
}

TEST_F(TransferEvents, AWriteWaitsForAReadOfAnotherStream) {
  const Stream first = stream_of(), second = stream_of();
  const Buffer device = put(PlaceKind::device, pattern(1));
  const Buffer result = put(PlaceKind::pinned, pattern(17)), next = put(PlaceKind::pinned, pattern(33));
  StreamGate gate(first);
  copy(result, device, first.ref());
  simulated::forget_calls();
  copy(device, next, second.ref());
  EXPECT_EQ(waits(), 1u);
  EXPECT_EQ(host_waits(), std::vector<std::string>());
  gate.open();
  EXPECT_TRUE(get(result) == pattern(1));
  EXPECT_TRUE(get(device) == pattern(33));
}

TEST_F(TransferEvents, AReadWaitsForNoRead) {
  const Stream first = stream_of(), second = stream_of();
  const Buffer device = put(PlaceKind::device, pattern(1));
  const Buffer slow = put(PlaceKind::pinned, pattern(17)), fast = put(PlaceKind::pinned, pattern(33));
  StreamGate gate(first);
  copy(slow, device, first.ref());
  simulated::forget_calls();
  copy(fast, device, second.ref());
  EXPECT_EQ(waits(), 0u);
  EXPECT_EQ(host_waits(), std::vector<std::string>());
  gate.open();
  EXPECT_TRUE(get(slow) == pattern(1));
}

TEST_F(TransferEvents, WhatIsReadyNeedsNoWait) {
  const Stream first = stream_of(), second = stream_of();
  const Buffer source = put(PlaceKind::pinned, pattern(1)), device = put(PlaceKind::device, pattern(9));
  copy(device, source, first.ref());
  make_ready(device, StreamRef::host());
  ASSERT_TRUE(is_ready(device));
  simulated::forget_calls();
  make_ready(device, second.ref());
  EXPECT_EQ(waits(), 0u);
}

TEST_F(TransferEvents, AnImportRecordsOneEventOnTheStreamThatItNames) {
  const Stream stream = stream_of(), other = stream_of();
  const Buffer memory = put(PlaceKind::device, pattern(1));
  StreamGate gate(stream);
  simulated::forget_calls();
  const Buffer again(memory.view(), std::make_shared<Buffer>(memory), stream.ref());
  EXPECT_EQ(simulated::calls("EventRecord"), 1u);
  EXPECT_EQ(waits(), 0u);
  EXPECT_FALSE(is_ready(again)) << "what the stream has before it may write there";
  make_ready(again, other.ref());
  EXPECT_EQ(waits(), 1u);
  EXPECT_EQ(host_waits(), std::vector<std::string>());
  gate.open();
  make_ready(again, StreamRef::host());
  EXPECT_TRUE(is_ready(again));
}

}  // namespace
}  // namespace strideport
