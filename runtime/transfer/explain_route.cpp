#include "runtime/transfer/explain_route.hpp"

#include <optional>

#include "runtime/host/executor.hpp"
#include "runtime/transfer/rates.hpp"
#include "runtime/transfer/run.hpp"
#include "runtime/transfer/temporary.hpp"

namespace strideport::transfer {
namespace {

// Temporaries begin at a multiple of 256 bytes: a kernel is chosen by that, not by the address itself.
void* some_temporary() noexcept { return reinterpret_cast<void*>(uintptr_t{1} << 46); }

std::string count_text(int64_t count, const char* noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

struct Launches {
  int64_t count = 0;
  std::string kernels;

  void add(const CopyPlan& plan, const void* dst, const void* src, int64_t times, BlockBy block_by = BlockBy::driver) {
    const KernelChoice choice =
        choose_kernel(plan, address(dst, plan.dst_offset), address(src, plan.src_offset), block_by);
    count += choice.launches * times;
    std::string text =
        choice.family == 0 ? "the driver's own copy" : "class " + std::string(1, choice.family) + ", " + choice.kernel;
    if (!choice.why.empty()) text += ": " + choice.why;
    if (!kernels.empty()) kernels += "; ";
    kernels += text;
  }
};

Launches legs_of(const Pieces& pieces, bool packs, bool unpacks, const void* first_dst, const void* first_src) {
  Launches result;
  const Piece piece = pieces.at(0);
  void* const temporary = some_temporary();
  if (packs) {
    const void* const from = address(first_src, piece.src_offset);
    result.add(plan_leg(piece, Leg::src_to_packed, temporary, from), temporary, from, pieces.count());
  }
  if (unpacks) {
    void* const to = address(first_dst, piece.dst_offset);
    result.add(plan_leg(piece, Leg::packed_to_dst, to, temporary), to, temporary, pieces.count());
  }
  return result;
}

// Of the route's copies between memory that a device reaches.
Launches launches_of(const Route& route, const CopyPlan& plan, const BufferView& dst, const BufferView& src) {
  const void* const to = address(dst.buf(), plan.dst_offset);
  const void* const from = address(src.buf(), plan.src_offset);
  Launches result;
  switch (route.path) {
    case Path::launch:
    case Path::zero_copy: result.add(plan, dst.buf(), src.buf(), 1, route.block_by); return result;
    case Path::temporary:
      return legs_of(Pieces(plan, PackedLike::dst, Packing::dense, INT64_MAX), true, true, to, from);
    case Path::ring_rows: return {route.kernel_plans, "one a piece, unless it is one block"};
    default: return route.packs || route.unpacks ? legs_of(route.pieces, route.packs, route.unpacks, to, from) : result;
  }
}

std::string launch_line(const Route& route, const CopyPlan& plan, const BufferView& dst, const BufferView& src) {
  const Launches launches = launches_of(route, plan, dst, src);
  std::string text = "kernel launches: " + std::to_string(launches.count);
  if (!launches.kernels.empty()) text += " (" + launches.kernels + ")";
  return text + "\n";
}

const char* host_part(const Route& route, const BufferView& dst, const BufferView& src) {
  switch (route.path) {
    case Path::nothing: return "nothing to do";
    case Path::host: return "copies by itself, after what is pending on both sides and on the stream";
    case Path::ring:
      return route.to_host ? "empties the slots in the order of dst's memory, and waits for the last one"
                           : "fills the slots in the order of src's memory, and does not wait for the last one";
    case Path::ring_rows:
      return route.to_host ? "follows row pointers, and waits for each piece"
                           : "follows row pointers, and does not wait for the last piece";
    default: break;
  }
  const bool both = place_of(dst) != Place::device && place_of(src) != Place::device;
  return both ? "does not wait; without a stream it copies by itself" : "does not wait, unless there is no stream";
}

std::string head_line(const Route& route, bool rates_matter) {
  std::string text = std::string("route: ") + to_string(route.path);
  if (*route.why != '\0') text += std::string(" (") + route.why + ")";
  if (route.piece_count > 1) text += ", " + count_text(route.piece_count, "piece");
  if (rates_matter) text += "; another one may do, once the first such copy has measured the bus";
  return text + "\n";
}

std::string memory_lines(const Route& route) {
  std::string text = "temporary: ";
  text += route.temporary_bytes == 0 ? "none"
                                     : count_text(route.temporary_bytes, "byte") + " on each device that needs one";
  if (route.pinned_bytes > 0) {
    text += "\npinned slots: " + count_text(route.pinned_bytes / kSlotBytes, "slot") + " of " +
            std::to_string(kSlotBytes) + " bytes, from a ring that all copies share";
  }
  return text + "\n";
}

bool host_takes_part(Path path) noexcept { return path == Path::host || path == Path::ring || path == Path::ring_rows; }

}  // namespace

RouteText explain_route(const CopyPlan& plan, const BufferView& dst, const BufferView& src) {
  const Device near = near_device(dst, src);
  const DeviceType driver = driver_of(near.type);
  const std::optional<TransferRates> known = known_rates(driver, near.id);
  const Route route = plan_route(plan, dst, src, known.value_or(TransferRates{}), {});
  RouteText text;
  text.head = head_line(route, !known && asks_for_rates(plan, dst, src));
  if (route.bus_bytes > 0) text.cost += "over the bus: " + count_text(route.bus_bytes, "byte") + "\n";
  text.cost += memory_lines(route);
  if (host_takes_part(route.path)) text.cost += "threads: " + std::to_string(host::threads_for(plan.bytes)) + "\n";
  text.cost += launch_line(route, plan, dst, src);
  text.cost += "copies by the driver: " + std::to_string(route.dmas) + "\n";
  text.cost += std::string("host: ") + host_part(route, dst, src) + "\n";
  return text;
}

const char* to_string(Path path) noexcept {
  switch (path) {
    case Path::nothing: return "nothing";
    case Path::host: return "host";
    case Path::launch: return "launch";
    case Path::zero_copy: return "zero-copy";
    case Path::temporary: return "device temporary";
    case Path::dma: return "DMA";
    case Path::pitched: return "2-D DMA";
    case Path::batch: return "batched DMA";
    case Path::span: return "DMA of the span";
    case Path::ring: return "ring";
    case Path::ring_rows: return "ring, row by row";
    case Path::peer: return "peer copy";
    case Path::peer_packed: return "packed peer copy";
  }
  return "unknown";
}

}  // namespace strideport::transfer
