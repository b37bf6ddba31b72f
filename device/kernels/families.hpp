/// The families of kernels: what each does with a problem that is its kind. `prepare` (launch.hpp) chooses among them;
/// tests ask them one by one.
#pragma once

#include <span>

#include "device/kernels/params.hpp"
#include "device/kernels/registry.hpp"

namespace strideport::kernels {

// Each fills `launch` and returns true, or returns false where the problem is not of its kind; the launch is then
// unspecified.
bool prepare_contiguous(Launch& launch, const Problem& problem);  ///< A: one run
bool prepare_rows(Launch& launch, const Problem& problem);        ///< B: runs of 64 bytes or more, at any addresses
bool prepare_row_words(Launch& launch, const Problem& problem);   ///< B: short runs at any addresses
bool prepare_fill(Launch& launch, const Problem& problem);        ///< F: dense in dst, and all of it one item of src
bool prepare_repeat(Launch& launch, const Problem& problem);      ///< F: some outer dimension stands still in src
bool prepare_tile(Launch& launch, const Problem& problem);  ///< C: what is dense in dst and what is dense in src differ
bool prepare_interleave(Launch& launch, const Problem& problem);  ///< C: pixels of 2 to 4 channels and planes
bool prepare_strided(Launch& launch,
                     const Problem& problem);  ///< D, E: long rows with gaps on either side, or reversed
bool prepare_generic(Launch& launch, const Problem& problem);       ///< G: all problems are its kind
bool prepare_generic_many(Launch& launch, const Problem& problem);  ///< G for 2^31 units and more; fewer will do

std::span<const Kernel> contiguous_kernels() noexcept;
std::span<const Kernel> fill_kernels() noexcept;
std::span<const Kernel> generic_kernels() noexcept;
std::span<const Kernel> interleave_kernels() noexcept;
std::span<const Kernel> repeat_kernels() noexcept;
std::span<const Kernel> row_words_kernels() noexcept;
std::span<const Kernel> rows_kernels() noexcept;
std::span<const Kernel> strided_units_kernels() noexcept;
std::span<const Kernel> strided_vectors_kernels() noexcept;
std::span<const Kernel> tile_bytes_kernels() noexcept;
std::span<const Kernel> tile_items_kernels() noexcept;
std::span<const Kernel> tile_words_kernels() noexcept;

}  // namespace strideport::kernels
