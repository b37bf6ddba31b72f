#include "device/kernels/registry.hpp"

#include <array>

#include "device/kernels/families.hpp"

namespace strideport::kernels {

std::span<const std::span<const Kernel>> kernel_families() noexcept {
  // clang-format off
  static const std::array families{
      contiguous_kernels(),
      fill_kernels(),
      generic_kernels(),
      interleave_kernels(),
      repeat_kernels(),
      row_words_kernels(),
      rows_kernels(),
      strided_units_kernels(),
      strided_vectors_kernels(),
      tile_bytes_kernels(),
      tile_items_kernels(),
      tile_words_kernels(),
  };
  // clang-format on
  return families;
}

const Kernel* find_kernel(std::string_view name) noexcept {
  for (const std::span<const Kernel> family : kernel_families()) {
    for (const Kernel& kernel : family) {
      if (name == kernel.name) return &kernel;
    }
  }
  return nullptr;
}

}  // namespace strideport::kernels
