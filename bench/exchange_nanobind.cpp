// A function as nanobind binds it, for the exchange benchmark: what it costs to take an array as an argument. Built
// where the interpreter has the package nanobind, with the sources that it brings.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstdint>

namespace nb = nanobind;

using AnyArray = nb::ndarray<nb::ro>;

// NOLINTNEXTLINE: nanobind's macro
NB_MODULE(exchange_nanobind, module) {
  module.attr("version") = STRIDEPORT_NANOBIND_VERSION;
  module.def(
      "take", [](const AnyArray&) {}, nb::arg().noconvert());
  module.def(
      "address", [](const AnyArray& array) { return reinterpret_cast<uintptr_t>(array.data()); },
      nb::arg().noconvert());
}
