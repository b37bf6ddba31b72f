/// Which indices a slice picks, by going through all of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "strideport/view_ops.hpp"

namespace strideport::testing {

/// A slice by its definition: of the indices in the direction of the step, those between the bounds, every step-th.
inline std::vector<int64_t> sliced_indices(const Slice& slice, int64_t extent) {
  __extension__ typedef __int128 Wide;
  const auto bound = [&](std::optional<int64_t> given, Wide otherwise) {
    return given ? Wide{*given} + (*given < 0 ? extent : 0) : otherwise;
  };
  std::vector<int64_t> between;
  if (slice.step > 0) {
    const Wide start = bound(slice.start, 0), stop = bound(slice.stop, extent);
    for (int64_t i = 0; i < extent; ++i) {
      if (i >= start && i < stop) between.push_back(i);
    }
  } else {
    const Wide start = bound(slice.start, extent - 1), stop = bound(slice.stop, -1);
    for (int64_t i = extent - 1; i >= 0; --i) {
      if (i <= start && i > stop) between.push_back(i);
    }
  }
  std::vector<int64_t> result;
  const Wide step = slice.step > 0 ? Wide{slice.step} : -Wide{slice.step};
  for (size_t i = 0; i < between.size(); ++i) {
    if (static_cast<Wide>(i) % step == 0) result.push_back(between[i]);
  }
  return result;
}

}  // namespace strideport::testing
