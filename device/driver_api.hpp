/// The one implementation of the seam: it finds the session of its driver, and hands each request to the file of its
/// subject.
#pragma once

#include <atomic>
#include <memory>

#include "device/driver/driver.hpp"
#include "runtime/device_api.hpp"

namespace strideport::device {

class Session;

class DriverApi final : public DeviceApi {
 public:
  /// `load` gives the driver's table, and is asked at the first call that needs it.
  DriverApi(DeviceType type, const driver::Loaded& (*load)()) noexcept : type_(type), load_(load) {}

  /// Forgets the driver, with all that is known of it, and asks for it again at the next call. For tests: what is
  /// pending must be done, and nothing of before may be used.
  void forget();

  DeviceType type() const noexcept override { return type_; }
  int count() override;
  DeviceInfo info(int device) override;
  TransferRates rates(int device) override;

  void* allocate(int device, int64_t bytes, StreamRef stream) override;
  void free(int device, void* memory, std::span<const Completion> pending) noexcept override;
  void free_on(int device, void* memory, StreamRef stream) noexcept override;
  PinnedBlock allocate_pinned(int64_t bytes) override;
  void free_pinned(PinnedBlock block) noexcept override;
  bool is_pinned_there(PinnedBlock block) override;
  void* allocate_managed(int device, int64_t bytes) override;
  void free_managed(int device, void* memory) noexcept override;
  std::optional<PointerInfo> locate(const void* address, bool initialise) override;
  void trim() noexcept override;

  StreamRef create_stream(int device, int priority) override;
  void destroy_stream(int device, StreamRef stream) noexcept override;
  StreamInfo inspect(int device, StreamRef stream) override;
  void synchronize(int device, StreamRef stream) override;
  bool done(int device, StreamRef stream) override;
  bool drain(int device, StreamRef stream) noexcept override;

  Completion record(int device, StreamRef stream, bool timed) override;
  void wait(int device, StreamRef stream, const Completion& completion) override;
  bool done(const Completion& completion) override;
  void synchronize(const Completion& completion) override;
  bool drain(const Completion& completion) noexcept override;
  double seconds_between(const Completion& start, const Completion& end) override;
  void retain_in_graph(int device, StreamRef stream, std::shared_ptr<void> owner) override;
  void release_after(std::vector<Completion> pending, std::shared_ptr<void> owner) noexcept override;

  void memcpy_async(int device, void* dst, const void* src, int64_t bytes, StreamRef stream) override;
  void memcpy_2d_async(int device, void* dst, int64_t dst_pitch, const void* src, int64_t src_pitch,
                       int64_t width_bytes, int64_t rows, StreamRef stream) override;
  void memcpy_batch(int device, std::span<const CopySegment> segments, StreamRef stream) override;
  void memcpy_peer(int dst_device, void* dst, int src_device, const void* src, int64_t bytes,
                   StreamRef stream) override;
  void copy_strided(int device, const CopyPlan& plan, void* dst, const void* src, StreamRef stream,
                    BlockBy block_by) override;

 private:
  Session& session();
  // Runs an action of the session that gives something back; nothing where there is no session, or only a parent's.
  template <class Action>
  void give_back(Action action) noexcept;

  const DeviceType type_;
  const driver::Loaded& (*const load_)();
  std::atomic<Session*> session_{nullptr};
};

}  // namespace strideport::device
