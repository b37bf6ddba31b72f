#include "device/simulated/state.hpp"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <new>
#include <utility>

#include "device/simulated/host_pages.hpp"

namespace strideport::simulated {
namespace {

std::atomic<State*> the_state{nullptr};
std::atomic<bool> is_lost{false};

constexpr size_t kLeaving = 256;  // destroyed streams that are kept for the order of their last work

// The child has none of the threads, and the mutex in whatever state the fork found it. A driver that nobody had
// initialised is made anew.
void after_fork_in_child() noexcept {
  const State* const found = the_state.load(std::memory_order_relaxed);
  if (found == nullptr) return;
  if (found->initialised) {
    is_lost.store(true, std::memory_order_relaxed);
  } else {
    the_state.store(nullptr, std::memory_order_relaxed);
  }
}

State* make_state() {
  auto made = std::make_unique<State>();
  made->start(options_from_environment());
  return made.release();
}

void free_host_memory(const Allocation& allocation) noexcept {
  give_back_host_pages(reinterpret_cast<void*>(allocation.begin), allocation.bytes);
}

}  // namespace

const char* name_of(FunctionId function) noexcept {
  static constexpr const char* kNames[] = {
#define STRIDEPORT_FUNCTION_NAME(name, version) #name,
      STRIDEPORT_DRIVER_FUNCTIONS(STRIDEPORT_FUNCTION_NAME)
#undef STRIDEPORT_FUNCTION_NAME
          "MemcpyBatchAsync",
  };
  return kNames[static_cast<size_t>(function)];
}

State& state() {
  static const int registered = pthread_atfork(nullptr, nullptr, after_fork_in_child);
  static_cast<void>(registered);
  State* current = the_state.load(std::memory_order_acquire);
  if (current != nullptr) return *current;
  State* const made = make_state();
  if (the_state.compare_exchange_strong(current, made, std::memory_order_acq_rel)) return *made;
  delete made;
  return *current;
}

bool lost_in_fork() noexcept { return is_lost.load(std::memory_order_relaxed); }

Thread& this_thread(const State& state) {
  static std::atomic<uint64_t> count{0};
  thread_local Thread thread;
  if (thread.number == 0) thread.number = ++count;
  if (thread.epoch != state.epoch) {
    thread.epoch = state.epoch;
    thread.contexts.clear();
    thread.capture_mode = CU_STREAM_CAPTURE_MODE_GLOBAL;
  }
  return thread;
}

void State::start(const Options& wanted) {
  options = wanted;
  options.devices = std::clamp(options.devices, 0, kMaxDevices);
  if (options.capacity_bytes == 0 && options.devices > 0) {
    options.capacity_bytes = (uint64_t{8} << 30) / static_cast<uint64_t>(options.devices);
  }
  memory = std::make_unique<Memory>(options.devices, options.capacity_bytes);
  engine.set_seed(options.seed);
  for (int device = 0; device < options.devices; ++device) {
    context_of(device).device = device;
    context_of(device).handle = new_handle<CUcontext>();
  }
}

void State::stop(Lock& lock) {
  for (Context& context : contexts) deactivate(lock, context);
  if (destructors != nullptr) {
    engine.close(*destructors);
    destructors.reset();
  }
  engine.wait_for_threads(lock);
  for (const auto& [begin, allocation] : memory->known.all()) {
    if (allocation.kind == Kind::pinned || allocation.kind == Kind::managed) free_host_memory(allocation);
  }
  for (const Allocation& allocation : retired) free_host_memory(allocation);
  retired.clear();
  contexts.fill(Context());
  libraries.clear();
  kernels.clear();
  functions.clear();
  pools.clear();
  user_objects.clear();
  injected.clear();
  log.clear();
  call_counts.fill(0);
  kernel_log.clear();
  traffic = {};
  initialised = false;
  ++epoch;
}

Context* State::find_context(CUcontext handle) noexcept {
  if (handle == nullptr) return nullptr;
  const auto found = std::find_if(contexts.begin(), contexts.end(),
                                  [handle](const Context& context) { return context.handle == handle; });
  return found != contexts.end() ? &*found : nullptr;
}

void State::activate(Context& context) {
  if (context.active) return;
  context.active = true;
  context.id = new_id();
}

// Those of graphs that were launched included.
std::vector<QueuePtr> State::queues_of(const Context& context) {
  std::vector<QueuePtr> queues;
  for (const StreamPtr& stream : streams_of(context)) queues.push_back(stream->queue);
  for (const auto& [handle, exec] : execs) {
    if (exec->graph.context != &context) continue;
    queues.insert(queues.end(), exec->lanes.begin(), exec->lanes.end());
  }
  for (const ExecPtr& exec : leaving_execs) {
    if (exec->graph.context == &context) queues.insert(queues.end(), exec->lanes.begin(), exec->lanes.end());
  }
  return queues;
}

void State::deactivate_streams(Lock& lock, Context& context) {
  const std::vector<QueuePtr> queues = queues_of(context);
  for (const QueuePtr& queue : queues) engine.abandon(*queue);
  for (const QueuePtr& queue : queues) {
    engine.wait_while_running(lock, *queue);
    engine.close(*queue);
  }
}

void State::end_captures(const Context& context) {
  std::erase_if(captures, [&](const CapturePtr& capture) {
    const auto here = [&context](const Stream* stream) { return stream->context == &context; };
    if (capture->graph->context != &context && std::none_of(capture->streams.begin(), capture->streams.end(), here)) {
      return false;
    }
    for (Stream* stream : capture->streams) {
      stream->capture = nullptr;
      stream->frontier.clear();
    }
    capture->streams.clear();
    capture->ended = true;
    drop_graph(*capture->graph);
    return true;
  });
}

void State::deactivate(Lock& lock, Context& context) {
  if (!context.active) return;
  context.active = false;
  deactivate_streams(lock, context);
  end_captures(context);
  for (auto& [handle, graph] : graphs) {
    if (graph->context == &context) drop_graph(*graph);
  }
  for (auto& [handle, exec] : execs) {
    if (exec->graph.context == &context) drop_exec(*exec);
  }
  std::erase_if(graphs, [&context](const auto& entry) { return entry.second->context == &context; });
  std::erase_if(execs, [&context](const auto& entry) { return entry.second->graph.context == &context; });
  std::erase_if(streams, [&context](const auto& entry) { return entry.second->context == &context; });
  std::erase_if(leaving, [&context](const StreamPtr& stream) { return stream->context == &context; });
  std::erase_if(events, [&context](const auto& entry) { return entry.second->context == &context; });
  std::erase_if(pools, [&context](const auto& entry) { return entry.second->device == context.device; });
  std::erase_if(functions, [&context](const auto& entry) { return entry.second.context == &context; });
  std::vector<Allocation> gone;
  for (const auto& [begin, allocation] : memory->known.all()) {
    if (allocation.device == context.device) gone.push_back(allocation);
  }
  for (const auto& [begin, allocation] : memory->present.all()) {
    if (allocation.device == context.device) gone.push_back(allocation);
  }
  for (const Allocation& allocation : gone) {
    const bool first = memory->known.starting_at(allocation.begin) != nullptr;
    forget_allocation(allocation);
    if (!first || allocation.on_device() || allocation.kind == Kind::registered) continue;
    retired.push_back(allocation);
    close_host_pages(reinterpret_cast<void*>(allocation.begin), allocation.bytes);
  }
  memory->give_all_back(context.device);
  context.legacy.reset();
  context.per_thread.clear();
  context.peers.clear();
  context.failed = CUDA_SUCCESS;
  context.stopped = false;
  context.fault.clear();
}

void State::fail(Context& context, CUresult error, const std::string& fault) {
  if (context.failed != CUDA_SUCCESS) return;
  context.failed = error;
  context.fault = fault;
}

// What has not begun looks at `failed` and does nothing.
void State::stop_failed(Lock& lock) {
  for (Context& context : contexts) {
    if (context.failed == CUDA_SUCCESS || context.stopped) continue;
    for (const QueuePtr& queue : queues_of(context)) engine.wait_for_device(lock, *queue);
    context.stopped = context.failed != CUDA_SUCCESS;
  }
}

std::vector<StreamPtr> State::streams_of(const Context& context) {
  if (leaving.size() > kLeaving) {
    std::erase_if(leaving, [](const StreamPtr& stream) { return Engine::is_done(*stream->queue); });
  }
  std::vector<StreamPtr> found;
  for (const auto& [handle, stream] : streams) {
    if (stream->context == &context) found.push_back(stream);
  }
  for (const auto& [thread, stream] : context.per_thread) {
    if (stream != nullptr) found.push_back(stream);
  }
  if (context.legacy != nullptr) found.push_back(context.legacy);
  for (const StreamPtr& stream : leaving) {
    if (stream->context == &context) found.push_back(stream);
  }
  return found;
}

void State::wait_for_context(Lock& lock, const Context& context) {
  std::vector<OpPtr> last;
  for (const StreamPtr& stream : streams_of(context)) last.push_back(stream->queue->last);
  for (const OpPtr& op : last) engine.wait(lock, op);
}

void State::forget_allocation(const Allocation& allocation) {
  memory->known.erase(allocation);
  memory->present.erase(allocation);
}

void State::release_user_object(CUuserObject handle, uint64_t count) {
  const auto found = user_objects.find(handle);
  if (found == user_objects.end()) return;
  const UserObjectPtr object = found->second;
  object->references -= std::min(count, object->references);
  if (object->references > 0) return;
  if (destructors == nullptr) destructors = engine.make_queue();
  engine.push(
      *destructors,
      [this, handle, object] {
        object->destroy(object->data);
        const Quiet quiet;
        const Lock lock(engine.mutex);
        user_objects.erase(handle);
      },
      {}, true);
}

void State::drop_user_objects(Graph& graph) {
  for (const auto& [object, count] : std::exchange(graph.user_objects, {})) release_user_object(object, count);
}

void State::drop_graph(Graph& graph) {
  drop_user_objects(graph);
  for (const Allocation& allocation : graph.allocations) {
    const Allocation* const found = memory->known.starting_at(allocation.begin);
    if (found == nullptr || found->id != allocation.id) continue;
    forget_allocation(allocation);
    memory->give_back(allocation.device, allocation.begin, allocation.bytes);
  }
  graph.allocations.clear();
  graph.nodes.clear();
}

void State::let_go(std::shared_ptr<Graph>& graph) {
  if (graph != nullptr && graph.use_count() == 1) drop_graph(*graph);
  graph.reset();
}

void State::drop_exec(Exec& exec) {
  drop_graph(exec.graph);
  let_go(exec.source);
}

// A free counts from when a host knows of it: the documentation allows a driver that much.
void State::trim_pool(Pool& pool, uint64_t keep_bytes) {
  std::erase_if(pool.kept, [&](const Kept& kept) {
    if (pool.reserved <= keep_bytes || !Engine::is_seen(*kept.freed)) return false;
    const uint64_t block = Memory::block_bytes(kept.bytes);
    memory->give_back(pool.device, kept.begin, kept.bytes);
    pool.reserved -= block;
    return true;
  });
}

void State::trim_pools() {
  for (auto found = pools.begin(); found != pools.end();) {
    Pool& pool = *found->second;
    trim_pool(pool, pool.destroyed ? 0 : pool.release_threshold);
    found = pool.destroyed && pool.reserved == 0 ? pools.erase(found) : std::next(found);
  }
}

CUresult State::count_call(FunctionId function, Thread& thread) {
  ++call_counts[static_cast<size_t>(function)];
  if (log.size() < kLogged) log.push_back(function);
  CUresult result = CUDA_SUCCESS;
  for (InjectedFault& fault : injected) {
    if (fault.calls_left == 0 || (fault.function && *fault.function != function)) continue;
    if (--fault.calls_left > 0 || result != CUDA_SUCCESS) continue;
    result = fault.error;
    if (!fault.sticky) continue;
    Context* const current = thread.contexts.empty() ? nullptr : find_context(thread.contexts.back());
    for (Context& context : contexts) {
      if (context.active && (current == nullptr || current == &context)) fail(context, fault.error, "injected");
    }
  }
  std::erase_if(injected, [](const InjectedFault& fault) { return fault.calls_left == 0; });
  return result;
}

}  // namespace strideport::simulated
