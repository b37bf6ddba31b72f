/// The kernels as nvcc left them, inside of this library: one fat binary, for cuLibraryLoadData.
#pragma once

#include <cstddef>
#include <span>

extern "C" {
extern const std::byte strideport_fatbin_begin[] __attribute__((visibility("hidden")));
extern const std::byte strideport_fatbin_end[] __attribute__((visibility("hidden")));
}

namespace strideport {

[[nodiscard]] inline std::span<const std::byte> fatbin() noexcept {
  return {strideport_fatbin_begin, strideport_fatbin_end};
}

}  // namespace strideport
