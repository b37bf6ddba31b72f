/// What tests do to the simulated driver that no driver lets one do: fail the n-th call, reset a device behind the
/// library's back, count what is alive, see which functions were called, and start afresh with another machine.
///
/// Any thread, at any time; but `restart` only while no other thread is in a call of the driver. Handles from
/// before a restart are never used again, so that stale ones are refused.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "device/driver/driver.hpp"
#include "device/kernels/simulate.hpp"

namespace strideport::simulated {

enum class Batch : uint8_t { none, v12080, v13000 };  ///< which cuMemcpyBatchAsync the table has

/// What cuPointerGetAttributes answers for memory that it does not know. Drivers do both.
enum class UnknownPointers : uint8_t { zeros, invalid_context_without_context };

struct Options {
  int devices = 0;                 ///< 0 to 8
  uint64_t seed = 0;               ///< 0: streams run freely; else one piece of work at a time, in a drawn order
  uint64_t capacity_bytes = 0;     ///< of each device; 0: 8 GiB for all of them together
  bool pools = true;               ///< CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED
  bool peer_access = true;         ///< between any two devices
  bool concurrent_managed = true;  ///< CU_DEVICE_ATTRIBUTE_CONCURRENT_MANAGED_ACCESS
  Batch batch = Batch::v12080;
  int driver_version = 12080;
  UnknownPointers unknown_pointers = UnknownPointers::zeros;
  kernels::MachineKind machine = kernels::MachineKind::fast;
};

/// What the environment asks for; the options of a process that never called `restart`.
[[nodiscard]] Options options_from_environment();

/// Lets the work that has begun end, forgets the rest, and everything that was ever made. The next call must be cuInit,
/// which `table()` does.
void restart(const Options& options);
[[nodiscard]] Options options();

// Faults. Calls are counted from 1, from the moment of asking, over all functions or over one ("MemAlloc", as in the
// table). The call does nothing and returns `error`; but a call that gives something back (frees, destroys, releases,
// unregisters, trims, pops a context) does that and returns the error too, as a driver does that reports there what
// failed earlier. Sticky: the current context fails for good with that error, as after an illegal address (without one,
// all contexts).
void fail_call(uint64_t nth, CUresult error, bool sticky = false);
void fail_call(std::string_view function, uint64_t nth, CUresult error, bool sticky = false);
/// Takes back what has not struck yet. True if there was none left: what was asked for has happened.
bool clear_faults();

/// Calls since the last restart or `forget_calls`, refused ones included; of one function, or of all.
[[nodiscard]] uint64_t calls(std::string_view function);
[[nodiscard]] uint64_t calls();
/// The functions called since then, in order: "MemAlloc", ...
[[nodiscard]] std::vector<std::string> call_log();
void forget_calls();

/// Somebody else resets a device's primary context: its memory, streams, events and pools are gone, pending work with
/// them. Where they use it again (`used_again`), the context is active under a new id; else it is inactive.
void reset_device(int device, bool used_again = true);

/// Makes the context of a device fail for good, as a kernel does that touches memory which is not there.
void fail_device(int device, CUresult error);
/// What went wrong on a device that failed: the kernel's fault, or which copy met no memory. Empty where nothing did.
[[nodiscard]] std::string fault(int device);

/// How many of each are alive, on all devices. Work that has not run yet may still hold some: synchronise first.
struct Live {
  int64_t device_allocations = 0;  ///< of cuMemAlloc
  int64_t pool_allocations = 0;    ///< not freed, in stream order, by those who run
  int64_t graph_allocations = 0;
  int64_t pinned_allocations = 0;  ///< of cuMemHostAlloc
  int64_t registrations = 0;
  int64_t managed_allocations = 0;
  int64_t pools = 0;
  int64_t streams = 0;  ///< created, not destroyed; default streams do not count
  int64_t events = 0;
  int64_t graphs = 0;
  int64_t graph_execs = 0;
  int64_t user_objects = 0;  ///< whose destructor has not run
  int64_t libraries = 0;
  int64_t retained_contexts = 0;  ///< retains without a release

  friend bool operator==(const Live&, const Live&) = default;
};
[[nodiscard]] Live live();
[[nodiscard]] std::string to_string(const Live& live);

/// Kernels that ran since the last restart or `forget_calls`, by name; and what the counting machine counted for them.
[[nodiscard]] std::vector<std::string> kernel_log();
[[nodiscard]] kernels::Traffic traffic();

/// Where the host finds the bytes of device memory, for tests that look at it without a copy; null for an address that
/// is not in the window.
[[nodiscard]] std::byte* host_view(CUdeviceptr address);

}  // namespace strideport::simulated
