#include "runtime/transfer/rates.hpp"

#include <map>
#include <mutex>
#include <utility>

#include "runtime/transfer/forget.hpp"

namespace strideport::transfer {
namespace {

struct Known {
  std::mutex mutex;
  std::map<std::pair<DeviceType, int>, TransferRates> rates;
};

Known& known() {
  static Known* const all = new Known;
  return *all;
}

}  // namespace

TransferRates measured_rates(DeviceApi& api, int device) {
  const TransferRates rates = api.rates(device);
  Known& all = known();
  const std::lock_guard lock(all.mutex);
  all.rates[{api.type(), device}] = rates;
  return rates;
}

std::optional<TransferRates> known_rates(DeviceType type, int device) {
  Known& all = known();
  const std::lock_guard lock(all.mutex);
  const auto found = all.rates.find({type, device});
  if (found == all.rates.end()) return std::nullopt;
  return found->second;
}

void forget_rates(DeviceApi& api) {
  Known& all = known();
  const std::lock_guard lock(all.mutex);
  std::erase_if(all.rates, [&api](const auto& entry) { return entry.first.first == api.type(); });
}

void forget(DeviceApi& api) {
  forget_streams(api);
  forget_rings(api);
  forget_rates(api);
}

}  // namespace strideport::transfer
