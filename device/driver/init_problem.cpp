#include "device/driver/init_problem.hpp"

#include "device/driver/error.hpp"

namespace strideport::driver {
namespace {

struct Problem {
  int error;  ///< by number: older headers lack some of the names
  const char* name;
  const char* what;
  const char* advice;
};

// The driver's own text for most of these is the name again. What leads to them, from the comments in cuda.h, and from
// what maintainers of other projects answer to those who meet them.
constexpr Problem kProblems[] = {
    {2, "CUDA_ERROR_OUT_OF_MEMORY", "no memory: the driver found too little to start",
     "free memory of the host or the GPU"},
    {3, "CUDA_ERROR_NOT_INITIALIZED",
     "forked process: the driver was initialised before the fork, and cannot be used in the child",
     "start the process by spawn or forkserver, or fork before anything uses a GPU"},
    {4, "CUDA_ERROR_DEINITIALIZED", "no driver any more: the process is ending", "use devices before its exit begins"},
    {34, "CUDA_ERROR_STUB_LIBRARY",
     "not a driver: the library is the CUDA toolkit's stub, which is there to link against",
     "take the folder 'stubs' out of LD_LIBRARY_PATH, and install NVIDIA's driver"},
    {36, "CUDA_ERROR_CALL_REQUIRES_NEWER_DRIVER", "driver too old: its kernel module is older than its library",
     "update the driver of the machine"},
    {46, "CUDA_ERROR_DEVICE_UNAVAILABLE", "no device: the GPU is busy or unavailable",
     "look at nvidia-smi for its compute mode and for another process that holds it"},
    {100, "CUDA_ERROR_NO_DEVICE", "no device: the driver sees no GPU",
     "look at nvidia-smi, at CUDA_VISIBLE_DEVICES, and at whether a container was given the GPU"},
    {101, "CUDA_ERROR_INVALID_DEVICE", "no device: the driver was told of a GPU that is not there",
     "look at nvidia-smi -L and at CUDA_VISIBLE_DEVICES"},
    {214, "CUDA_ERROR_ECC_UNCORRECTABLE", "broken device: the GPU's memory has an uncorrectable error",
     "look at nvidia-smi -q -d ECC, and reset the GPU"},
    {304, "CUDA_ERROR_OPERATING_SYSTEM", "no device: a call to the operating system failed",
     "look at the rights on /dev/nvidia*, at the kernel's log, and at whether a container was given the GPU"},
    {800, "CUDA_ERROR_NOT_PERMITTED", "no permission: this process may not use the GPU",
     "look at the rights on /dev/nvidia*"},
    {802, "CUDA_ERROR_SYSTEM_NOT_READY", "system not ready: a service that the GPUs need is not running",
     "start nvidia-fabricmanager where GPUs are joined by switches"},
    {803, "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH",
     "driver mismatch: the library and the kernel module have different versions",
     "restart the machine after an update of the driver; a container must use the library of its host"},
    {804, "CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE",
     "driver mismatch: a forward compatibility library was loaded, which this GPU does not take",
     "take cuda-compat out of LD_LIBRARY_PATH, and update the driver instead"},
    {805, "CUDA_ERROR_MPS_CONNECTION_FAILED", "MPS failed: the control daemon cannot be reached",
     "look at CUDA_MPS_PIPE_DIRECTORY and at whether nvidia-cuda-mps-control runs, for the same user"},
    {806, "CUDA_ERROR_MPS_RPC_FAILURE", "MPS failed: a call between client and server failed",
     "look into the log of the MPS server, and restart it"},
    {807, "CUDA_ERROR_MPS_SERVER_NOT_READY", "MPS not ready: its server takes no clients now",
     "try again; it may be starting, or recovering from a fault of another client"},
    {808, "CUDA_ERROR_MPS_MAX_CLIENTS_REACHED", "MPS is full: it takes no more clients", "end one of the others"},
    {809, "CUDA_ERROR_MPS_MAX_CONNECTIONS_REACHED", "MPS is full: the device takes no more connections",
     "lower CUDA_DEVICE_MAX_CONNECTIONS, or end another client"},
    {810, "CUDA_ERROR_MPS_CLIENT_TERMINATED", "MPS ended this client", "start the process again"},
    {999, "CUDA_ERROR_UNKNOWN", "driver failed for a reason that it does not know",
     "look at whether nvidia-smi works and /dev/nvidia-uvm is there (nvidia-modprobe -u makes it), and restart the "
     "machine"},
};

}  // namespace

std::string init_problem(const Driver& driver, CUresult error) {
  for (const Problem& problem : kProblems) {
    if (problem.error != static_cast<int>(error)) continue;
    return std::string(problem.what) + " (cuInit: " + problem.name + ", " + std::to_string(problem.error) + "); " +
           problem.advice;
  }
  return "driver failed: cuInit failed with " + describe(driver, error) + "; look at whether nvidia-smi works";
}

}  // namespace strideport::driver
