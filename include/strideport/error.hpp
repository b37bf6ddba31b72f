/// The exceptions that Strideport throws, one per kind of mistake.
///
/// Every message names the rule that was broken, the value that broke it and, where there is one, the call
/// that mends it. The Python module maps each class to the built-in exception in its comment.
#pragma once

#include <stdexcept>
#include <string>

namespace strideport {

/// Base of all of them; never thrown itself.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// An argument has a bad value: a negative extent, an overflowing product, a malformed format (ValueError).
class InvalidArgument : public Error {
 public:
  using Error::Error;
};

/// An argument has the wrong type, such as an element type that the operation cannot take (TypeError).
class TypeMismatch : public Error {
 public:
  using Error::Error;
};

/// A write was asked of read-only memory (TypeError, as memoryview raises).
class ReadOnly : public TypeMismatch {
 public:
  using TypeMismatch::TypeMismatch;
};

/// An index lies outside its dimension (IndexError).
class OutOfRange : public Error {
 public:
  using Error::Error;
};

/// A protocol or a layout cannot do what was asked, though every argument is well formed (BufferError).
class BufferError : public Error {
 public:
  using Error::Error;
};

/// The device or its driver failed, or is not there (strideport.DeviceError, a RuntimeError).
class DeviceError : public Error {
 public:
  using Error::Error;
  /// `code`: the driver's CUresult; 0 where no driver was asked.
  DeviceError(const std::string& message, int code) : Error(message), code_(code) {}
  int code() const noexcept { return code_; }

 private:
  int code_ = 0;
};

/// The device has no room for an allocation (strideport.DeviceMemoryError, a DeviceError and a MemoryError).
class DeviceOutOfMemory : public DeviceError {
 public:
  using DeviceError::DeviceError;
};

}  // namespace strideport
