/// The simulated driver's state, and what surrounds every call: counting and failing it, the lock, the current context.
/// The functions themselves are in calls_*.cpp, with the names and arguments of the driver's.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "device/simulated/control.hpp"
#include "device/simulated/memory.hpp"
#include "device/simulated/objects.hpp"
#include "device/simulated/quiet.hpp"

namespace strideport::simulated {

// clang-format off
enum class FunctionId : uint8_t {
#define STRIDEPORT_FUNCTION_ID(name, version) name,
  STRIDEPORT_DRIVER_FUNCTIONS(STRIDEPORT_FUNCTION_ID)
#undef STRIDEPORT_FUNCTION_ID
  MemcpyBatchAsync,
  kCount,
};
// clang-format on
[[nodiscard]] const char* name_of(FunctionId function) noexcept;

/// Thrown by the inside of a call, answered by its edge.
struct Refusal {
  CUresult error;
};
[[noreturn]] inline void refuse(CUresult error) { throw Refusal{error}; }
inline void require(bool condition, CUresult error = CUDA_ERROR_INVALID_VALUE) {
  if (!condition) refuse(error);
}

/// What the driver keeps for a host thread.
struct Thread {
  uint64_t number = 0;  ///< from 1
  uint64_t epoch = 0;   ///< of the driver that `contexts` belongs to
  std::vector<CUcontext> contexts;
  CUstreamCaptureMode capture_mode = CU_STREAM_CAPTURE_MODE_GLOBAL;
};

struct InjectedFault {
  std::optional<FunctionId> function;
  uint64_t calls_left = 0;
  CUresult error = CUDA_SUCCESS;
  bool sticky = false;
};

struct State {
  static constexpr int kMaxDevices = 8;
  static constexpr size_t kLogged = size_t{1} << 20;  ///< calls and kernels; more are only counted

  Engine engine;  // its mutex guards all the rest
  Options options;
  uint64_t epoch = 1;
  bool initialised = false;
  std::unique_ptr<Memory> memory;
  std::array<Context, kMaxDevices> contexts;
  std::map<CUstream, StreamPtr> streams;
  std::vector<StreamPtr> leaving;  // destroyed; work may be left
  std::map<CUevent, std::shared_ptr<Event>> events;
  std::map<CUmemoryPool, PoolPtr> pools;
  std::map<CUlibrary, std::shared_ptr<Library>> libraries;
  std::map<CUkernel, std::shared_ptr<Kernel>> kernels;
  std::map<CUfunction, Function> functions;
  std::map<CUgraph, std::shared_ptr<Graph>> graphs;
  std::map<CUgraphExec, ExecPtr> execs;
  std::vector<ExecPtr> leaving_execs;  // destroyed, with a launch under way
  std::map<CUuserObject, UserObjectPtr> user_objects;
  std::vector<CapturePtr> captures;  // that have not ended
  std::vector<Allocation> retired;   // host memory of contexts that were reset: nobody may touch it any more
  QueuePtr destructors;              // runs those of user objects

  std::vector<InjectedFault> injected;
  std::vector<FunctionId> log;
  std::array<uint64_t, static_cast<size_t>(FunctionId::kCount)> call_counts{};
  std::vector<std::string> kernel_log;
  kernels::Traffic traffic;

  uint64_t new_id() noexcept { return ++last_id_; }
  template <class Handle>
  Handle new_handle() noexcept {
    return reinterpret_cast<Handle>(kFirstHandle + 16 * new_id());
  }

  int device_count() const noexcept { return options.devices; }
  Context& context_of(int device) { return contexts[static_cast<size_t>(device)]; }
  /// Null where it is none of ours.
  Context* find_context(CUcontext handle) noexcept;

  void activate(Context& context);
  /// All that the context held is gone. Waits for work that is running.
  void deactivate(Lock& lock, Context& context);
  void fail(Context& context, CUresult error, const std::string& fault);
  /// A device that failed for good has stopped before anybody is told.
  void stop_failed(Lock& lock);
  void start(const Options& wanted);
  void stop(Lock& lock);

  /// Destroyed ones included.
  std::vector<StreamPtr> streams_of(const Context& context);
  void wait_for_context(Lock& lock, const Context& context);
  void forget_allocation(const Allocation& allocation);
  void release_user_object(CUuserObject handle, uint64_t count);
  void drop_user_objects(Graph& graph);
  void drop_graph(Graph& graph);
  /// Its memory goes with the last executable graph made from it. `graph` is null afterwards.
  void let_go(std::shared_ptr<Graph>& graph);
  void drop_exec(Exec& exec);
  /// Memory that pools keep above their threshold goes back. As of now, this is what the driver does when a host waits.
  void trim_pools();
  void trim_pool(Pool& pool, uint64_t keep_bytes);
  /// The error that was asked for this call, if any.
  CUresult count_call(FunctionId function, Thread& thread);

 private:
  static constexpr uintptr_t kFirstHandle = 0x5D0000000000;  // looks like a pointer, leads nowhere
  void end_captures(const Context& context);
  void deactivate_streams(Lock& lock, Context& context);
  std::vector<QueuePtr> queues_of(const Context& context);
  uint64_t last_id_ = 0;
};

/// Made at the first use, never destroyed.
[[nodiscard]] State& state();
/// True in a child of a process that had initialised the driver.
[[nodiscard]] bool lost_in_fork() noexcept;
[[nodiscard]] Thread& this_thread(const State& state);

/// One call, under the lock.
struct Call {
  State& state;
  Lock& lock;
  Thread& thread;

  /// The current one. Refuses as a driver does where there is none, it is inactive or it failed.
  Context& context();
  Context& valid_context(CUcontext handle);
  int device(CUdevice device) const;
  StreamPtr stream(CUstream handle);
  Event& event(CUevent handle);
  Pool& pool(CUmemoryPool handle);

  /// Queues work in stream order, or adds it to the capture; null then. `depends_on`: besides what the stream implies.
  OpPtr submit(Stream& stream, std::function<void()> work, std::vector<OpPtr> depends_on = {}, bool callback = false);
  void wait(const OpPtr& op);
  /// Runs `function` without the lock and in ThreadSanitizer's sight.
  template <class F>
  void unlocked(F function) {
    lock.unlock();
    try {
      const Loud loud;
      function();
    } catch (...) {
      lock.lock();
      throw;
    }
    lock.lock();
  }

  /// Refuses what a capture forbids (synchronous allocation, waiting, queries), and invalidates the capture.
  void forbid_while_capturing();
  void refuse_capturing(Stream& stream);
  /// The legacy stream synchronises with blocking streams; it cannot while one of them captures.
  void check_implicit(const Stream& stream);
};

/// The edge of every call. `arguments` is handed to `body`.
CUresult enter(FunctionId function, CUresult (*body)(Call& call, void* arguments), void* arguments) noexcept;

}  // namespace strideport::simulated
