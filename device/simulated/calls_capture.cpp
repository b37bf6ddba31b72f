// Stream capture.
//
// A stream that captures queues nothing: each piece of work becomes a node, which depends on the stream's frontier, and
// is the frontier from then on. An event recorded there remembers the frontier; a stream that waits for it joins the
// capture.

#include <algorithm>
#include <set>
#include <utility>

#include "device/simulated/calls.hpp"
#include "device/simulated/capture.hpp"

namespace strideport::simulated {
namespace {

void merge_into(std::vector<size_t>& frontier, const std::vector<size_t>& more) {
  for (const size_t node : more) {
    if (std::find(frontier.begin(), frontier.end(), node) == frontier.end()) frontier.push_back(node);
  }
}

// The nodes that `frontier` comes after, itself included.
std::set<size_t> reached_from(const Graph& graph, const std::vector<size_t>& frontier) {
  std::set<size_t> reached;
  std::vector<size_t> left = frontier;
  while (!left.empty()) {
    const size_t node = left.back();
    left.pop_back();
    if (!reached.insert(node).second) continue;
    const auto& before = graph.nodes[node].depends_on;
    left.insert(left.end(), before.begin(), before.end());
  }
  return reached;
}

// All that other streams added must come before what the origin does next.
bool all_joined(const Capture& capture) {
  const std::set<size_t> reached = reached_from(*capture.graph, capture.origin->frontier);
  return std::all_of(capture.streams.begin(), capture.streams.end(), [&reached](const Stream* stream) {
    return std::all_of(stream->frontier.begin(), stream->frontier.end(),
                       [&reached](size_t node) { return reached.count(node) == 1; });
  });
}

// Nodes have no handles of their own: the address of nothing, by number.
CUgraphNode node_handle(size_t node) { return reinterpret_cast<CUgraphNode>((node + 1) * 16); }

void end(State& state, const CapturePtr& capture) {
  for (Stream* stream : capture->streams) {
    stream->capture = nullptr;
    stream->frontier.clear();
  }
  capture->streams.clear();
  capture->ended = true;
  std::erase(state.captures, capture);
}

}  // namespace

void join_capture(Stream& stream, const Event& event) {
  const CapturePtr capture = event.capture;
  require(!capture->ended, CUDA_ERROR_CAPTURED_EVENT);
  require(capture->valid, CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
  if (stream.capture == nullptr) {
    if (stream.legacy) {
      capture->valid = false;
      refuse(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT);
    }
    stream.capture = capture;
    stream.frontier = event.frontier;
    capture->streams.insert(&stream);
    return;
  }
  if (stream.capture != capture) {
    stream.capture->valid = false;
    capture->valid = false;
    refuse(CUDA_ERROR_STREAM_CAPTURE_MERGE);
  }
  merge_into(stream.frontier, event.frontier);
}

namespace bodies {

CUresult StreamBeginCapture(Call& call, CUstream handle, CUstreamCaptureMode mode) {
  const StreamPtr stream = call.stream(handle);
  require(mode == CU_STREAM_CAPTURE_MODE_GLOBAL || mode == CU_STREAM_CAPTURE_MODE_THREAD_LOCAL ||
          mode == CU_STREAM_CAPTURE_MODE_RELAXED);
  require(!stream->legacy, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  require(stream->capture == nullptr, CUDA_ERROR_ILLEGAL_STATE);
  auto capture = std::make_shared<Capture>();
  capture->id = call.state.new_id();
  capture->mode = mode;
  capture->thread = call.thread.number;
  capture->origin = stream.get();
  capture->graph = std::make_shared<Graph>();
  capture->graph->handle = call.state.new_handle<CUgraph>();
  capture->graph->context = stream->context;
  capture->streams.insert(stream.get());
  stream->frontier.clear();
  call.state.captures.push_back(capture);
  stream->capture = std::move(capture);
  return CUDA_SUCCESS;
}

CUresult StreamEndCapture(Call& call, CUstream handle, CUgraph* graph) {
  const StreamPtr stream = call.stream(handle);
  require(graph != nullptr);
  *graph = nullptr;
  const CapturePtr capture = stream->capture;
  require(capture != nullptr, CUDA_ERROR_ILLEGAL_STATE);
  require(capture->origin == stream.get(), CUDA_ERROR_STREAM_CAPTURE_UNMATCHED);
  const bool any_thread = capture->mode == CU_STREAM_CAPTURE_MODE_RELAXED;
  require(any_thread || capture->thread == call.thread.number, CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD);
  const bool joined = all_joined(*capture);
  end(call.state, capture);
  std::shared_ptr<Graph> captured = std::move(capture->graph);  // events keep the capture
  if (!capture->valid || !joined) {
    call.state.let_go(captured);
    return capture->valid ? CUDA_ERROR_STREAM_CAPTURE_UNJOINED : CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  }
  *graph = captured->handle;
  call.state.graphs[captured->handle] = std::move(captured);
  return CUDA_SUCCESS;
}

CUresult StreamGetCaptureInfo(Call& call, CUstream handle, CUstreamCaptureStatus* status, cuuint64_t* id,
                              CUgraph* graph, const CUgraphNode** dependencies, const CUgraphEdgeData** edges,
                              size_t* count) {
  const StreamPtr stream = call.stream(handle);
  require(status != nullptr);
  if (stream->legacy) {
    for (const CapturePtr& capture : call.state.captures) {
      const bool meets = std::any_of(capture->streams.begin(), capture->streams.end(), [&stream](const Stream* other) {
        return other->blocking && other->context == stream->context;
      });
      require(!meets, CUDA_ERROR_STREAM_CAPTURE_IMPLICIT);
    }
  }
  *status = CU_STREAM_CAPTURE_STATUS_NONE;
  if (count != nullptr) *count = 0;
  if (stream->capture == nullptr) return CUDA_SUCCESS;
  Capture& capture = *stream->capture;
  *status = capture.valid ? CU_STREAM_CAPTURE_STATUS_ACTIVE : CU_STREAM_CAPTURE_STATUS_INVALIDATED;
  if (!capture.valid) return CUDA_SUCCESS;
  if (id != nullptr) *id = capture.id;
  if (graph != nullptr) *graph = capture.graph->handle;
  if (edges != nullptr) *edges = nullptr;  // no edge has data
  if (count != nullptr) *count = stream->frontier.size();
  if (dependencies != nullptr) {
    std::vector<CUgraphNode>& nodes = capture.answered.emplace_back();
    for (const size_t node : stream->frontier) nodes.push_back(node_handle(node));
    *dependencies = nodes.data();
  }
  return CUDA_SUCCESS;
}

CUresult ThreadExchangeStreamCaptureMode(Call& call, CUstreamCaptureMode* mode) {
  require(mode != nullptr);
  require(*mode == CU_STREAM_CAPTURE_MODE_GLOBAL || *mode == CU_STREAM_CAPTURE_MODE_THREAD_LOCAL ||
          *mode == CU_STREAM_CAPTURE_MODE_RELAXED);
  std::swap(*mode, call.thread.capture_mode);
  return CUDA_SUCCESS;
}

}  // namespace bodies
}  // namespace strideport::simulated
