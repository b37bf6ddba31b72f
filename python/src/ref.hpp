/// An owned reference to a Python object. Needs the GIL wherever it copies nothing and destroys something.
#pragma once

#include <Python.h>

#include <utility>

#include "gil.hpp"

namespace strideport::python {

class Ref {
 public:
  Ref() noexcept = default;
  /// Takes over a new reference, possibly null (an error is set then).
  static Ref steal(PyObject* object) noexcept { return Ref(object); }
  static Ref borrow(PyObject* object) noexcept { return Ref(Py_XNewRef(object)); }

  Ref(const Ref&) = delete;
  Ref& operator=(const Ref&) = delete;
  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Ref& operator=(Ref&& other) noexcept {
    Ref old(std::exchange(object_, std::exchange(other.object_, nullptr)));
    return *this;
  }
  ~Ref() {
    if (object_ == nullptr) return;
    stay_if_ended();
    drop_reference(object_);
  }

  PyObject* get() const noexcept { return object_; }
  PyObject* release() noexcept { return std::exchange(object_, nullptr); }
  explicit operator bool() const noexcept { return object_ != nullptr; }

 private:
  explicit Ref(PyObject* object) noexcept : object_(object) {}
  PyObject* object_ = nullptr;
};

}  // namespace strideport::python
