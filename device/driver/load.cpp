// Fills the table from a shared library.
//
// The order matters for the story that is told. A file that is not there, that is no library or that is no driver says
// so first; then the version, which needs no initialised driver, so that a too old one does not seem to lack functions;
// then the functions, those that put errors into words among them; cuInit last.

#include <dlfcn.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include "device/driver/driver.hpp"
#include "device/driver/error.hpp"
#include "device/driver/init_problem.hpp"

namespace strideport::driver {
namespace {

// Kernels run on drivers from the compiler's major version on (13.x: driver 580); the functions that we call are in all
// from 12.3 on, and 550 is the first long-lived one of them.
constexpr int kOldestVersion = CUDA_VERSION >= 13000 ? CUDA_VERSION / 1000 * 1000 : 12040;

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

std::string install_advice() {
  const std::string which = kOldestVersion == 12040   ? "550"
                            : kOldestVersion == 13000 ? "580"
                                                      : "for CUDA " + version_text(kOldestVersion);
  return "install NVIDIA's driver " + which + " or newer";
}

// The dynamic linker has no error codes, only words. Where the file that it misses is the library itself, and not one
// that the library needs, they name it before the reason (in glibc and in musl).
bool says_not_found(const std::string& words, const std::string& library) {
  return words.find(library + ": ") != std::string::npos &&
         words.find(std::generic_category().message(ENOENT)) != std::string::npos;
}

/// One attempt at one library. Every step returns false once it has noted what is wrong.
class Loading {
 public:
  explicit Loading(const char* library) : library_(library) {}

  Loaded run() {
    loaded_.usable = open() && find_entry() && check_version() && fill() && initialise();
    if (!loaded_.usable) loaded_.driver = Driver();
    return std::move(loaded_);
  }

 private:
  bool open() {
    handle_ = dlopen(library_.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle_ != nullptr) return true;
    const char* words = dlerror();
    const std::string why = words != nullptr ? words : "no reason given";
    if (says_not_found(why, library_)) {
      return fail("no driver: " + library_ + " was not found; " + install_advice() +
                  ", or start the container with access to the GPU");
    }
    return fail("unusable driver: the library cannot be loaded (" + why + "); reinstall NVIDIA's driver");
  }

  bool find_entry() {
    find_symbol(init_, "cuInit");
    find_symbol(get_version_, "cuDriverGetVersion");
    find_symbol(get_proc_address_, "cuGetProcAddress_v2");  // drivers before 12.0 have another one
    if (init_ == nullptr || get_version_ == nullptr) return fail_as_no_driver("cuInit and cuDriverGetVersion");
    return true;
  }

  bool check_version() {
    CUresult error = get_version_(&version_);
    // No driver is known to want this first, but the documentation of cuInit would allow it to.
    if (error == CUDA_ERROR_NOT_INITIALIZED && init_(0) == CUDA_SUCCESS) error = get_version_(&version_);
    if (error != CUDA_SUCCESS) return fail(init_problem(loaded_.driver, error), error);
    if (version_ < kOldestVersion) {
      return fail("driver too old: it supports CUDA " + version_text(version_) +
                  ", and this build of Strideport needs " + version_text(kOldestVersion) + "; " + install_advice());
    }
    return get_proc_address_ != nullptr || fail_as_no_driver("cuGetProcAddress");
  }

  bool fill() {
    Driver& driver = loaded_.driver;
#define STRIDEPORT_FIND(name, version) find(driver.name, "cu" #name, version)&&
    const bool complete = STRIDEPORT_DRIVER_FUNCTIONS(STRIDEPORT_FIND) true;
#undef STRIDEPORT_FIND
    if (!complete) return false;
    // The function lost an argument in 13.0, which an older driver is not to be asked for.
    if (version_ >= 13000) look_up(driver.MemcpyBatchAsync_13000, "cuMemcpyBatchAsync", 13000);
    if (version_ >= 12080 && driver.MemcpyBatchAsync_13000 == nullptr) {
      look_up(driver.MemcpyBatchAsync_12080, "cuMemcpyBatchAsync", 12080);
    }
    return true;
  }

  bool initialise() {
    const CUresult error = loaded_.driver.Init(0);
    return error == CUDA_SUCCESS || fail(init_problem(loaded_.driver, error), error);
  }

  struct Answer {
    CUresult error;
    CUdriverProcAddressQueryResult status;
  };

  // Leaves null what the driver does not have.
  template <class Function>
  Answer look_up(Function& function, const char* name, int version) {
    void* address = nullptr;
    Answer answer{CUDA_SUCCESS, CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND};
    answer.error = get_proc_address_(name, &address, version, CU_GET_PROC_ADDRESS_LEGACY_STREAM, &answer.status);
    const bool found = answer.error == CUDA_SUCCESS && answer.status == CU_GET_PROC_ADDRESS_SUCCESS;
    function = found ? reinterpret_cast<Function>(address) : nullptr;
    return answer;
  }

  template <class Function>
  bool find(Function& function, const char* name, int version) {
    const Answer answer = look_up(function, name, version);
    if (function != nullptr) return true;
    if (answer.error == CUDA_ERROR_STUB_LIBRARY || answer.error == CUDA_ERROR_NOT_INITIALIZED) {
      return fail(init_problem(loaded_.driver, answer.error),
                  answer.error);  // what every function of such a driver says
    }
    const bool other_version = answer.status == CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT;
    return fail("incomplete driver: " + library_ + ", which says that it supports CUDA " + version_text(version_) +
                    (other_version ? ", has no version of " : ", lacks ") + name + (other_version ? " for" : ", of") +
                    " CUDA " + version_text(version) + "; reinstall NVIDIA's driver",
                answer.error);
  }

  template <class Function>
  void find_symbol(Function& function, const char* name) const {
    function = reinterpret_cast<Function>(dlsym(handle_, name));
  }

  bool fail_as_no_driver(const std::string& missing) {
    return fail("not a driver: " + library_ + " has no " + missing +
                "; see where LD_LIBRARY_PATH leads, and reinstall NVIDIA's driver");
  }

  bool fail(std::string problem, CUresult error = CUDA_SUCCESS) {
    loaded_.problem = std::move(problem);
    loaded_.error = static_cast<int>(error);
    return false;
  }

  std::string library_;
  void* handle_ = nullptr;
  PFN_cuInit_v2000 init_ = nullptr;
  PFN_cuDriverGetVersion_v2020 get_version_ = nullptr;
  PFN_cuGetProcAddress_v12000 get_proc_address_ = nullptr;
  int version_ = 0;
  Loaded loaded_;
};

}  // namespace

Loaded load_driver(const char* library) { return Loading(library).run(); }

}  // namespace strideport::driver
