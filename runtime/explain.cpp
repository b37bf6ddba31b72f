#include <string>

#include "runtime/host/executor.hpp"
#include "runtime/plan_steps.hpp"
#include "runtime/transfer/explain_route.hpp"
#include "runtime/tuple_text.hpp"
#include "strideport/plan.hpp"

namespace strideport {
namespace {

template <class Member>
std::string tuple_of(const PlanDims& dims, Member member) {
  std::string text = "(";
  for (int i = 0; i < dims.size(); ++i) {
    if (i > 0) text += ',';
    text += std::to_string(dims[i].*member);
  }
  text += ')';
  return text;
}

std::string count_text(int64_t count, const char* noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

std::string view_line(const char* name, const BufferView& view) {
  std::string text =
      std::string(name) + ": shape " + tuple_text(view.shape()) + ", strides " + tuple_text(view.strides());
  if (view.has_suboffsets()) text += ", suboffsets " + tuple_text(view.suboffsets());
  return text + ", itemsize " + std::to_string(view.itemsize()) + ", " + to_string(view.device()) + "\n";
}

const char* meaning(Strategy strategy) {
  switch (strategy) {
    case Strategy::nothing: return "no element to move";
    case Strategy::memcpy: return "one contiguous block";
    case Strategy::rows: return "contiguous runs, one after another";
    case Strategy::transpose: return "dst and src are densest in different dimensions: cache tiles";
    case Strategy::strided: return "items with gaps on one side or both";
    case Strategy::broadcast: return "one source item fills a row";
    case Strategy::staged: return "dst and src overlap partly: through a temporary";
    case Strategy::indirect: return "row pointers are followed, then blocks are copied";
  }
  return "";
}

std::string strategy_line(const CopyPlan& plan, bool identical) {
  std::string text = "strategy: " + to_string(plan.strategy) + " (";
  text += identical ? "dst and src are the same elements" : meaning(plan.strategy);
  if (plan.overlapping) text += ", shifted onto itself";
  return text + ")\n";
}

std::string dims_line(const CopyPlan& plan) {
  std::string text =
      "dims: dst " + dst_layout(plan) + " <- src " + src_layout(plan) + " in units of " + count_text(plan.unit, "byte");
  if (plan.strategy == Strategy::indirect) {
    text += ", " + count_text(plan.blocks, "block");
    const Strategy inner = planning::classify(plan.dims.data(), plan.dims.size(), plan.unit);
    text += " each by " + to_string(inner);
  }
  return text + "\n";
}

// An axis of dst and the axis of src that the planner matched it with.
struct AxisPair {
  int dst;
  int src;
};

int next_axis(const BufferView& view, int axis) {
  while (axis < view.ndim() && view.shape()[static_cast<size_t>(axis)] == 1) ++axis;
  return axis;
}

// The first pair of axes whose strides differ, of views whose shapes match; {-1, -1} where none do.
AxisPair first_difference(const BufferView& dst, const BufferView& src) {
  AxisPair at{next_axis(dst, 0), next_axis(src, 0)};
  for (; at.dst < dst.ndim(); at = {next_axis(dst, at.dst + 1), next_axis(src, at.src + 1)}) {
    if (dst.strides()[static_cast<size_t>(at.dst)] != src.strides()[static_cast<size_t>(at.src)]) return at;
  }
  return {-1, -1};
}

std::string difference_text(const BufferView& dst, const BufferView& src, AxisPair at) {
  std::string text = "on axis " + std::to_string(at.dst) + " a stride of " +
                     std::to_string(dst.strides()[static_cast<size_t>(at.dst)]) + " bytes where src has " +
                     std::to_string(src.strides()[static_cast<size_t>(at.src)]);
  if (at.src != at.dst) text += " on its axis " + std::to_string(at.src);
  return text;
}

std::string view_reason(const CopyPlan& plan, const BufferView& dst, const BufferView& src) {
  if (dst.empty()) return "view: not needed, there are no elements";
  if (plan.strategy == Strategy::nothing) return "view: dst already is one of src";
  if (dst.has_suboffsets() && src.has_suboffsets()) {
    return "not a view: dst and src both reach their elements through row pointers, which are followed by the copy "
           "only";
  }
  if (src.has_suboffsets()) return "not a view: src reaches its elements through row pointers, dst has strides alone";
  if (dst.has_suboffsets()) return "not a view: dst reaches its elements through row pointers, src has strides alone";
  const bool shared = plan.strategy == Strategy::staged || plan.overlapping;
  const AxisPair at = first_difference(dst, src);
  if (at.dst >= 0) {
    return std::string("not a view: dst ") +
           (shared ? "shares memory with src, but has " : "has memory of its own, and ") +
           difference_text(dst, src, at);
  }
  if (shared) return "not a view: dst and src share memory and have one layout, but begin at different addresses";
  return "not a view: dst has memory of its own; a view of src would have this same layout";
}

std::string explain_on_devices(const CopyPlan& plan, bool identical, const BufferView& dst, const BufferView& src) {
  const transfer::RouteText route = transfer::explain_route(plan, dst, src);
  std::string text = route.head + strategy_line(plan, identical) + view_line("dst", dst) + view_line("src", src);
  if (plan.strategy != Strategy::nothing) text += dims_line(plan);
  text += "moves: " + count_text(plan.bytes, "byte") + " read, as many written\n";
  return text + route.cost + view_reason(plan, dst, src) + "\n";
}

}  // namespace

std::string dst_layout(const CopyPlan& plan) {
  return tuple_of(plan.dims, &PlanDim::extent) + ":" + tuple_of(plan.dims, &PlanDim::dst_stride);
}

std::string src_layout(const CopyPlan& plan) {
  return tuple_of(plan.dims, &PlanDim::extent) + ":" + tuple_of(plan.dims, &PlanDim::src_stride);
}

std::string to_string(Strategy strategy) {
  switch (strategy) {
    case Strategy::nothing: return "nothing";
    case Strategy::memcpy: return "memcpy";
    case Strategy::rows: return "rows";
    case Strategy::transpose: return "transpose";
    case Strategy::strided: return "strided";
    case Strategy::broadcast: return "broadcast";
    case Strategy::staged: return "staged";
    case Strategy::indirect: return "indirect";
  }
  return "unknown";
}

std::string explain(const BufferView& dst, const BufferView& src) {
  const CopyPlan plan = plan_copy(dst, src);
  const bool identical = plan.strategy == Strategy::nothing && !dst.empty();
  if (dst.device().has_driver() || src.device().has_driver()) return explain_on_devices(plan, identical, dst, src);
  std::string text = strategy_line(plan, identical);
  text += view_line("dst", dst) + view_line("src", src);
  if (plan.strategy != Strategy::nothing) text += dims_line(plan);
  text += "moves: " + count_text(plan.bytes, "byte") + " read, as many written\n";
  text += "temporary: " + (plan.temporary_bytes == 0 ? "none" : count_text(plan.temporary_bytes, "byte"));
  if (plan.strategy == Strategy::indirect) text += ", unless rows of dst share bytes with src or with row pointers";
  text += "\nthreads: " + std::to_string(plan.overlapping ? 1 : host::threads_for(plan.bytes));
  text += "\nkernel launches: 0 (host)\n";
  return text + view_reason(plan, dst, src) + "\n";
}

}  // namespace strideport
