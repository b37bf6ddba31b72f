/// Everything but thrust.hpp, which needs CCCL, and simulated.hpp, which is about simulated devices alone.
#pragma once

#include "strideport/buffer.hpp"
#include "strideport/buffer_view.hpp"
#include "strideport/copy.hpp"
#include "strideport/device.hpp"
#include "strideport/dlpack.hpp"
#include "strideport/dtype.hpp"
#include "strideport/error.hpp"
#include "strideport/format.hpp"
#include "strideport/layout.hpp"
#include "strideport/locate.hpp"
#include "strideport/plan.hpp"
#include "strideport/stream.hpp"
#include "strideport/view_ops.hpp"
