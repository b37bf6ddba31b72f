#include "device/kernels/machine_counting.hpp"

#include <algorithm>
#include <array>

namespace strideport::kernels {
namespace {

constexpr uint32_t kLanes = 32;
constexpr uint64_t kSectorBytes = 32;
constexpr uint32_t kBanks = 32;
constexpr uint64_t kBankBytes = 4;

// The sectors that the lanes of a request reach, without repeats. An aligned access lies in one.
uint32_t sectors_of(const uint64_t* addresses, uint64_t* sectors) {
  uint32_t count = 0;
  bool ascends = true;
  for (uint32_t lane = 0; lane < kLanes; ++lane) {
    if (addresses[lane] == Trace::kOff) continue;
    const uint64_t sector = addresses[lane] / kSectorBytes;
    if (count > 0 && sector == sectors[count - 1]) continue;
    if (count > 0 && sector < sectors[count - 1]) ascends = false;
    sectors[count++] = sector;
  }
  if (ascends) return count;
  std::sort(sectors, sectors + count);
  return static_cast<uint32_t>(std::unique(sectors, sectors + count) - sectors);
}

uint64_t lanes_on(const uint64_t* addresses, uint32_t count) {
  return static_cast<uint64_t>(
      std::count_if(addresses, addresses + count, [](uint64_t address) { return address != Trace::kOff; }));
}

// How often a group of lanes, served together, passes through the banks: the most different words in one bank.
uint64_t wavefronts_of(const uint64_t* addresses, uint32_t lanes, uint32_t bytes) {
  std::array<std::array<uint64_t, kLanes>, kBanks> words;
  std::array<uint32_t, kBanks> counts{};
  for (uint32_t lane = 0; lane < lanes; ++lane) {
    if (addresses[lane] == Trace::kOff) continue;
    const uint64_t first = addresses[lane] / kBankBytes;
    for (uint64_t word = first; word <= (addresses[lane] + bytes - 1) / kBankBytes; ++word) {
      auto& bank = words[word % kBanks];
      uint32_t& count = counts[word % kBanks];
      if (std::find(bank.begin(), bank.begin() + count, word) == bank.begin() + count) bank[count++] = word;
    }
  }
  return *std::max_element(counts.begin(), counts.end());
}

}  // namespace

void SectorSet::insert(uint64_t sector) {
  if (2 * size_ >= slots_.size()) grow();
  size_t i = static_cast<size_t>(sector * 0x9E3779B97F4A7C15u >> 20) & (slots_.size() - 1);
  while (slots_[i].generation == generation_) {
    if (slots_[i].sector == sector) return;
    i = (i + 1) & (slots_.size() - 1);
  }
  slots_[i] = {sector, generation_};
  ++size_;
}

void SectorSet::grow() {
  std::vector<Slot> old(slots_.size() * 2);
  old.swap(slots_);
  size_ = 0;
  for (const Slot& slot : old) {
    if (slot.generation == generation_) insert(slot.sector);
  }
}

void Counter::end_phase(const Trace& trace) {
  for (size_t n = 0; n < trace.count(); ++n) {
    const Access& step = trace.step(n);
    if (step.kind == AccessKind::peer) continue;
    for (uint32_t thread = 0; thread < trace.threads(); thread += kLanes) {
      const uint64_t* addresses = trace.addresses(n) + thread;
      is_global(step.kind) ? count_global(step, addresses) : count_shared(step, addresses);
    }
  }
}

void Counter::count_global(const Access& step, const uint64_t* addresses) {
  const uint64_t lanes = lanes_on(addresses, kLanes);
  if (lanes == 0) return;
  uint64_t sectors[kLanes];
  const uint32_t count = sectors_of(addresses, sectors);
  const bool stores = is_write(step.kind);
  for (uint32_t i = 0; i < count; ++i) (stores ? stored_ : loaded_).insert(sectors[i]);
  (stores ? traffic_.store_bytes : traffic_.load_bytes) += lanes * step.bytes;
  (stores ? traffic_.store_sectors : traffic_.load_sectors) += count;
  (stores ? traffic_.store_requests : traffic_.load_requests) += 1;
  (stores ? traffic_.store_widths : traffic_.load_widths) |= 1u << step.bytes;
}

// Accesses of 16 bytes are served 8 lanes at a time, of 8 bytes 16, smaller ones all at once.
void Counter::count_shared(const Access& step, const uint64_t* addresses) {
  const uint32_t group = step.bytes == 16 ? 8 : step.bytes == 8 ? 16 : kLanes;
  for (uint32_t first = 0; first < kLanes; first += group) {
    if (lanes_on(addresses + first, group) == 0) continue;
    traffic_.shared_wavefronts += wavefronts_of(addresses + first, group, step.bytes);
    traffic_.ideal_shared_wavefronts += 1;
  }
}

}  // namespace strideport::kernels
