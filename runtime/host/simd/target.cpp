#include "runtime/host/simd/target.hpp"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "runtime/host/simd/highway.hpp"
#include "strideport/error.hpp"

namespace strideport::host::simd {
namespace {

struct Found {
  Target at[kTargets];
  size_t count = 0;

  void add(Target target) noexcept { at[count++] = target; }
};

Found find() noexcept {
  Found found;
#if HWY_ARCH_X86
  __builtin_cpu_init();
  const bool sse4 = __builtin_cpu_supports("sse4.2");
  const bool avx2 = sse4 && __builtin_cpu_supports("avx2");
  const bool avx3 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                    __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  // Highway's AVX3_DL has AVX-VNNI, VAES and VPCLMULQDQ too, which no loop that copies is compiled to; later ones shift
  // bytes by GFNI.
  const bool avx3_dl = avx3 && __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vbmi2") &&
                       __builtin_cpu_supports("avx512bitalg") && __builtin_cpu_supports("avx512vpopcntdq") &&
                       __builtin_cpu_supports("gfni");
  if (avx3_dl) found.add(Target::avx3_dl);
  if (avx3) found.add(Target::avx3);
  if (avx2) found.add(Target::avx2);
  if (sse4) found.add(Target::sse4);
#elif STRIDEPORT_HAS_NEON
  found.add(Target::neon);
#endif
  found.add(Target::plain);
  return found;
}

// A bad value must not make every copy fail: it is reported once, and the default holds.
Target first_target() noexcept {
  const char* const wanted = std::getenv("STRIDEPORT_SIMD");
  if (wanted == nullptr || *wanted == '\0') return targets().front();
  for (const Target target : targets()) {
    if (std::string_view(wanted) == name(target)) return target;
  }
  std::fprintf(stderr,
               "strideport: STRIDEPORT_SIMD is '%.100s', no instruction set of this machine; the best is '%s'\n",
               wanted, name(targets().front()));
  return targets().front();
}

std::atomic<Target>& in_use() noexcept {
  static std::atomic<Target> target = first_target();
  return target;
}

}  // namespace

const char* name(Target target) noexcept {
  static constexpr const char* kNames[kTargets] = {"avx3_dl", "avx3", "avx2", "sse4", "neon", "plain"};
  return kNames[static_cast<size_t>(target)];
}

std::span<const Target> targets() noexcept {
  static const Found found = find();
  return {found.at, found.count};
}

Target target() noexcept { return in_use().load(std::memory_order_relaxed); }

void set_target(Target target) {
  for (const Target one : targets()) {
    if (one == target) return in_use().store(target, std::memory_order_relaxed);
  }
  throw InvalidArgument(std::string("the instruction set ") + name(target) + " is not of this machine");
}

}  // namespace strideport::host::simd
