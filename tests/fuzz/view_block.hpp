/// The block that the fuzzer's views lie in, what it must hold, and the making of such views.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "strideport/buffer_view.hpp"
#include "strideport/error.hpp"
#include "tests/fuzz/input.hpp"
#include "tests/fuzz/modelled_view.hpp"
#include "tests/support/guarded.hpp"

namespace strideport::testing {

class ViewBlock {
 public:
  explicit ViewBlock(Input& input) : input_(input), block_(the_block()), expected_(pattern()) {
    std::memcpy(block_.begin(), expected_.data(), expected_.size());
  }

  void check() const {
    const int difference = std::memcmp(block_.begin(), expected_.data(), expected_.size());
    require(difference == 0, "the whole block is what it should be");
  }

  /// The bytes of all elements.
  std::vector<std::byte> values(const Modelled& from) const {
    std::vector<std::byte> result;
    result.reserve(from.at.size() * static_cast<size_t>(from.itemsize()));
    for (const uintptr_t address : from.bytes()) result.push_back(expected_[place(address)]);
    return result;
  }

  /// What a copy must do.
  void write_by_hand(const Modelled& to, const std::vector<std::byte>& bytes) {
    const std::vector<uintptr_t> where = to.bytes();
    require(where.size() == bytes.size(), "as many bytes as elements take");
    for (size_t i = 0; i < bytes.size(); ++i) expected_[place(where[i])] = bytes[i];
  }

  std::optional<Modelled> make_direct() {
    const int64_t itemsize = some_itemsize(input_);
    const uint8_t ndim = input_.byte();
    const Index shape = some_shape(ndim < 250 ? ndim % 6 : ndim % 11);
    const Index strides = some_strides(shape, itemsize);
    const auto buf = some_place(shape, strides, itemsize);
    if (!buf) return std::nullopt;
    Modelled made{BufferView::create(spec_of(*buf, shape, strides, itemsize)), shape, {}, false};
    for_each_index(shape, [&](const Index& index) {
      made.at.push_back(element_address(reinterpret_cast<void*>(*buf), strides, {}, index));
    });
    return made;
  }

  /// One table of rows, or a table of tables; rows lie anywhere in the block, on one another too.
  std::optional<Modelled> make_indirect() {
    const int64_t itemsize = some_itemsize(input_);
    const Index inner = some_shape(input_.pick(0, 2));
    const Index inner_strides = some_strides(inner, itemsize);
    const int64_t rows = input_.pick(1, 6);
    const int64_t groups = input_.pick(0, 3);  // 0: one table alone
    const int64_t suboffsets[] = {input_.pick(0, 9), input_.pick(0, 9)};
    std::vector<uintptr_t> tables;
    for (int64_t group = 0; group < std::max<int64_t>(groups, 1); ++group) {
      std::vector<uintptr_t> targets;
      for (int64_t row = 0; row < rows; ++row) {
        const auto place = some_place(inner, inner_strides, itemsize);
        if (!place) return std::nullopt;
        targets.push_back(*place);
      }
      tables.push_back(table_of(targets, suboffsets[1]));
    }
    Index shape{rows}, strides{8}, indirections{suboffsets[1]};
    if (groups > 0) shape.insert(shape.begin(), groups), strides.insert(strides.begin(), 8);
    if (groups > 0) indirections.insert(indirections.begin(), suboffsets[0]);
    const uintptr_t buf = groups > 0 ? table_of(tables, suboffsets[0]) : tables[0];
    shape.insert(shape.end(), inner.begin(), inner.end());
    strides.insert(strides.end(), inner_strides.begin(), inner_strides.end());
    indirections.resize(shape.size(), -1);
    if (product(shape) > kMostElements) return std::nullopt;
    ViewSpec spec = spec_of(buf, shape, strides, itemsize);
    spec.suboffsets = indirections;
    spec.memory.reset();
    Modelled made{BufferView::create(spec), shape, {}, false};
    for_each_index(shape, [&](const Index& index) {
      made.at.push_back(element_address(reinterpret_cast<void*>(buf), strides, indirections, index));
    });
    return made;
  }

  /// Numbers of any size: taken where every element lies in the block, and refused everywhere else.
  void try_wild() {
    const auto ndim = static_cast<size_t>(input_.pick(0, 4));
    Index shape(ndim), strides(ndim);
    for (int64_t& extent : shape) extent = input_.wide();
    for (int64_t& stride : strides) stride = input_.wide();
    const int64_t itemsize = input_.wide();
    const auto begin = reinterpret_cast<uintptr_t>(block_.begin());
    const uintptr_t buf = begin + static_cast<uintptr_t>(input_.wide());
    const bool negative = itemsize < 0 || std::any_of(shape.begin(), shape.end(), [](int64_t n) { return n < 0; });
    const bool empty = std::find(shape.begin(), shape.end(), 0) != shape.end();
    const std::optional<Wide> length = negative ? std::nullopt : length_of(shape, itemsize);
    const bool sound = length && (empty || lies_inside(buf, shape, strides, itemsize));
    bool taken = true;
    try {
      const BufferView view = BufferView::create(spec_of(buf, shape, strides, itemsize));
      require(view.len() == length.value_or(-1), "the length of a view");
    } catch (const InvalidArgument&) {
      taken = false;
    }
    require(taken == sound, "a view is made where all of it lies inside, and nowhere else");
  }

