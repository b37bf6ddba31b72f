/// Buffers for this library's own importers, for whom moving a view would cost as much as checking it.
#pragma once

#include "strideport/buffer.hpp"

namespace strideport {

class BufferMaker {
 public:
  /// Of `view()`, a BufferView, and then `owner()`. Throws what they throw, and what Buffer does.
  template <class View, class Owner>
  static Buffer make(View&& view, Owner&& owner, StreamRef stream) {
    return Buffer(Buffer::InPlace{}, view, owner, stream);
  }
};

}  // namespace strideport
