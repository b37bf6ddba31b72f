/// The geometry of tile transposes. A tile is kX units of the dimension that is dense in dst by kY units of the
/// dimension that is dense in src; one block moves it through shared memory, where it lies as dst wants it: kY rows of
/// 16-byte chunks.
///
/// The chunks of a row are swizzled: chunk c of row y lies at c ^ f(y), where f is linear over the bits of y. So the
/// place of (y + d, c) is the place of (y, c) with a constant xor-ed in where d and y have no bit in common, and the
/// address of a thread's further rows costs one instruction. f differs between any eight rows that eight neighbouring
/// lanes ever write at once: those of consecutive y, and those of every E-th y, where E units make a vector.
#pragma once

#include "device/kernels/bits.hpp"
#include "device/kernels/program.hpp"

namespace strideport::kernels {

struct TileParams {
  static constexpr int kMaxOuter = 64;

  Global dst;
  Global src;
  int64_t dst_y;  ///< bytes from one y to the next in dst
  int64_t src_x;  ///< bytes from one x to the next in src
  Divider<uint32_t> tiles_x;
  Divider<uint32_t> tiles_y;
  uint32_t last_x;  ///< units in the last tile of x
  uint32_t last_y;
  uint32_t vector_load;   ///< bool: src rows can be loaded in vectors where a tile holds whole vectors
  uint32_t vector_store;  ///< the same for dst rows
  Global src_begin;       ///< of all bytes that src reaches: what is loaded around the units stays inside
  Global src_end;
  OuterDims<kMaxOuter> outer;
};

struct Tile {
  Global dst;  ///< of x = y = 0 in the tile
  Global src;
  uint32_t nx;  ///< units of x in this tile
  uint32_t ny;
};

// x first: blocks that run at the same time share the sectors at the seams of dst rows.
template <uint32_t kUnit, uint32_t kX, uint32_t kY>
STRIDEPORT_PROGRAM Tile find_tile(const TileParams& p, uint32_t block) {
  const uint32_t row = p.tiles_x.quotient(block);
  const uint32_t x = p.tiles_x.remainder(block, row);
  const uint32_t batch = p.tiles_y.quotient(row);
  const uint32_t y = p.tiles_y.remainder(row, batch);
  const Offsets outer = p.outer.offsets(batch);
  Tile tile;
  tile.dst = advanced(advanced(p.dst, outer.dst), int64_t{x} * (kX * kUnit));
  tile.dst = advanced(tile.dst, wrapping_product(p.dst_y, y * kY));
  tile.src = advanced(advanced(p.src, outer.src), int64_t{y} * (kY * kUnit));
  tile.src = advanced(tile.src, wrapping_product(p.src_x, x * kX));
  tile.nx = x + 1 == p.tiles_x.divisor ? p.last_x : kX;
  tile.ny = y + 1 == p.tiles_y.divisor ? p.last_y : kY;
  return tile;
}

/// The place of chunk `c` of row `y` in shared memory.
template <uint32_t kChunks, class Swizzle>
STRIDEPORT_PROGRAM uint32_t chunk_place(uint32_t y, uint32_t c) {
  return y * (kChunks * 16) + ((c ^ (Swizzle::of(y) & 7)) * 16);
}

/// The same for chunk `c + e` of row `y + d`, from the place of (y, c): d and e are constants without bits of y and c.
template <uint32_t kChunks, class Swizzle>
STRIDEPORT_PROGRAM uint32_t chunk_place_further(uint32_t place, uint32_t d, uint32_t e = 0) {
  return (place ^ (((Swizzle::of(d) ^ e) & 7) * 16)) + d * (kChunks * 16);
}

/// Stores the tile in vectors. Program: its kX and so on, and its Swizzle.
template <class Program, class Machine>
STRIDEPORT_PROGRAM void store_chunks(const Machine& m, uint32_t thread, const TileParams& p, const Tile& tile) {
  constexpr uint32_t kChunks = Program::kChunks;
  constexpr uint32_t kRows = Program::kY * kChunks / Program::kThreads;  // of a thread
  const uint32_t c = thread % kChunks;
  const uint32_t y = thread / kChunks * kRows;
  const bool x_on = c * Program::kPerChunk < tile.nx;
  Global row = advanced(advanced(tile.dst, c * 16), wrapping_product(p.dst_y, y));
  const uint32_t place = chunk_place<kChunks, typename Program::Swizzle>(y, c);
  STRIDEPORT_UNROLL
  for (uint32_t d = 0; d < kRows; ++d) {
    const uint32_t there = chunk_place_further<kChunks, typename Program::Swizzle>(place, d);
    m.store(row, 0, m.template load_shared<Word16>(there), x_on && y + d < tile.ny);
    row = advanced(row, p.dst_y);
  }
}

}  // namespace strideport::kernels
