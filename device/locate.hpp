/// What the driver knows of an address.
#pragma once

#include <optional>

#include "runtime/device_api.hpp"

namespace strideport::device {

class Session;

/// `strict`: a failing driver is an error; else it knows nothing.
[[nodiscard]] std::optional<PointerInfo> locate(Session& session, const void* address, bool strict);

}  // namespace strideport::device
