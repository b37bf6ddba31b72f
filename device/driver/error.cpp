#include "device/driver/error.hpp"

#include "strideport/error.hpp"

namespace strideport::driver {
namespace {

// Null where the driver lacks the function or does not know the error.
const char* text_of(CUresult (*text)(CUresult, const char**), CUresult error) {
  const char* found = nullptr;
  if (text == nullptr || text(error, &found) != CUDA_SUCCESS) return nullptr;
  return found;
}

}  // namespace

std::string describe(const Driver& driver, CUresult error) {
  const std::string number = std::to_string(static_cast<int>(error));
  const char* name = text_of(driver.GetErrorName, error);
  if (name == nullptr) return "error " + number;
  const char* words = text_of(driver.GetErrorString, error);
  return name + (" (" + number) + (words != nullptr ? ", " + std::string(words) : "") + ")";
}

void throw_driver_error(const Driver& driver, CUresult error, const char* function, const std::string& context) {
  std::string message = std::string(function) + " failed with " + describe(driver, error);
  if (!context.empty()) message += ", " + context;
  if (error == CUDA_ERROR_OUT_OF_MEMORY) throw DeviceOutOfMemory(message, static_cast<int>(error));
  throw DeviceError(message, static_cast<int>(error));
}

}  // namespace strideport::driver
