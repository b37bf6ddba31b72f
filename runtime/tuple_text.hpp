/// Shapes, strides and permutations as error messages print them: Python's tuples, "(4, 8)", "(3,)", "()".
#pragma once

#include <span>
#include <string>
#include <type_traits>

namespace strideport {

/// Cost: at most `kMaxNdim` numbers for anything that comes from a view.
template <class T>
std::string tuple_text(std::span<T> values) {
  static_assert(std::is_integral_v<std::remove_cv_t<T>>);
  std::string text = "(";
  for (size_t i = 0; i < values.size(); ++i) {
    if (i > 0) text += ", ";
    text += std::to_string(values[i]);
  }
  text += values.size() == 1 ? ",)" : ")";
  return text;
}

}  // namespace strideport
