/// The way that a copy takes where a device has a part in it. Pure: no device is needed, no memory is touched.
///
/// `copy` executes what `plan_route` says, and `explain` prints it.
#pragma once

#include <cstdint>

#include "runtime/device_api.hpp"
#include "runtime/transfer/pieces.hpp"
#include "strideport/buffer_view.hpp"
#include "strideport/plan.hpp"

namespace strideport::transfer {

// Pinned memory a device: enough to keep a bus busy while the host fills the next slot.
inline constexpr int64_t kSlotBytes = int64_t{4} << 20;
inline constexpr int kSlots = 4;
/// The temporary of a device for what goes through one piece by piece.
inline constexpr int64_t kTemporaryBytes = int64_t{32} << 20;

enum class Path : uint8_t {
  nothing,      ///< no element to move
  host,         ///< the host copies by itself
  launch,       ///< a device reaches both sides: one launch, or the driver's own copy
  zero_copy,    ///< the same with pinned memory on one side
  temporary,    ///< the same for sides that overlap: through a temporary on the device
  dma,          ///< one block to or from pinned memory
  pitched,      ///< rows with a pitch, one 2-D copy of the driver
  batch,        ///< long runs, in batches of the driver's copies
  span,         ///< pinned memory from its first byte to its last, a piece at a time; a kernel puts them in place
  ring,         ///< pageable memory, through slots of pinned memory
  ring_rows,    ///< the same where the host follows row pointers
  peer,         ///< one block to another device
  peer_packed,  ///< packed, moved to another device and unpacked
};

/// A kind of memory, as routes see it. What the host reaches through row pointers only is pageable to them.
enum class Place : uint8_t { pageable, pinned, managed, device };
[[nodiscard]] Place place_of(const BufferView& view) noexcept;

/// What else decides.
struct Situation {
  bool on_stream = true;  ///< not StreamRef::host()
  bool captures = false;
  bool spans = true;  ///< gaps between the bytes of pinned memory may be read
};

struct Route {
  Path path = Path::nothing;
  const char* why = "";
  bool to_host = false;  ///< of dma to ring_rows: the host's side is dst
  Pieces pieces;         ///< span, ring, peer_packed
  /// A kernel gathers the packed bytes from the device's src. If not, those of a piece are one block from the piece's
  /// first unit on; so with the kernel that puts them in place.
  bool packs = false;
  bool unpacks = false;
  BlockBy block_by = BlockBy::driver;  ///< launch
  int64_t run_bytes = 0;               ///< batch: of a run
  int64_t bus_bytes = 0;               ///< between host and device, or devices
  int64_t piece_count = 0;
  int64_t dmas = 0;             ///< copies by the driver
  int64_t kernel_plans = 0;     ///< times that DeviceApi::copy_strided is asked
  int64_t temporary_bytes = 0;  ///< on each device that needs one
  int64_t pinned_bytes = 0;     ///< slots of the ring that are in use at most
  bool host_waits = false;

  Route() noexcept {}
};

/// Whether `plan_route` looks at the rates of the device: only then need they be known.
[[nodiscard]] bool asks_for_rates(const CopyPlan& plan, const BufferView& dst, const BufferView& src) noexcept;

/// `plan` is that of these two views.
/// Throws: InvalidArgument for memory of two drivers; BufferError for what a capturing stream cannot take.
[[nodiscard]] Route plan_route(const CopyPlan& plan, const BufferView& dst, const BufferView& src,
                               const TransferRates& rates, Situation situation);

}  // namespace strideport::transfer
