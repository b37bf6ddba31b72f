/// A route in words, for `explain`.
#pragma once

#include <string>

#include "runtime/transfer/route.hpp"

namespace strideport::transfer {

/// The route that a copy on a stream takes, as far as can be said without a device, a line a fact. `plan` is that of
/// these two views, of which one is memory of a driver.
/// Throws: as `plan_route`.
struct RouteText {
  std::string head;  ///< "route: ..."
  std::string cost;  ///< temporaries, launches, copies by the driver, what the host does
};
[[nodiscard]] RouteText explain_route(const CopyPlan& plan, const BufferView& dst, const BufferView& src);

[[nodiscard]] const char* to_string(Path path) noexcept;

}  // namespace strideport::transfer