 private:
  __extension__ typedef __int128 Wide;

  static const Guarded& the_block() {
    static const Guarded block{4};
    return block;
  }

  /// Bytes of which neighbours, rows and pages differ.
  static const std::vector<std::byte>& pattern() {
    static const std::vector<std::byte> bytes = [] {
      std::vector<std::byte> made(the_block().size());
      for (size_t i = 0; i < made.size(); ++i) made[i] = static_cast<std::byte>(i * 37 + i / 256);
      return made;
    }();
    return bytes;
  }

  size_t place(uintptr_t address) const {
    const auto at = static_cast<size_t>(address - reinterpret_cast<uintptr_t>(block_.begin()));
    require(at < expected_.size(), "no element lies outside of the block");
    return at;
  }

  /// Extents of at most so many elements in all; sometimes 0, often 1.
  Index some_shape(int64_t ndim) {
    Index shape(static_cast<size_t>(ndim));
    int64_t left = kMostElements;
    for (int64_t& extent : shape) {
      const uint8_t kind = input_.byte();
      extent = kind < 128 ? kind % 6 : kind < 250 ? kind - 127 : 1;
      extent = std::min(extent, left);
      left /= std::max<int64_t>(extent, 1);
    }
    return shape;
  }

  /// Dense, dense with gaps, or of any kind; then some turned round or set to 0.
  Index some_strides(const Index& shape, int64_t itemsize) {
    Index strides(shape.size());
    std::vector<size_t> order(shape.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = order.size() - 1 - i;
    const int64_t kind = input_.pick(0, 5);
    if (kind == 1 || kind == 4) std::reverse(order.begin(), order.end());
    const auto middle = order.begin() + static_cast<std::ptrdiff_t>(order.size() / 2);
    if (kind == 2) std::rotate(order.begin(), middle, order.end());
    int64_t stride = itemsize;
    for (const size_t axis : order) {
      if (kind > 2) stride += input_.pick(0, 9);
      strides[axis] = kind == 5 ? input_.pick(-70, 70) : stride;
      stride *= std::max<int64_t>(shape[axis], 1);
      const uint8_t turn = input_.byte();
      if (turn > 200) strides[axis] = turn < 245 ? -strides[axis] : 0;
    }
    return strides;
  }

  static std::pair<Wide, Wide> reach(const Index& shape, const Index& strides, int64_t itemsize) {
    Wide lower = 0, upper = itemsize;
    for (size_t axis = 0; axis < shape.size(); ++axis) {
      const Wide far = Wide{strides[axis]} * (shape[axis] - 1);
      (far < 0 ? lower : upper) += far;
    }
    return {lower, upper};
  }

  /// Where the first element goes so that all of them lie in the block; nothing where they do not fit.
  std::optional<uintptr_t> some_place(const Index& shape, const Index& strides, int64_t itemsize) {
    const auto [lower, upper] = reach(shape, strides, itemsize);
    const auto size = static_cast<Wide>(block_.size());
    if (upper - lower > size) return std::nullopt;
    const Wide slack = size - (upper - lower);
    const uint8_t where = input_.byte();
    const Wide before = where < 80 ? slack : where < 160 ? 0 : static_cast<Wide>(input_.raw(2)) % (slack + 1);
    return reinterpret_cast<uintptr_t>(block_.begin()) + static_cast<uintptr_t>(before - lower);
  }

  ViewSpec spec_of(uintptr_t buf, const Index& shape, const Index& strides, int64_t itemsize) const {
    ViewSpec spec;
    spec.buf = reinterpret_cast<void*>(buf);
    spec.shape = shape;
    spec.strides = strides;
    spec.itemsize = itemsize;
    spec.memory = MemoryRange{block_.begin(), static_cast<int64_t>(block_.size())};
    return spec;
  }

  /// A table of so many pointers, each that much before its target.
  uintptr_t table_of(const std::vector<uintptr_t>& targets, int64_t suboffset) {
    tables_.push_back(std::make_unique<std::vector<uintptr_t>>(targets));
    for (uintptr_t& target : *tables_.back()) target -= static_cast<uintptr_t>(suboffset);
    return reinterpret_cast<uintptr_t>(tables_.back()->data());
  }

  bool lies_inside(uintptr_t buf, const Index& shape, const Index& strides, int64_t itemsize) const {
    const auto [lower, upper] = reach(shape, strides, itemsize);
    const auto first = static_cast<Wide>(buf);
    return first + lower >= static_cast<Wide>(reinterpret_cast<uintptr_t>(block_.begin())) &&
           first + upper <= static_cast<Wide>(reinterpret_cast<uintptr_t>(block_.end()));
  }

  /// The bytes of all elements; nothing where they, or the elements, are too many to count.
  static std::optional<Wide> length_of(const Index& shape, int64_t itemsize) {
    Wide count = 1;
    for (const int64_t extent : shape) {
      if (extent == 0) return 0;
    }
    for (const int64_t extent : shape) {
      count *= extent;
      if (count > INT64_MAX) return std::nullopt;
    }
    if (count * itemsize > INT64_MAX) return std::nullopt;
    return count * itemsize;
  }

  Input& input_;
  const Guarded& block_;
  std::vector<std::byte> expected_;
  std::vector<std::unique_ptr<std::vector<uintptr_t>>> tables_;
};

}  // namespace strideport::testing
