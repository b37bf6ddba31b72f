/// What this build is and can reach, and the threads that it uses.
#include <string>

#include "arguments.hpp"
#include "call_adapters.hpp"
#include "dlpack_capsule.hpp"
#include "functions.hpp"
#include "ref.hpp"

namespace strideport::python {
namespace {

#if defined(__clang__)
constexpr const char* kCompiler = "clang " __clang_version__;
#else
constexpr const char* kCompiler = "gcc " __VERSION__;
#endif

#ifdef Py_LIMITED_API
constexpr const char* kAbi = "abi3, from CPython 3.11 on";
#else
constexpr const char* kAbi = "CPython " PY_VERSION;
#endif

/// A build without one says so of every device.
bool has_device_side() {
  const GilRelease initialising;
  return why_no_device(DeviceType::simulated).find("STRIDEPORT_CUDA") == std::string::npos;
}

}  // namespace

PyObject* fn_num_threads(ModuleState*, PyObject*) { return checked(PyLong_FromLong(num_threads())); }

PyObject* fn_set_num_threads(ModuleState*, PyObject* threads) {
  const int64_t number = parse_int(threads, "threads");
  if (number < 0 || number > INT32_MAX) {
    raise(PyExc_ValueError, "threads %lld: a number of threads, or 0 for the default", static_cast<long long>(number));
  }
  set_num_threads(static_cast<int>(number));
  Py_RETURN_NONE;
}

PyObject* fn_build_info(ModuleState*, PyObject*) {
  const std::string dlpack = std::to_string(kDLPackMajor) + "." + std::to_string(kDLPackMinor);
  return checked(Py_BuildValue("{s:s,s:s,s:s,s:s,s:s,s:O}", "version", STRIDEPORT_VERSION, "compiler", kCompiler, "abi",
                               kAbi, "python_headers", PY_VERSION, "dlpack", dlpack.c_str(), "cuda",
                               has_device_side() ? Py_True : Py_False));
}

}  // namespace strideport::python
