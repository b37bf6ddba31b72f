#include "device/rates.hpp"

#include "device/copies.hpp"
#include "device/kernels/launch.hpp"
#include "device/session.hpp"
#include "strideport/error.hpp"

namespace strideport::device {
namespace {

constexpr int64_t kProbeBytes = 4 << 20;
constexpr int kProbes = 4;

// What a measurement needs, given back at its end.
class Bench {
 public:
  explicit Bench(DeviceState& state) : state_(state), entry_(state), use_(state, StreamRef::host()) {
    try {
      device_ = state_.memory.allocate(kProbeBytes, StreamRef::host());
      host_ = state_.session.pinned.allocate(kProbeBytes);
      start_ = state_.events.take(true);
      end_ = state_.events.take(true);
    } catch (...) {
      put_back();
      throw;
    }
  }
  ~Bench() { put_back(); }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  void* device() const noexcept { return device_; }
  void* host() const noexcept { return host_.memory; }

  /// Bytes a second of what `work(stream)` does to kProbeBytes.
  template <class Work>
  double rate(Work work) {
    const driver::Driver& driver = state_.driver;
    work(use_.get());  // not timed: the first touch of anything costs more
    state_.check(driver.EventRecord(start_, use_.get()), "cuEventRecord", "measuring copies");
    for (int i = 0; i < kProbes; ++i) work(use_.get());
    state_.check(driver.EventRecord(end_, use_.get()), "cuEventRecord", "measuring copies");
    state_.check(driver.EventSynchronize(end_), "cuEventSynchronize", "measuring copies");
    float milliseconds = 0;
    state_.check(driver.EventElapsedTime(&milliseconds, start_, end_), "cuEventElapsedTime", "measuring copies");
    return milliseconds > 0 ? kProbes * static_cast<double>(kProbeBytes) / (static_cast<double>(milliseconds) * 1e-3)
                            : 0;
  }

 private:
  void put_back() noexcept {
    // Nothing may be running on what goes back; it leaks rather.
    if (!try_twice([&] { return state_.driver.StreamSynchronize(use_.get()); })) return;
    if (start_ != nullptr) state_.events.put_back(start_, true);
    if (end_ != nullptr) state_.events.put_back(end_, true);
    if (device_ != nullptr) give_back_or_leak([&] { state_.memory.free(device_, {}); });
    if (host_.memory != nullptr) give_back_or_leak([&] { state_.session.pinned.free(host_); });
  }

  DeviceState& state_;
  Entry entry_;
  StreamUse use_;
  void* device_ = nullptr;
  PinnedBlock host_;
  CUevent start_ = nullptr;
  CUevent end_ = nullptr;
};

CopyPlan block_plan() {
  CopyPlan plan;
  plan.strategy = Strategy::memcpy;
  plan.unit = 16;
  const PlanDim dim{kProbeBytes / 16, 16, 16};
  plan.dims.assign(&dim, 1);
  plan.bytes = kProbeBytes;
  plan.offsets_fit_32 = true;
  plan.aligned = true;
  return plan;
}

}  // namespace

TransferRates Rates::get() {
  const std::lock_guard lock(mutex_);
  if (known_) return *known_;
  TransferRates rates = assumed_rates();
  rates.batch_copies = has_batch(state_);
  try {
    // Time means nothing on the simulated device, and results must not depend on it.
    if (state_.session.type == DeviceType::cuda) rates = measure_rates(state_);
    known_ = rates;
  } catch (const Error&) {  // a full device is no reason to refuse a copy: the next one measures
    if (state_.health.failed()) throw;
  }
  return rates;
}

TransferRates measure_rates(DeviceState& state) {
  TransferRates rates = assumed_rates();
  rates.batch_copies = has_batch(state);
  const CopyPlan plan = block_plan();
  Bench bench(state);
  const auto dma = [&](void* dst, const void* src) {
    return bench.rate([&, dst, src](CUstream stream) {
      state.check(state.driver.MemcpyAsync(reinterpret_cast<CUdeviceptr>(dst), reinterpret_cast<CUdeviceptr>(src),
                                           static_cast<size_t>(kProbeBytes), stream),
                  "cuMemcpyAsync", "measuring copies");
    });
  };
  const auto kernel = [&](void* dst, const void* src) {
    const kernels::Launch launch = kernels::prepare(plan, dst, src);
    return bench.rate([&](CUstream stream) { state.kernels.launch(launch, stream); });
  };
  const auto set = [](double& rate, double measured) {
    if (measured > 0) rate = measured;
  };
  set(rates.dma_to_device, dma(bench.device(), bench.host()));
  set(rates.dma_to_host, dma(bench.host(), bench.device()));
  set(rates.zero_copy_to_device, kernel(bench.device(), bench.host()));
  set(rates.zero_copy_to_host, kernel(bench.host(), bench.device()));
  return rates;
}

}  // namespace strideport::device
