/// What simulated devices allow that a GPU does not: the host reads and writes their memory where it lies.
#pragma once

#include "strideport/buffer_view.hpp"

namespace strideport {

/// The same elements as the host reaches them: a view of device type simulated_host over the very bytes of `view`,
/// whose own addresses fault on the host. Read-only stays read-only.
/// Stream: none. Work that is queued on the memory must be done (Stream::synchronize), and none may be queued while the
///         host uses the result.
/// Throws: BufferError unless the view's device is a simulated one and the memory is its own.
[[nodiscard]] BufferView simulated_host_view(const BufferView& view);

}  // namespace strideport
