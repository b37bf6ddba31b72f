// Graphs: what a capture became, ready to run; and user objects, which live as long as the graphs that hold them.

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "device/simulated/calls.hpp"

namespace strideport::simulated::bodies {
namespace {

// Also the graph of a capture under way.
std::shared_ptr<Graph> graph_of(State& state, CUgraph handle) {
  const auto found = state.graphs.find(handle);
  if (found != state.graphs.end()) return found->second;
  for (const CapturePtr& capture : state.captures) {
    if (capture->graph->handle == handle) return capture->graph;
  }
  refuse(CUDA_ERROR_INVALID_VALUE);
}

// Branches run beside each other: a node follows its first dependency in its queue if it is the first to do so; else it
// gets a queue of its own.
class Placing {
 public:
  Placing(Call& call, Exec& exec, Stream& stream) : call_(call), exec_(exec), stream_(stream) {}

  OpPtr run() {
    Engine& engine = call_.state.engine;
    OpPtr begin = call_.submit(stream_, {}, launch_before());
    std::vector<OpPtr> ops;
    std::vector<Queue*> places;
    std::vector<bool> followed(exec_.graph.nodes.size(), false);
    bool begun = false;
    for (const Node& node : exec_.graph.nodes) {
      Queue* queue = nullptr;
      std::vector<OpPtr> after{begin};
      for (const size_t before : node.depends_on) {
        after.push_back(ops[before]);
        if (queue != nullptr || followed[before]) continue;
        followed[before] = true;
        queue = places[before];
      }
      if (queue == nullptr) queue = begun ? lane() : stream_.queue.get();
      begun = true;
      ops.push_back(engine.push(*queue, node.work, after, node.callback));
      places.push_back(queue);
    }
    ops.push_back(begin);
    return call_.submit(stream_, {}, ops);
  }

 private:
  std::vector<OpPtr> launch_before() const {
    if (exec_.last_launch == nullptr) return {};
    return {exec_.last_launch};
  }

  Queue* lane() {
    if (used_ == exec_.lanes.size()) exec_.lanes.push_back(call_.state.engine.make_queue());
    return exec_.lanes[used_++].get();
  }

  Call& call_;
  Exec& exec_;
  Stream& stream_;
  size_t used_ = 0;
};

void retain(State& state, const Graph& graph) {
  for (const auto& [handle, count] : graph.user_objects) {
    const auto object = state.user_objects.find(handle);
    if (object != state.user_objects.end()) object->second->references += count;
  }
}

}  // namespace

CUresult GraphInstantiateWithFlags(Call& call, CUgraphExec* exec, CUgraph handle, unsigned long long flags) {
  require(exec != nullptr && flags == 0);
  const auto found = call.state.graphs.find(handle);
  require(found != call.state.graphs.end());
  auto made = std::make_shared<Exec>();
  made->source = found->second;
  made->graph.context = found->second->context;
  made->graph.nodes = found->second->nodes;
  made->graph.user_objects = found->second->user_objects;
  retain(call.state, made->graph);
  const auto exec_handle = call.state.new_handle<CUgraphExec>();
  call.state.execs[exec_handle] = std::move(made);
  *exec = exec_handle;
  return CUDA_SUCCESS;
}

CUresult GraphLaunch(Call& call, CUgraphExec handle, CUstream stream_handle) {
  const StreamPtr stream = call.stream(stream_handle);
  const auto found = call.state.execs.find(handle);
  require(found != call.state.execs.end());
  const ExecPtr exec = found->second;
  require(stream->capture == nullptr, CUDA_ERROR_NOT_SUPPORTED);  // a real one would become a child graph
  call.check_implicit(*stream);
  exec->last_launch = Placing(call, *exec, *stream).run();
  return CUDA_SUCCESS;
}

// A launch under way goes on, and so do the objects that it holds.
CUresult GraphExecDestroy(Call& call, CUgraphExec handle) {
  const auto found = call.state.execs.find(handle);
  require(found != call.state.execs.end());
  const ExecPtr exec = found->second;
  call.state.execs.erase(found);
  for (const QueuePtr& lane : exec->lanes) call.state.engine.close(*lane);
  if (exec->last_launch == nullptr || exec->last_launch->done) {
    call.state.drop_exec(*exec);
  } else {
    call.state.leaving_execs.push_back(exec);
    exec->last_launch->then.emplace_back([&driver = call.state, exec] {
      driver.drop_exec(*exec);
      std::erase(driver.leaving_execs, exec);
    });
  }
  return CUDA_SUCCESS;
}

CUresult GraphDestroy(Call& call, CUgraph handle) {
  const auto found = call.state.graphs.find(handle);
  require(found != call.state.graphs.end());
  std::shared_ptr<Graph> graph = found->second;
  call.state.graphs.erase(found);
  call.state.drop_user_objects(*graph);
  call.state.let_go(graph);
  return CUDA_SUCCESS;
}

CUresult UserObjectCreate(Call& call, CUuserObject* object, void* data, CUhostFn destroy, unsigned int references,
                          unsigned int flags) {
  require(object != nullptr && destroy != nullptr && references > 0);
  require(flags == CU_USER_OBJECT_NO_DESTRUCTOR_SYNC);
  auto made = std::make_shared<UserObject>();
  made->data = data;
  made->destroy = destroy;
  made->references = references;
  const auto handle = call.state.new_handle<CUuserObject>();
  call.state.user_objects[handle] = std::move(made);
  *object = handle;
  return CUDA_SUCCESS;
}

CUresult UserObjectRelease(Call& call, CUuserObject object, unsigned int count) {
  const auto found = call.state.user_objects.find(object);
  require(count > 0 && found != call.state.user_objects.end() && found->second->references >= count);
  call.state.release_user_object(object, count);
  return CUDA_SUCCESS;
}

CUresult GraphRetainUserObject(Call& call, CUgraph handle, CUuserObject object, unsigned int count,
                               unsigned int flags) {
  const std::shared_ptr<Graph> graph = graph_of(call.state, handle);
  const auto found = call.state.user_objects.find(object);
  require(count > 0 && (flags & ~static_cast<unsigned int>(CU_GRAPH_USER_OBJECT_MOVE)) == 0);
  require(found != call.state.user_objects.end() && found->second->references > 0);
  if (flags == CU_GRAPH_USER_OBJECT_MOVE) {
    require(found->second->references >= count);
  } else {
    found->second->references += count;
  }
  graph->user_objects[object] += count;
  return CUDA_SUCCESS;
}

}  // namespace strideport::simulated::bodies
