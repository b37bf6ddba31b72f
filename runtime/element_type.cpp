#include "runtime/element_type.hpp"

#include <string>

#include "strideport/error.hpp"

namespace strideport {

void check_element_type(const Format& format, DType dtype) {
  if (!dtype) return;
  if (!is_known(dtype)) {
    throw InvalidArgument("dtype code " + std::to_string(static_cast<int>(dtype.code)) + " with " +
                          std::to_string(dtype.bits) + " bits and " + std::to_string(dtype.lanes) +
                          " lanes is none that DLPack knows");
  }
  if (!format || format.dtype() == dtype) return;
  throw InvalidArgument("format '" + format.text() + "' is " +
                        (format.dtype() ? "of dtype " + to_string(format.dtype()) : "no dtype's") + ", but dtype is " +
                        to_string(dtype) + "; give one of the two, or give both alike");
}

}  // namespace strideport
