/// repr: memoryview's, and then element type, layout, device, read-only, owner. Touches no memory and runs no foreign
/// code.
#include <string>

#include "arguments.hpp"
#include "call_adapters.hpp"
#include "methods.hpp"
#include "object.hpp"

namespace strideport::python {
namespace {

std::string tuple_text(std::span<const int64_t> values) {
  std::string text = "(";
  for (size_t i = 0; i < values.size(); ++i) text += (i > 0 ? "," : "") + std::to_string(values[i]);
  return text + (values.size() == 1 ? ",)" : ")");
}

/// Long formats and many dimensions keep their head and tail.
std::string shortened(const std::string& text) {
  constexpr size_t kMost = 120;
  if (text.size() <= kMost) return text;
  return text.substr(0, kMost / 2) + "..." + text.substr(text.size() - kMost / 4);
}

std::string element_text(const BufferView& view) {
  if (view.dtype()) return to_string(view.dtype());
  return view.format() ? "'" + shortened(view.format().text()) + "'"
                       : std::to_string(view.itemsize()) + " opaque bytes";
}

}  // namespace

PyObject* repr(BufferObject* self) {
  if (self->lease_ptr == nullptr) return PyUnicode_FromFormat("<released memory at %p, strideport.Buffer>", self);
  const BufferView& view = self->view;
  std::string text =
      element_text(view) + " " + shortened(tuple_text(view.shape())) + ":" + shortened(tuple_text(view.strides()));
  if (view.has_suboffsets()) text += " suboffsets " + shortened(tuple_text(view.suboffsets()));
  text += " on " + to_string(view.device());
  if (view.readonly()) text += ", read-only";
  PyObject* obj = self->lease_ptr->obj;
  if (obj != nullptr) text += ", of " + shortened(type_name(obj));
  return PyUnicode_FromFormat("<memory at %p, strideport.Buffer %s>", self, text.c_str());
}

}  // namespace strideport::python
