// Stream capture and graphs of the simulated driver: what becomes a node, what is refused with which error, and what a
// refused call does to the capture.

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <future>
#include <thread>
#include <vector>

#include "tests/support/simulated.hpp"

namespace strideport {
namespace {

using Bytes = std::vector<unsigned char>;

class SimulatedCapture : public testing::SimulatedDriver {
 protected:
  void SetUp() override {
    SimulatedDriver::SetUp();
    prepare();
  }
  void prepare() {
    stream = make_stream();
    other = make_stream();
    event = make_event();
    block = allocate(64);
    EXPECT_CU(CUDA_SUCCESS, cu.MemsetD8Async(block, 0, 64, stream));
    EXPECT_CU(CUDA_SUCCESS, cu.StreamSynchronize(stream));
  }

  void begin(CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_GLOBAL) {
    ASSERT_CU(CUDA_SUCCESS, cu.StreamBeginCapture(stream, mode));
  }
  CUgraph end(CUresult expected = CUDA_SUCCESS) {
    CUgraph graph = reinterpret_cast<CUgraph>(1);
    EXPECT_CU(expected, cu.StreamEndCapture(stream, &graph));
    EXPECT_EQ(graph != nullptr, expected == CUDA_SUCCESS);
    return graph;
  }
  CUgraphExec instantiate(CUgraph graph) {
    CUgraphExec exec = nullptr;
    EXPECT_CU(CUDA_SUCCESS, cu.GraphInstantiateWithFlags(&exec, graph, 0));
    return exec;
  }
  CUstreamCaptureStatus status(CUstream of) {
    CUstreamCaptureStatus found = CU_STREAM_CAPTURE_STATUS_NONE;
    EXPECT_CU(CUDA_SUCCESS, cu.StreamGetCaptureInfo(of, &found, nullptr, nullptr, nullptr, nullptr, nullptr));
    return found;
  }
  // One refused call in a capture of its own: its error, and whether the capture lives on.
  void expect_refused(CUresult expected, bool lives_on, const std::function<CUresult()>& call,
                      CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_GLOBAL) {
    begin(mode);
    EXPECT_CU(expected, call());
    EXPECT_EQ(status(stream), lives_on ? CU_STREAM_CAPTURE_STATUS_ACTIVE : CU_STREAM_CAPTURE_STATUS_INVALIDATED);
    const CUgraph graph = end(lives_on ? CUDA_SUCCESS : CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
    if (graph != nullptr) {
      EXPECT_CU(CUDA_SUCCESS, cu.GraphDestroy(graph));
    }
    EXPECT_EQ(status(stream), CU_STREAM_CAPTURE_STATUS_NONE);
  }

  CUstream stream = nullptr;
  CUstream other = nullptr;
  CUevent event = nullptr;
  CUdeviceptr block = 0;
};

TEST_F(SimulatedCapture, RunsNothingBeforeTheGraphIsLaunched) {
  begin();
  EXPECT_CU(CUDA_SUCCESS, cu.MemsetD8Async(block, 1, 32, stream));
  EXPECT_CU(CUDA_SUCCESS, cu.MemcpyAsync(block + 32, block, 16, stream));
  const CUgraph graph = end();
  EXPECT_EQ(read(block, 64, stream), Bytes(64, 0));
  const CUgraphExec exec = instantiate(graph);
  EXPECT_CU(CUDA_SUCCESS, cu.GraphDestroy(graph));
  Bytes wanted(64, 0);
  std::fill(wanted.begin(), wanted.begin() + 48, static_cast<unsigned char>(1));
  for (int launch = 0; launch < 3; ++launch) {
    EXPECT_CU(CUDA_SUCCESS, cu.MemsetD8Async(block, 0, 64, other));
    EXPECT_CU(CUDA_SUCCESS, cu.GraphLaunch(exec, other));
    EXPECT_EQ(read(block, 64, other), wanted);
  }
  EXPECT_CU(CUDA_SUCCESS, cu.GraphExecDestroy(exec));
  EXPECT_EQ(simulated::live().graphs + simulated::live().graph_execs, 0);
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cu.GraphLaunch(exec, other));
}

TEST_F(SimulatedCapture, ForksAndJoinsThroughEvents) {
  const CUevent joined = make_event();
  begin();
  EXPECT_CU(CUDA_SUCCESS, cu.MemsetD8Async(block, 1, 64, stream));
  EXPECT_CU(CUDA_SUCCESS, cu.EventRecord(event, stream));
  EXPECT_CU(CUDA_SUCCESS, cu.StreamWaitEvent(other, event, 0));
  EXPECT_EQ(status(other), CU_STREAM_CAPTURE_STATUS_ACTIVE);
  EXPECT_CU(CUDA_SUCCESS, cu.MemsetD8Async(block, 2, 16, other));
  EXPECT_CU(CUDA_SUCCESS, cu.MemsetD8Async(block + 16, 3, 16, stream));
  EXPECT_CU(CUDA_SUCCESS, cu.EventRecord(joined, other));
  EXPECT_CU(CUDA_SUCCESS, cu.StreamWaitEvent(stream, joined, 0));
  EXPECT_CU(CUDA_SUCCESS, cu.MemcpyAsync(block + 32, block, 32, stream));
  const CUgraphExec exec = instantiate(end());
  EXPECT_EQ(status(other), CU_STREAM_CAPTURE_STATUS_NONE);
  EXPECT_CU(CUDA_SUCCESS, cu.GraphLaunch(exec, stream));
  EXPECT_CU(CUDA_SUCCESS, cu.GraphLaunch(exec, other)) << "and not at the same time";
  Bytes wanted(64, 2);
  for (const size_t from : {size_t{16}, size_t{48}})
    std::fill_n(wanted.begin() + static_cast<ptrdiff_t>(from), 16, static_cast<unsigned char>(3));
  EXPECT_EQ(read(block, 64, other), wanted);
}

TEST_F(SimulatedCapture, WorkThatWasNotJoinedIsAnError) {
  begin();
  EXPECT_CU(CUDA_SUCCESS, cu.EventRecord(event, stream));
  EXPECT_CU(CUDA_SUCCESS, cu.StreamWaitEvent(other, event, 0));
  EXPECT_CU(CUDA_SUCCESS, cu.MemsetD8Async(block, 2, 16, other));
  end(CUDA_ERROR_STREAM_CAPTURE_UNJOINED);
  EXPECT_EQ(status(other), CU_STREAM_CAPTURE_STATUS_NONE);
  EXPECT_EQ(simulated::live().graphs, 0);
}

TEST_F(SimulatedCapture, WhatTheHostWouldWaitForIsRefused) {
  expect_refused(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, false, [&] { return cu.StreamSynchronize(stream); });
  expect_refused(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, false, [&] { return cu.StreamQuery(stream); });
  expect_refused(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, false, [&] { return cu.StreamSynchronize(other); });
  expect_refused(CUDA_ERROR_CAPTURED_EVENT, false, [&] {
    EXPECT_CU(CUDA_SUCCESS, cu.EventRecord(event, stream));
    return cu.EventQuery(event);
  });
  expect_refused(CUDA_ERROR_CAPTURED_EVENT, false, [&] {
    EXPECT_CU(CUDA_SUCCESS, cu.EventRecord(event, stream));
    return cu.EventSynchronize(event);
  });
}

TEST_F(SimulatedCapture, UnsafeCallsAreRefusedUnlessRelaxed) {
  CUdeviceptr memory = 0;
  void* host = nullptr;
  char own[8];
  const std::vector<std::function<CUresult()>> calls = {
      [&] { return cu.MemAlloc(&memory, 8); },
      [&] { return cu.MemFree(block); },
      [&] { return cu.MemHostAlloc(&host, 8, 0); },
      [&] { return cu.MemAllocManaged(&memory, 8, CU_MEM_ATTACH_GLOBAL); },
      [&] { return cu.MemHostRegister(own, 8, 0); },
      [&] { return cu.EventQuery(event); },
      [&] { return cu.EventSynchronize(event); },
  };
  for (const auto& call : calls) expect_refused(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, false, call);
  for (const auto& call : calls) {
    expect_refused(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, false, call, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
  }
  expect_refused(CUDA_SUCCESS, true, calls[0], CU_STREAM_CAPTURE_MODE_RELAXED);
  CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_RELAXED;
  EXPECT_CU(CUDA_SUCCESS, cu.ThreadExchangeStreamCaptureMode(&mode));
  EXPECT_EQ(mode, CU_STREAM_CAPTURE_MODE_GLOBAL);
  expect_refused(CUDA_SUCCESS, true, calls[0]);
  EXPECT_CU(CUDA_SUCCESS, cu.ThreadExchangeStreamCaptureMode(&mode));
  EXPECT_EQ(mode, CU_STREAM_CAPTURE_MODE_RELAXED);
}

TEST_F(SimulatedCapture, OtherThreadsAreConcernedByGlobalCaptures) {
  const auto elsewhere = [&] {
    return std::async(std::launch::async,
                      [&] {
                        cu.CtxSetCurrent(contexts[0]);
                        CUdeviceptr memory = 0;
                        return cu.MemAlloc(&memory, 8);
                      })
        .get();
  };
  expect_refused(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, false, elsewhere);
  expect_refused(CUDA_SUCCESS, true, elsewhere, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
}

TEST_F(SimulatedCapture, TheLegacyStreamKnowsNone) {
  EXPECT_CU(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, cu.StreamBeginCapture(nullptr, CU_STREAM_CAPTURE_MODE_RELAXED));
  begin();
  EXPECT_CU(CUDA_SUCCESS, cu.MemsetD8Async(block, 1, 1, nullptr)) << "a non-blocking stream does not concern it";
  EXPECT_CU(CUDA_SUCCESS, cu.GraphDestroy(end()));
  stream = make_stream(CU_STREAM_DEFAULT);
  expect_refused(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, false, [&] { return cu.MemsetD8Async(block, 1, 1, nullptr); });
  expect_refused(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, false, [&] { return cu.StreamSynchronize(CU_STREAM_LEGACY); });
  expect_refused(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, true, [&] {
    CUstreamCaptureStatus found = CU_STREAM_CAPTURE_STATUS_NONE;
    return cu.StreamGetCaptureInfo(nullptr, &found, nullptr, nullptr, nullptr, nullptr, nullptr);
  });
  expect_refused(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, false, [&] {
    EXPECT_CU(CUDA_SUCCESS, cu.EventRecord(event, stream));
    return cu.StreamWaitEvent(nullptr, event, 0);
  });
}

TEST_F(SimulatedCapture, NothingOutsideMayBeWaitedFor) {
  EXPECT_CU(CUDA_SUCCESS, cu.EventRecord(event, other));
  expect_refused(CUDA_ERROR_STREAM_CAPTURE_ISOLATION, false, [&] { return cu.StreamWaitEvent(stream, event, 0); });
  const CUevent never = make_event();
  expect_refused(CUDA_SUCCESS, true, [&] { return cu.StreamWaitEvent(stream, never, 0); });
}

TEST_F(SimulatedCapture, CapturesDoNotMerge) {
  begin();
  EXPECT_CU(CUDA_SUCCESS, cu.StreamBeginCapture(other, CU_STREAM_CAPTURE_MODE_GLOBAL));
  EXPECT_CU(CUDA_SUCCESS, cu.EventRecord(event, other));
  EXPECT_CU(CUDA_ERROR_STREAM_CAPTURE_MERGE, cu.StreamWaitEvent(stream, event, 0));
  end(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
  CUgraph graph = nullptr;
  EXPECT_CU(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, cu.StreamEndCapture(other, &graph));
}

TEST_F(SimulatedCapture, EndsWhereItBegan) {
  CUgraph graph = nullptr;
  EXPECT_CU(CUDA_ERROR_ILLEGAL_STATE, cu.StreamEndCapture(stream, &graph));
  begin();
  EXPECT_CU(CUDA_ERROR_ILLEGAL_STATE, cu.StreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
  EXPECT_CU(CUDA_SUCCESS, cu.EventRecord(event, stream));
  EXPECT_CU(CUDA_SUCCESS, cu.StreamWaitEvent(other, event, 0));
  EXPECT_CU(CUDA_ERROR_STREAM_CAPTURE_UNMATCHED, cu.StreamEndCapture(other, &graph));
  std::thread([&] {
    cu.CtxSetCurrent(contexts[0]);
    EXPECT_CU(CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD, cu.StreamEndCapture(stream, &graph));
  }).join();
  EXPECT_CU(CUDA_SUCCESS, cu.GraphDestroy(end()));
  begin(CU_STREAM_CAPTURE_MODE_RELAXED);
  std::thread([&] {
    cu.CtxSetCurrent(contexts[0]);
    EXPECT_CU(CUDA_SUCCESS, cu.StreamEndCapture(stream, &graph));
  }).join();
  EXPECT_CU(CUDA_SUCCESS, cu.GraphDestroy(graph));
}

TEST_F(SimulatedCapture, SaysWhatItIs) {
  CUstreamCaptureStatus found = CU_STREAM_CAPTURE_STATUS_ACTIVE;
  cuuint64_t id = 0;
  CUgraph graph = nullptr;
  const CUgraphNode* nodes = nullptr;
  size_t count = 7;
  EXPECT_CU(CUDA_SUCCESS, cu.StreamGetCaptureInfo(stream, &found, &id, &graph, &nodes, nullptr, &count));
  EXPECT_EQ(found, CU_STREAM_CAPTURE_STATUS_NONE);
  begin();
  EXPECT_CU(CUDA_SUCCESS, cu.MemsetD8Async(block, 1, 1, stream));
  EXPECT_CU(CUDA_SUCCESS, cu.StreamGetCaptureInfo(stream, &found, &id, &graph, &nodes, nullptr, &count));
  EXPECT_EQ(found, CU_STREAM_CAPTURE_STATUS_ACTIVE);
  EXPECT_NE(id, 0u);
  EXPECT_EQ(count, 1u);
  ASSERT_NE(nodes, nullptr);
  EXPECT_NE(nodes[0], nullptr);
  EXPECT_EQ(end(), graph) << "the graph is the one that was being made";
}

TEST_F(SimulatedCapture, BatchesAreRefusedAndTheCaptureGoesOn) {
  CUdeviceptr dst = block;
  CUdeviceptr src = block + 32;
  size_t bytes = 8;
  size_t start = 0;
  size_t failed = 0;
  driver::MemcpyAttributes attributes;
  expect_refused(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, true, [&] {
    return cu.MemcpyBatchAsync_12080(&dst, &src, &bytes, 1, &attributes, &start, 1, &failed, stream);
  });
}

TEST_F(SimulatedCapture, PageableMemoryIsReadWhenTheGraphRuns) {
  Bytes source(8, 1);
  begin();
  EXPECT_CU(CUDA_SUCCESS, cu.MemcpyAsync(block, testing::address_of(source.data()), 8, stream));
  const CUgraphExec exec = instantiate(end());
  source.assign(8, 2);
  EXPECT_CU(CUDA_SUCCESS, cu.GraphLaunch(exec, stream));
  EXPECT_EQ(read(block, 8, stream), source);
}

TEST_F(SimulatedCapture, TemporariesBelongToTheGraph) {
  const CUmemoryPool pool = make_pool();
  CUdeviceptr temporary = 0;
  begin();
  EXPECT_CU(CUDA_SUCCESS, cu.MemAllocFromPoolAsync(&temporary, 64, pool, stream));
  EXPECT_CU(CUDA_SUCCESS, cu.MemsetD8Async(temporary, 4, 64, stream));
  EXPECT_CU(CUDA_SUCCESS, cu.MemcpyAsync(block, temporary, 64, stream));
  EXPECT_CU(CUDA_SUCCESS, cu.MemFreeAsync(temporary, stream));
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cu.MemFreeAsync(block, stream)) << "not the graph's";
  const CUgraph graph = end();
  const CUgraphExec exec = instantiate(graph);
  EXPECT_CU(CUDA_SUCCESS, cu.GraphDestroy(graph));
  EXPECT_EQ(simulated::live().graph_allocations, 1);
  for (int launch = 0; launch < 2; ++launch) {
    EXPECT_CU(CUDA_SUCCESS, cu.MemsetD8Async(block, 0, 64, stream));
    EXPECT_CU(CUDA_SUCCESS, cu.GraphLaunch(exec, stream));
    EXPECT_EQ(read(block, 64, stream), Bytes(64, 4));
  }
  EXPECT_CU(CUDA_SUCCESS, cu.GraphExecDestroy(exec));
  EXPECT_EQ(simulated::live().graph_allocations, 0);
}

// Counts how often it was destroyed, and what calling the driver from there gives.
struct Watched {
  const driver::Driver* cu;
  std::promise<CUresult> destroyed;
  static void destroy(void* data) {
    auto* const self = static_cast<Watched*>(data);
    CUcontext context = nullptr;
    self->destroyed.set_value(self->cu->CtxGetCurrent(&context));
  }
};

TEST_F(SimulatedCapture, UserObjectsLiveAsLongAsAnyGraphOfThem) {
  Watched watched{&cu, {}};
  std::future<CUresult> destroyed = watched.destroyed.get_future();
  CUuserObject object = nullptr;
  EXPECT_CU(CUDA_SUCCESS,
            cu.UserObjectCreate(&object, &watched, Watched::destroy, 1, CU_USER_OBJECT_NO_DESTRUCTOR_SYNC));
  begin();
  CUgraph graph = nullptr;
  CUstreamCaptureStatus found = CU_STREAM_CAPTURE_STATUS_NONE;
  EXPECT_CU(CUDA_SUCCESS, cu.StreamGetCaptureInfo(stream, &found, nullptr, &graph, nullptr, nullptr, nullptr));
  EXPECT_CU(CUDA_SUCCESS, cu.GraphRetainUserObject(graph, object, 1, CU_GRAPH_USER_OBJECT_MOVE));
  end();
  const CUgraphExec exec = instantiate(graph);
  EXPECT_CU(CUDA_SUCCESS, cu.GraphDestroy(graph));
  EXPECT_EQ(simulated::live().user_objects, 1);
  EXPECT_CU(CUDA_SUCCESS, cu.GraphExecDestroy(exec));
  EXPECT_CU(CUDA_ERROR_NOT_PERMITTED, destroyed.get());
}

TEST_F(SimulatedCapture, UserObjectsOfAFailedCaptureAreReleased) {
  Watched watched{&cu, {}};
  std::future<CUresult> destroyed = watched.destroyed.get_future();
  CUuserObject object = nullptr;
  EXPECT_CU(CUDA_ERROR_INVALID_VALUE, cu.UserObjectCreate(&object, &watched, Watched::destroy, 1, 0));
  EXPECT_CU(CUDA_SUCCESS,
            cu.UserObjectCreate(&object, &watched, Watched::destroy, 2, CU_USER_OBJECT_NO_DESTRUCTOR_SYNC));
  begin();
  CUgraph graph = nullptr;
  CUstreamCaptureStatus found = CU_STREAM_CAPTURE_STATUS_NONE;
  EXPECT_CU(CUDA_SUCCESS, cu.StreamGetCaptureInfo(stream, &found, nullptr, &graph, nullptr, nullptr, nullptr));
  EXPECT_CU(CUDA_SUCCESS, cu.GraphRetainUserObject(graph, object, 1, 0));
  EXPECT_CU(CUDA_SUCCESS, cu.UserObjectRelease(object, 2));
  EXPECT_CU(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, cu.StreamSynchronize(stream));
  end(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
  EXPECT_CU(CUDA_ERROR_NOT_PERMITTED, destroyed.get());
}

TEST_F(SimulatedCapture, AnExecutableGraphThatRunsKeepsItsObjects) {
  Watched watched{&cu, {}};
  std::future<CUresult> destroyed = watched.destroyed.get_future();
  std::promise<void> go;
  std::future<void> gone = go.get_future();
  CUuserObject object = nullptr;
  EXPECT_CU(CUDA_SUCCESS,
            cu.UserObjectCreate(&object, &watched, Watched::destroy, 1, CU_USER_OBJECT_NO_DESTRUCTOR_SYNC));
  begin();
  EXPECT_CU(CUDA_SUCCESS, cu.LaunchHostFunc(
                              stream, [](void* data) { static_cast<std::future<void>*>(data)->wait(); }, &gone));
  const CUgraph graph = end();
  EXPECT_CU(CUDA_SUCCESS, cu.GraphRetainUserObject(graph, object, 1, CU_GRAPH_USER_OBJECT_MOVE));
  const CUgraphExec exec = instantiate(graph);
  EXPECT_CU(CUDA_SUCCESS, cu.GraphDestroy(graph));
  EXPECT_CU(CUDA_SUCCESS, cu.GraphLaunch(exec, stream));
  EXPECT_CU(CUDA_SUCCESS, cu.GraphExecDestroy(exec));
  EXPECT_EQ(simulated::live().user_objects, 1);
  go.set_value();
  EXPECT_CU(CUDA_ERROR_NOT_PERMITTED, destroyed.get());
}

TEST_F(SimulatedCapture, GivesTheSameWithEverySeed) {
  simulated::Options wanted = two_devices();
  for (wanted.seed = 1; wanted.seed <= 20; ++wanted.seed) {
    start(wanted);
    prepare();
    const CUevent joined = make_event();
    begin();
    EXPECT_CU(CUDA_SUCCESS, cu.EventRecord(event, stream));
    EXPECT_CU(CUDA_SUCCESS, cu.StreamWaitEvent(other, event, 0));
    EXPECT_CU(CUDA_SUCCESS, cu.MemsetD8Async(block, 2, 16, other));
    EXPECT_CU(CUDA_SUCCESS, cu.MemsetD8Async(block + 16, 2, 16, stream));
    EXPECT_CU(CUDA_SUCCESS, cu.EventRecord(joined, other));
    EXPECT_CU(CUDA_SUCCESS, cu.StreamWaitEvent(stream, joined, 0));
    EXPECT_CU(CUDA_SUCCESS, cu.MemcpyAsync(block + 32, block, 32, stream));
    const CUgraphExec exec = instantiate(end());
    EXPECT_CU(CUDA_SUCCESS, cu.GraphLaunch(exec, stream));
    EXPECT_EQ(read(block, 64, stream), Bytes(64, 2));
  }
}

}  // namespace
}  // namespace strideport
