/// What handles stand for. All of it is guarded by the driver's mutex.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "device/driver/driver.hpp"
#include "device/simulated/engine.hpp"
#include "device/simulated/memory.hpp"

namespace strideport::simulated {

struct Capture;
struct Stream;

/// A device's primary context. It is there for good; what changes is whether it is active, and its id.
struct Context {
  int device = 0;
  CUcontext handle = nullptr;
  uint64_t id = 0;  ///< of this activation
  int retained = 0;
  bool active = false;
  CUresult failed = CUDA_SUCCESS;  ///< sticky
  bool stopped = false;            ///< failed, and nothing of it runs any more
  std::string fault;
  std::set<int> peers;  ///< devices whose memory its kernels reach
  std::shared_ptr<Stream> legacy;
  std::map<uint64_t, std::shared_ptr<Stream>> per_thread;
};

struct Stream {
  CUstream handle = nullptr;  ///< null for default streams
  uint64_t id = 0;
  Context* context = nullptr;
  bool legacy = false;
  bool blocking = true;  ///< synchronises with the legacy stream
  int priority = 0;
  QueuePtr queue;
  std::shared_ptr<Capture> capture;
  std::vector<size_t> frontier;  ///< of the capture: nodes that the next one depends on
};
using StreamPtr = std::shared_ptr<Stream>;

struct Event {
  Context* context = nullptr;
  bool timed = true;
  OpPtr recorded;                    ///< null: never
  std::shared_ptr<Capture> capture;  ///< where the last record was captured
  std::vector<size_t> frontier;
};

/// Memory that a pool keeps, or will keep once `freed` is done.
struct Kept {
  uintptr_t begin = 0;
  size_t bytes = 0;  ///< as it was asked for: what the block was cut for
  OpPtr freed;
  uint64_t stream_id = 0;
};

struct Pool {
  CUmemoryPool handle = nullptr;
  int device = 0;
  bool destroyed = false;
  uint64_t release_threshold = 0;
  uint64_t used = 0;
  uint64_t used_high = 0;
  uint64_t reserved = 0;
  uint64_t reserved_high = 0;
  bool reuse_event_dependencies = true;
  bool reuse_opportunistic = true;
  bool reuse_internal_dependencies = true;
  std::set<int> access;  ///< peers
  std::vector<Kept> kept;
};
using PoolPtr = std::shared_ptr<Pool>;

struct Library {
  std::map<std::string, CUkernel> kernels;
};

struct Kernel {
  std::string name;
  CUlibrary library = nullptr;
  std::map<int, int> dynamic_shared_bytes;  ///< by device, where it was set
};

/// A kernel in one context.
struct Function {
  CUkernel kernel = nullptr;
  Context* context = nullptr;
};

struct UserObject {
  void* data = nullptr;
  CUhostFn destroy = nullptr;
  uint64_t references = 0;
};
using UserObjectPtr = std::shared_ptr<UserObject>;

struct Node {
  std::function<void()> work;
  bool callback = false;
  std::vector<size_t> depends_on;
};

struct Graph {
  CUgraph handle = nullptr;
  Context* context = nullptr;
  std::vector<Node> nodes;
  std::map<CUuserObject, uint64_t> user_objects;  ///< references held
  std::vector<Allocation> allocations;
};

/// A copy of a graph that can be launched, with references of its own.
struct Exec {
  Graph graph;
  std::shared_ptr<Graph> source;  ///< whose memory the nodes use
  OpPtr last_launch;
  std::vector<QueuePtr> lanes;  ///< queues for branches that run beside the launching stream
};
using ExecPtr = std::shared_ptr<Exec>;

/// A capture under way, or one that ended and that events still refer to.
struct Capture {
  uint64_t id = 0;
  CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_GLOBAL;
  uint64_t thread = 0;
  Stream* origin = nullptr;
  std::shared_ptr<Graph> graph;
  bool valid = true;
  bool ended = false;
  std::set<Stream*> streams;
  std::deque<std::vector<CUgraphNode>> answered;  ///< dependencies that callers were given pointers to
};
using CapturePtr = std::shared_ptr<Capture>;

}  // namespace strideport::simulated
