// How long the memory of copies on streams lives, and captures of copies.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <future>
#include <memory>
#include <utility>
#include <vector>

#include "tests/support/device_places.hpp"
#include "tests/support/throws.hpp"
#include "tests/support/transfer_squares.hpp"

namespace strideport {
namespace {

using namespace strideport::testing;  // NOLINT: the tests' own vocabulary

class TransferLifetime : public OnDevice {};
class TransferCapture : public OnDevice {};

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
  StreamGate gate(stream);
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
  StreamGate gate(stream);
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
    EXPECT_EQ(driver_here().StreamBeginCapture(handle_of(stream.ref()), CU_STREAM_CAPTURE_MODE_GLOBAL), CUDA_SUCCESS);
  }
  void end() {
    const StreamContext context(stream_);
    EXPECT_EQ(driver_here().StreamEndCapture(handle_of(stream_.ref()), &graph_), CUDA_SUCCESS);
  }
  void launch() {
    const StreamContext context(stream_);
    CUgraphExec executable = nullptr;
    EXPECT_EQ(driver_here().GraphInstantiateWithFlags(&executable, graph_, 0), CUDA_SUCCESS);
    executables_.push_back(executable);
    EXPECT_EQ(driver_here().GraphLaunch(executable, handle_of(stream_.ref())), CUDA_SUCCESS);
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
  StreamGate gate(other);
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

}  // namespace
}  // namespace strideport
