/// What ThreadSanitizer is told of the simulated driver.
///
/// A GPU's driver synchronises host threads and streams only where its documentation says so. This one has a mutex,
/// which would order everything with everything in ThreadSanitizer's eyes, and hide that a caller forgot to wait. So
/// the driver does its bookkeeping in a `Quiet` scope, in which the tool looks away, and states each order that a
/// caller may rely on by `publish` and `receive` on a common key. Without the tool all of this is nothing, and the
/// mutex is what orders.
#pragma once

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define STRIDEPORT_SIMULATED_TSAN 1
#endif
#elif defined(__SANITIZE_THREAD__)
#define STRIDEPORT_SIMULATED_TSAN 1
#endif

#if defined(STRIDEPORT_SIMULATED_TSAN)
extern "C" {
void AnnotateIgnoreSyncBegin(const char* file, int line);
void AnnotateIgnoreSyncEnd(const char* file, int line);
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
void __tsan_acquire(void* key);
void __tsan_release(void* key);
}
#endif

namespace strideport::simulated {

#if defined(STRIDEPORT_SIMULATED_TSAN)
inline void look_away() noexcept {
  AnnotateIgnoreSyncBegin(__FILE__, __LINE__);
  AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
  AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
}
inline void look_again() noexcept {
  AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
  AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
  AnnotateIgnoreSyncEnd(__FILE__, __LINE__);
}
/// All that this thread did so far comes before what others do after `receive(key)`. Not in a Quiet scope.
inline void publish(const void* key) noexcept { __tsan_release(const_cast<void*>(key)); }
inline void receive(const void* key) noexcept { __tsan_acquire(const_cast<void*>(key)); }
#else
inline void look_away() noexcept {}
inline void look_again() noexcept {}
inline void publish(const void*) noexcept {}
inline void receive(const void*) noexcept {}
#endif

/// Scopes nest. `Loud` is for what a Quiet scope calls on behalf of the user: copies, kernels, host functions.
class Quiet {
 public:
  Quiet() noexcept { look_away(); }
  ~Quiet() { look_again(); }
  Quiet(const Quiet&) = delete;
  Quiet& operator=(const Quiet&) = delete;
};

class Loud {
 public:
  Loud() noexcept { look_again(); }
  ~Loud() { look_away(); }
  Loud(const Loud&) = delete;
  Loud& operator=(const Loud&) = delete;
};

}  // namespace strideport::simulated
