// A library that answers as a CUDA driver without devices does, to be loaded in the driver's place. The environment
// says what is wrong with it; what is said at each call holds:
//
//   STAND_IN_VERSION  what cuDriverGetVersion says (13000), or the error that it returns (-34)
//   STAND_IN_INIT     the error that cuInit returns (0)
//   STAND_IN_LACKS    a function that it does not have
//   STAND_IN_NEWER    a function that it has in a later version only than whichever is asked for
//   STAND_IN_OLD_BATCH  if set, cuMemcpyBatchAsync is there as of CUDA 12.8 alone
//   STAND_IN_STRICT   if set, everything wants cuInit first
//   STAND_IN_SPEECHLESS  if set, cuGetErrorName knows no error
//
// As a stranger it shares no header with the library: names, numbers and signatures are those of NVIDIA's
// documentation.

#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <utility>

namespace {

constexpr int kSuccess = 0, kInvalidValue = 1, kNotInitialized = 3, kInvalidContext = 201, kNotSupported = 801;
constexpr int kFunctions = 160;

int number(const char* variable, int otherwise) {
  const char* text = std::getenv(variable);
  return text != nullptr ? std::atoi(text) : otherwise;
}
bool names(const char* variable, const std::string& name) {
  const char* text = std::getenv(variable);
  return text != nullptr && name == text;
}

std::atomic<int> init_calls{0};
std::atomic<int> wrong_flags{0};
std::atomic<pid_t> initialised_by{0};

// As the real one does: what was initialised before a fork cannot be initialised again after it.
int init(unsigned flags) {
  ++init_calls;
  if (flags != 0) return kInvalidValue;
  if (const int error = number("STAND_IN_INIT", 0); error != 0) return error;
  if (initialised_by != 0 && initialised_by != getpid()) return kNotInitialized;
  initialised_by = getpid();
  return kSuccess;
}

bool too_early() { return std::getenv("STAND_IN_STRICT") != nullptr && initialised_by != getpid(); }

int get_version(int* version) {
  if (too_early()) return kNotInitialized;
  const int said = number("STAND_IN_VERSION", 13000);
  if (said < 0) return -said;
  *version = said;
  return kSuccess;
}

int device_count(int* count) {
  *count = 0;
  return initialised_by == getpid() ? kSuccess : kNotInitialized;
}

// No memory is known to it, and there is no context to ask about.
int pointer_attributes(unsigned, int*, void**, uint64_t) { return kInvalidContext; }

int error_name(int error, const char** text) {
  *text = nullptr;
  if (error != 719 || std::getenv("STAND_IN_SPEECHLESS") != nullptr) return kInvalidValue;
  *text = "CUDA_ERROR_LAUNCH_FAILED";
  return kSuccess;
}
int error_string(int error, const char** text) {
  *text = error == 719 ? "unspecified launch failure" : nullptr;
  return error == 719 ? kSuccess : kInvalidValue;
}

// Every other function has an address of its own, and does nothing.
volatile int last_refused = -1;
template <int kNumber>
int refuse() {
  last_refused = kNumber;
  return kNotSupported;
}
template <int... kNumbers>
void* refusing(int wanted, std::integer_sequence<int, kNumbers...>) {
  void* const all[] = {reinterpret_cast<void*>(&refuse<kNumbers>)...};
  return all[wanted];
}

void* address_of(const std::string& name, int version) {
  if (name == "cuInit") return reinterpret_cast<void*>(&init);
  if (name == "cuDriverGetVersion") return reinterpret_cast<void*>(&get_version);
  if (name == "cuDeviceGetCount") return reinterpret_cast<void*>(&device_count);
  if (name == "cuPointerGetAttributes") return reinterpret_cast<void*>(&pointer_attributes);
  if (name == "cuGetErrorName") return reinterpret_cast<void*>(&error_name);
  if (name == "cuGetErrorString") return reinterpret_cast<void*>(&error_string);
  static std::mutex guard;
  static auto* const given = new std::map<std::pair<std::string, int>, int>();
  const std::lock_guard<std::mutex> lock(guard);
  const int next = static_cast<int>(given->size());
  const int wanted = given->emplace(std::pair(name, version), next).first->second;
  return wanted < kFunctions ? refusing(wanted, std::make_integer_sequence<int, kFunctions>()) : nullptr;
}

// The version in which the variant that is given for `asked` came. Only what the tests need.
int variant(const std::string& name, int asked) {
  if (name != "cuMemcpyBatchAsync") return asked;
  if (asked >= 13000) return std::getenv("STAND_IN_OLD_BATCH") == nullptr ? 13000 : 0;
  return asked >= 12080 ? 12080 : 0;
}

}  // namespace

#define STAND_IN_EXPORT extern "C" __attribute__((visibility("default")))

STAND_IN_EXPORT int cuInit(unsigned flags) { return init(flags); }
STAND_IN_EXPORT int cuDriverGetVersion(int* version) { return get_version(version); }

// Drivers before 12.0 have a cuGetProcAddress without the last argument alone.
#ifndef STAND_IN_ENTRY_POINT
#define STAND_IN_ENTRY_POINT cuGetProcAddress_v2
#endif
STAND_IN_EXPORT int STAND_IN_ENTRY_POINT(const char* symbol, void** address, int version, uint64_t flags, int* status) {
  constexpr uint64_t kLegacyStream = 1;
  constexpr int kFound = 0, kNotFound = 1, kVersionNotSufficient = 2;
  *address = nullptr;
  if (too_early()) return kNotInitialized;
  if (flags != kLegacyStream) ++wrong_flags;
  if (const int said = number("STAND_IN_VERSION", 13000); version > said) return kInvalidValue;
  const int given = variant(symbol, version);
  *status = names("STAND_IN_LACKS", symbol)                 ? kNotFound
            : names("STAND_IN_NEWER", symbol) || given == 0 ? kVersionNotSufficient
                                                            : kFound;
  if (*status == kFound) *address = address_of(symbol, given);
  return kSuccess;
}

// For the tests.
STAND_IN_EXPORT void* stand_in_address(const char* name, int version) { return address_of(name, version); }
STAND_IN_EXPORT int stand_in_init_calls() { return init_calls; }
STAND_IN_EXPORT int stand_in_wrong_flags() { return wrong_flags; }
// As if no process had initialised the driver yet.
STAND_IN_EXPORT void stand_in_forget() { initialised_by = 0; }
