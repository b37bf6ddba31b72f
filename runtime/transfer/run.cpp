#include "runtime/transfer/run.hpp"

#include <optional>
#include <string>

#include "runtime/plan_steps.hpp"
#include "runtime/transfer/execute.hpp"
#include "runtime/transfer/own_stream.hpp"
#include "runtime/transfer/rates.hpp"
#include "runtime/transfer/route.hpp"
#include "runtime/transfer/temporary.hpp"

namespace strideport::transfer {
namespace {

bool is_device(const BufferView& view) noexcept { return is_device_memory(view.device().type); }

// Pinned and managed memory is every device's; a stream of a third device would need access to both others.
void check_stream(const WorkStream& work, const BufferView& dst, const BufferView& src) {
  if (!is_device(dst) && !is_device(src)) return;
  if (is_device(dst) && dst.device().id == work.device) return;
  if (is_device(src) && src.device().id == work.device) return;
  const Device theirs{work.api->type(), work.device};
  throw InvalidArgument("the stream belongs to " + to_string(theirs) + ", but dst is on " + to_string(dst.device()) +
                        " and src on " + to_string(src.device()) + ": give a stream of one of their devices");
}

// Where the copy is queued: the caller's stream, or one of ours that is waited for.
class Lane {
 public:
  Lane(const BufferView& dst, const BufferView& src, StreamRef stream) {
    const Device near = near_device(dst, src);
    if (stream.is_host()) own_.emplace(*device_api(near.type), near.id);
    work_ = own_ ? own_->work() : inspect_stream(near, stream);
    check_stream(work_, dst, src);
  }

  const WorkStream& work() const noexcept { return work_; }
  bool is_own() const noexcept { return own_.has_value(); }
  [[nodiscard]] bool discard_own() noexcept { return own_->discard(); }

 private:
  std::optional<OwnStream> own_;
  WorkStream work_;
};

void order(const WorkStream& work, const Side& dst, const Side& src) {
  if (dst.use != nullptr) dst.use->order(work, Access::write);
  if (src.use != nullptr) src.use->order(work, Access::read);
}

void note(const WorkStream& work, const Completion& end, const Side& dst, const Side& src) noexcept {
  if (dst.use != nullptr) dst.use->note(work, end, Access::write);
  if (src.use != nullptr) src.use->note(work, end, Access::read);
}

void keep_in_graph(const WorkStream& work, const Side& side) {
  if (side.owner) work.api->retain_in_graph(work.device, work.stream, side.owner);
}

// A view may reach over two allocations: what lies between them is nobody's to read. Where the driver does not say, it
// is one allocation.
bool is_one_allocation(DeviceApi& api, const CopyPlan& plan, const BufferView& src) {
  const planning::Reach reach = planning::reach_of(plan);
  const auto first = reinterpret_cast<uintptr_t>(address(src.buf(), plan.src_offset));
  const uintptr_t begin = first + static_cast<uintptr_t>(reach.src_lower);
  const uintptr_t end = first + static_cast<uintptr_t>(reach.src_upper);
  const std::optional<PointerInfo> info = api.locate(reinterpret_cast<const void*>(begin), false);
  if (!info || info->allocation.size == 0) return true;
  const auto allocation = reinterpret_cast<uintptr_t>(info->allocation.begin);
  return begin >= allocation && end <= allocation + static_cast<uintptr_t>(info->allocation.size);
}

Route choose_route(const CopyPlan& plan, const BufferView& dst, const BufferView& src, const WorkStream& work,
                   Situation situation) {
  const bool asks = asks_for_rates(plan, dst, src);
  const TransferRates rates = asks ? measured_rates(*work.api, work.device) : TransferRates{};
  const Route route = plan_route(plan, dst, src, rates, situation);
  const bool reads_gaps = route.path == Path::span && !route.to_host && !gapless(plan, PackedLike::src);
  if (!reads_gaps || is_one_allocation(*work.api, plan, src)) return route;
  situation.spans = false;
  return plan_route(plan, dst, src, rates, situation);
}

// Some of the work may be queued: what it uses must stay until it is over. False where nobody can say when that is.
bool note_failure(Lane& lane, const Side& dst, const Side& src) noexcept {
  if (lane.is_own()) return lane.discard_own();  // waits
  const WorkStream& work = lane.work();
  if (work.captures || (dst.use == nullptr && src.use == nullptr)) return true;
  try {
    note(work, work.api->record(work.device, work.stream), dst, src);
    return true;
  } catch (...) {
  }
  return work.api->drain(work.device, work.stream);
}

void keep_for_good(const Side& side) noexcept {
  if (side.use != nullptr) side.use->keep_for_good();
}

void finish(const Lane& lane, const Route& route, const Side& dst, const Side& src) {
  const WorkStream& work = lane.work();
  if (work.captures || route.host_waits) return;
  const bool tracked = dst.use != nullptr || src.use != nullptr;
  if (!lane.is_own() && !tracked) return;
  Completion end = work.api->record(work.device, work.stream);
  if (lane.is_own()) return work.api->synchronize(end);
  note(work, end, dst, src);
}

void run_on_device(const CopyPlan& plan, const Route& route, Lane& lane, const Side& dst, const Side& src,
                   const Progress& progress) {
  Aside aside;
  bool lost = false;
  try {
    order(lane.work(), dst, src);
    if (lane.work().captures) {
      keep_in_graph(lane.work(), dst);
      keep_in_graph(lane.work(), src);
    }
    execute({plan, route, dst.view, src.view, lane.work(), progress, aside, lost});
    if (aside.end) note(aside.work, aside.end, dst, src);
    finish(lane, route, dst, src);
  } catch (...) {
    if (!note_failure(lane, dst, src) || lost) {
      keep_for_good(dst);
      keep_for_good(src);
    }
    throw;
  }
}

void run_on_host(const CopyPlan& plan, const Side& dst, const Side& src, const Progress& progress) {
  if (dst.use != nullptr) dst.use->wait(Access::write);
  if (src.use != nullptr) src.use->wait(Access::read);
  execute_on_host(plan, dst.view, src.view, progress);
}

}  // namespace

Device near_device(const BufferView& dst, const BufferView& src) noexcept {
  if (is_device(dst) || is_device(src)) return is_device(dst) ? dst.device() : src.device();
  const bool managed_src = is_managed(src.device().type) && !is_managed(dst.device().type);
  return dst.device().has_driver() && !managed_src ? dst.device() : src.device();
}

void run(const Side& dst, const Side& src, StreamRef stream, const Progress& progress) {
  const CopyPlan plan = plan_copy(dst.view, src.view);
  if (!dst.view.device().has_driver() && !src.view.device().has_driver()) {
    return execute_on_host(plan, dst.view, src.view, progress);
  }
  Situation situation{!stream.is_host(), false};
  Route route = plan_route(plan, dst.view, src.view, {}, situation);
  if (route.path == Path::nothing) return;
  if (route.path == Path::host && stream.is_host()) return run_on_host(plan, dst, src, progress);
  Lane lane(dst.view, src.view, stream);
  const WorkStream& work = lane.work();
  situation.captures = work.captures;
  if (route.path == Path::span || situation.captures || asks_for_rates(plan, dst.view, src.view)) {
    route = choose_route(plan, dst.view, src.view, work, situation);
  }
  if (route.path != Path::host) return run_on_device(plan, route, lane, dst, src, progress);
  work.api->synchronize(work.device, work.stream);
  run_on_host(plan, dst, src, progress);
}

}  // namespace strideport::transfer
