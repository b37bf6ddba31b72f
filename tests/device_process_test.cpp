// What others do to a process that uses a device: fork it, reset its device, make a kernel fail.

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <vector>

#include "strideport/error.hpp"
#include "tests/support/device_fixture.hpp"
#include "tests/support/throws.hpp"

namespace strideport::testing {
namespace {

class DeviceProcess : public DeviceFixture {};

// The exit code of a child that runs `body`, which says what is wrong by the code it returns.
int run_in_child(const std::function<int()>& body) {
  const pid_t child = fork();
  if (child == 0) {
    int code = 99;
    try {
      code = body();
    } catch (...) {
      code = 98;
    }
    _exit(code);
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

bool names_the_fork(const std::function<void()>& call) {
  try {
    call();
  } catch (const DeviceError& error) {
    return std::strstr(error.what(), "fork") != nullptr;
  }
  return false;
}

TEST_F(DeviceProcess, AForkedChildIsToldSoAndDestructorsAreSilent) {
  const OwnStream stream(api(), 0);
  const DeviceBytes memory(api(), 0, 4096);
  const PinnedBlock pinned = api().allocate_pinned(4096);
  void* const managed = api().allocate_managed(0, 4096);
  Completion point = api().record(0, stream);
  Drops drops;
  const int code = run_in_child([&] {
    if (!names_the_fork([&] { api().count(); })) return 1;
    if (!names_the_fork([&] { api().allocate(0, 64, StreamRef::host()); })) return 2;
    if (!names_the_fork([&] { api().memcpy_async(0, memory.get(), memory.get() + 64, 64, stream); })) return 3;
    if (!names_the_fork([&] { api().synchronize(point); })) return 4;
    if (!names_the_fork([&] { api().locate(memory.get(), true); })) return 5;
    if (api().locate(memory.get(), false).has_value()) return 6;
    api().free(0, memory.get(), {&point, 1});
    api().free_pinned(pinned);
    api().free_managed(0, managed);
    api().destroy_stream(0, stream);
    api().release_after({point}, drops.owner());
    if (drops.count() != 1) return 7;
    point.reset();
    api().trim();
    return 0;
  });
  EXPECT_EQ(code, 0);
  api().synchronize(point);  // the parent goes on
  api().free_pinned(pinned);
  api().free_managed(0, managed);
}

class DeviceReset : public SimulatedFixture {};

TEST_F(DeviceReset, IsAnErrorOnItsDeviceAndNoCrash) {
  const OwnStream stream(api(), 0);
  auto memory = std::make_unique<DeviceBytes>(api(), 0, 4096);
  const PinnedBytes pinned(api(), 4096);
  Completion point = api().record(0, stream);
  const DeviceBytes elsewhere(api(), 1, 4096);
  for (const bool used_again : {true, false}) {
    simulated::reset_device(0, used_again);
    for (const auto& call : std::vector<std::function<void()>>{
             [&] { api().allocate(0, 64, StreamRef::host()); },
             [&] { api().memcpy_async(0, memory->get(), memory->get() + 64, 64, StreamRef::host()); },
             [&] { api().record(0, StreamRef::legacy_default()); },
             [&] { api().create_stream(0, 0); },
             [&] { api().synchronize(point); },
         }) {
      expect_throws<DeviceError>(call, {"reset", to_string(Device{type(), 0}).c_str()});
    }
  }
  Drops drops;
  api().release_after({point}, drops.owner());  // nothing runs any more
  drops.wait_for(1);
  memory.reset();
  point.reset();
  EXPECT_FALSE(api().is_pinned_there(pinned.block()));  // it went with the context, though every device reached it
  const PinnedBytes another(api(), 4096);
  another.get()[0] = std::byte{1};
  api().memcpy_async(1, elsewhere.get(), another.get(), 4096, StreamRef::host());
  api().trim();
}

TEST_F(DeviceReset, AFailedKernelIsRememberedAndHostMemoryStaysUsable) {
  const OwnStream stream(api(), 0);
  const PinnedBytes pinned(api(), 4096);
  api().synchronize(0, stream);
  simulated::fail_device(0, CUDA_ERROR_ILLEGAL_ADDRESS);
  for (int i = 0; i < 3; ++i) {
    try {
      api().allocate(0, 64, StreamRef::host());
      ADD_FAILURE() << "nothing was thrown";
    } catch (const DeviceError& error) {
      EXPECT_EQ(error.code(), CUDA_ERROR_ILLEGAL_ADDRESS) << error.what();
      EXPECT_NE(std::string(error.what()).find("CUDA_ERROR_ILLEGAL_ADDRESS"), std::string::npos) << error.what();
    }
  }
  simulated::forget_calls();
  EXPECT_THROW(api().record(0, stream), DeviceError);
  EXPECT_EQ(simulated::calls(), 0u) << "a failed device is not asked again";
  int host = 0;
  EXPECT_NO_THROW(api().locate(&host, false));
  pinned.get()[0] = std::byte{1};
  const DeviceBytes elsewhere(api(), 1, 64);
}

TEST_F(DeviceReset, PendingOwnersOfAFailedDeviceGo) {
  const OwnStream stream(api(), 0);
  Drops drops;
  Gate gate;
  ASSERT_TRUE(gate.close(driver(), stream));
  api().release_after({api().record(0, stream)}, drops.owner());
  simulated::fail_device(0, CUDA_ERROR_LAUNCH_FAILED);
  gate.open();
  drops.wait_for(1);
}

class NoDevices : public SimulatedFixture {};

TEST_F(NoDevices, IsAStoryAndNotACrash) {
  simulated::Options options;
  options.devices = 0;
  simulated::restart(options);
  device::simulated_api().forget();
  EXPECT_THROW(api().count(), DeviceError);
  EXPECT_THROW(api().allocate_pinned(64), DeviceError);
  EXPECT_FALSE(why_no_device(DeviceType::simulated).empty());
  int host = 0;
  EXPECT_FALSE(api().locate(&host, false).has_value());
  api().trim();
}

TEST(DeviceApiBeforeUse, LocatingWithoutBeingAskedInitialisesNothing) {
  DeviceApi& api = *device_api(DeviceType::cuda);
  device::cuda_api().forget();
  int host = 0;
  EXPECT_FALSE(api.locate(&host, false).has_value());
}

}  // namespace
}  // namespace strideport::testing
