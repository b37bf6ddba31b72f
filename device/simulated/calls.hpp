/// The bodies of the driver's functions, with the names that the driver gives them: each takes the call and then what
/// the function takes. calls_*.cpp has them, by subject.
#pragma once

#include "device/driver/driver.hpp"
#include "device/simulated/state.hpp"

namespace strideport::simulated::bodies {

template <class Function>
struct BodyOf;
template <class... Arguments>
struct BodyOf<CUresult(CUDAAPI*)(Arguments...)> {
  using type = CUresult(Call& call, Arguments... arguments);
};

#define STRIDEPORT_DECLARE_BODY(name, version) BodyOf<PFN_cu##name##_v##version>::type name;
STRIDEPORT_DRIVER_FUNCTIONS(STRIDEPORT_DECLARE_BODY)
#undef STRIDEPORT_DECLARE_BODY
BodyOf<driver::MemcpyBatchAsync12080>::type MemcpyBatchAsync_12080;
BodyOf<driver::MemcpyBatchAsync13000>::type MemcpyBatchAsync_13000;

}  // namespace strideport::simulated::bodies
