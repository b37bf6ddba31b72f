// Every thing that can be wrong with a driver, by stand-in libraries (tests/stand_ins): the story that the user is
// told, and that libcuda() is one for a process, threads and forks included.

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "device/driver/driver.hpp"
#include "device/driver/error.hpp"
#include "strideport/error.hpp"
#include "tests/support/in_child.hpp"
#include "tests/support/throws.hpp"

namespace strideport::driver {
namespace {

using testing::in_child;

const std::string kFolder = STRIDEPORT_STAND_INS;
const std::string kDriver = kFolder + "/stand_in_driver.so";
constexpr bool k13 = CUDA_VERSION >= 13000;
const std::string kInstall = std::string("install NVIDIA's driver ") + (k13 ? "580" : "550") + " or newer";

/// A variable of the environment for one test.
class Setting {
 public:
  Setting(const char* name, const std::string& value) : name_(name) { setenv(name, value.c_str(), 1); }
  ~Setting() { unsetenv(name_); }
  Setting(const Setting&) = delete;
  Setting& operator=(const Setting&) = delete;

 private:
  const char* name_;
};

template <class Function>
Function stand_in(const char* name) {
  return reinterpret_cast<Function>(dlsym(dlopen(kDriver.c_str(), RTLD_NOW), name));
}

bool is_empty(const Driver& driver) {
  bool empty = driver.MemcpyBatchAsync_12080 == nullptr && driver.MemcpyBatchAsync_13000 == nullptr;
#define STRIDEPORT_IS_NULL(name, version) empty = empty && driver.name == nullptr;
  STRIDEPORT_DRIVER_FUNCTIONS(STRIDEPORT_IS_NULL)
#undef STRIDEPORT_IS_NULL
  return empty;
}

void expect_problem(const Loaded& loaded, const std::string& problem, int error = 0) {
  EXPECT_FALSE(loaded.usable);
  EXPECT_EQ(loaded.problem, problem);
  EXPECT_EQ(loaded.error, error);
  EXPECT_TRUE(is_empty(loaded.driver));
}

TEST(LoadDriver, FillsTheTableWithTheVersionsAskedFor) {
  const auto address = stand_in<void* (*)(const char*, int)>("stand_in_address");
  const int flags_before = stand_in<int (*)()>("stand_in_wrong_flags")();
  const Loaded loaded = load_driver(kDriver.c_str());
  EXPECT_TRUE(loaded.usable) << loaded.problem;
  EXPECT_EQ(loaded.problem, "");
  EXPECT_EQ(loaded.error, 0);
  std::set<void*> different;
  size_t count = 0;
#define STRIDEPORT_CHECK(name, version)                                                                  \
  EXPECT_EQ(reinterpret_cast<void*>(loaded.driver.name), address("cu" #name, version)) << "cu" #name;    \
  different.insert(reinterpret_cast<void*>(loaded.driver.name));                                         \
  ++count;
  STRIDEPORT_DRIVER_FUNCTIONS(STRIDEPORT_CHECK)
#undef STRIDEPORT_CHECK
  EXPECT_EQ(different.count(nullptr), 0U);
  EXPECT_EQ(different.size(), count);
  EXPECT_EQ(stand_in<int (*)()>("stand_in_wrong_flags")(), flags_before) << "a flag other than LEGACY_STREAM";
}

TEST(LoadDriver, TakesTheBatchCopyThatTheDriverHas) {
  const auto address = stand_in<void* (*)(const char*, int)>("stand_in_address");
  void* const with_index = address("cuMemcpyBatchAsync", 12080);
  void* const without = address("cuMemcpyBatchAsync", 13000);
  ASSERT_NE(with_index, without);
  const auto batch_of = [](const char* version) {
    const Setting setting("STAND_IN_VERSION", version);
    const Loaded loaded = load_driver(kDriver.c_str());
    return std::pair(reinterpret_cast<void*>(loaded.driver.MemcpyBatchAsync_12080),
                     reinterpret_cast<void*>(loaded.driver.MemcpyBatchAsync_13000));
  };
  for (const char* version : {"13000", "13010", "13050"}) {
    EXPECT_EQ(batch_of(version), std::pair(static_cast<void*>(nullptr), without)) << version;
  }
  {
    const Setting old("STAND_IN_OLD_BATCH", "1");
    EXPECT_EQ(batch_of("13000"), std::pair(with_index, static_cast<void*>(nullptr)));
  }
  if (k13) return;  // older drivers are refused
  EXPECT_EQ(batch_of("12080"), std::pair(with_index, static_cast<void*>(nullptr)));
  EXPECT_EQ(batch_of("12090"), std::pair(with_index, static_cast<void*>(nullptr)));
  EXPECT_EQ(batch_of("12060"), std::pair(static_cast<void*>(nullptr), static_cast<void*>(nullptr)));
}

TEST(LoadDriver, DoesWithoutBatchCopies) {
  const Setting setting("STAND_IN_LACKS", "cuMemcpyBatchAsync");
  const Loaded loaded = load_driver(kDriver.c_str());
  EXPECT_TRUE(loaded.usable) << loaded.problem;
  EXPECT_EQ(loaded.driver.MemcpyBatchAsync_12080, nullptr);
  EXPECT_EQ(loaded.driver.MemcpyBatchAsync_13000, nullptr);
}

TEST(LoadDriver, SaysThatThereIsNoLibrary) {
  for (const std::string name : {"libstand_in_not_there.so.1", "/nonexistent/libcuda.so.1"}) {
    expect_problem(load_driver(name.c_str()), "no driver: " + name + " was not found; " + kInstall +
                                                  ", or start the container with access to the GPU");
  }
}

TEST(LoadDriver, SaysWhyAFileCannotBeLoaded) {
  const std::string text = kFolder + "/stand_in_text.so";
  const Loaded loaded = load_driver(text.c_str());
  EXPECT_EQ(loaded.problem.find("unusable driver: the library cannot be loaded (" + text + ": "), 0U) << loaded.problem;
  EXPECT_NE(loaded.problem.find("); reinstall NVIDIA's driver"), std::string::npos) << loaded.problem;
  EXPECT_EQ(load_driver(kFolder.c_str()).problem.find("unusable driver: "), 0U);
}

TEST(LoadDriver, NamesTheLibraryThatALibraryNeeds) {
  const Loaded loaded = load_driver((kFolder + "/stand_in_needy.so").c_str());
  EXPECT_EQ(loaded.problem.find("unusable driver: "), 0U) << loaded.problem;
  EXPECT_NE(loaded.problem.find("stand_in_needed.so"), std::string::npos) << loaded.problem;
}

TEST(LoadDriver, SaysThatALibraryIsNoDriver) {
  const std::string stranger = kFolder + "/stand_in_stranger.so";
  expect_problem(load_driver(stranger.c_str()),
                 "not a driver: " + stranger +
                     " has no cuInit and cuDriverGetVersion; see where LD_LIBRARY_PATH leads, and reinstall NVIDIA's driver");
  const std::string entryless = kFolder + "/stand_in_entryless.so";
  expect_problem(load_driver(entryless.c_str()),
                 "not a driver: " + entryless +
                     " has no cuGetProcAddress; see where LD_LIBRARY_PATH leads, and reinstall NVIDIA's driver");
}

TEST(LoadDriver, SaysWhichDriverIsNeededInPlaceOfATooOldOne) {
  const auto problem_of = [](const std::string& library, const char* version) {
    const Setting setting("STAND_IN_VERSION", version);
    return load_driver(library.c_str());
  };
  const auto story = [](const std::string& version) {
    return "driver too old: it supports CUDA " + version + ", and this build of Strideport needs " +
           (k13 ? "13.0" : "12.4") + "; " + kInstall;
  };
  expect_problem(problem_of(kDriver, "12030"), story("12.3"));
  expect_problem(problem_of(kDriver, "11080"), story("11.8"));
  // Drivers before 12.0 have no cuGetProcAddress_v2: the version is what is to be said of them.
  expect_problem(problem_of(kFolder + "/stand_in_entryless.so", "11040"), story("11.4"));
  EXPECT_EQ(problem_of(kDriver, "12090").usable, !k13);
  EXPECT_TRUE(problem_of(kDriver, "13000").usable);
  EXPECT_TRUE(problem_of(kDriver, "14020").usable);
}

TEST(LoadDriver, NamesTheFunctionThatIsMissing) {
  const auto problem_of = [](const char* variable, const char* name) {
    const Setting setting(variable, name);
    return load_driver(kDriver.c_str());
  };
  const std::string beginning = "incomplete driver: " + kDriver + ", which says that it supports CUDA 13.0, ";
  expect_problem(problem_of("STAND_IN_LACKS", "cuMemAllocFromPoolAsync"),
                 beginning + "lacks cuMemAllocFromPoolAsync, of CUDA 11.2; reinstall NVIDIA's driver");
  expect_problem(problem_of("STAND_IN_NEWER", "cuStreamGetCaptureInfo"),
                 beginning + "has no version of cuStreamGetCaptureInfo for CUDA 12.3; reinstall NVIDIA's driver");
#define STRIDEPORT_LACKS(name, version) \
  EXPECT_NE(problem_of("STAND_IN_LACKS", "cu" #name).problem.find("lacks cu" #name ","), std::string::npos);
  STRIDEPORT_DRIVER_FUNCTIONS(STRIDEPORT_LACKS)
#undef STRIDEPORT_LACKS
}

struct InitFailure {
  int error;
  const char* begins;
  const char* holds;
};

TEST(LoadDriver, TellsTheFailuresOfCuInitApart) {
  const InitFailure failures[] = {
      {2, "no memory: ", "CUDA_ERROR_OUT_OF_MEMORY, 2"},
      {3, "forked process: ", "spawn"},
      {34, "not a driver: ", "stub"},
      {36, "driver too old: ", "kernel module"},
      {46, "no device: ", "nvidia-smi"},
      {100, "no device: ", "CUDA_VISIBLE_DEVICES"},
      {101, "no device: ", "CUDA_ERROR_INVALID_DEVICE, 101"},
      {214, "broken device: ", "ECC"},
      {304, "no device: ", "/dev/nvidia*"},
      {800, "no permission: ", "/dev/nvidia*"},
      {802, "system not ready: ", "fabricmanager"},
      {803, "driver mismatch: ", "kernel module"},
      {804, "driver mismatch: ", "cuda-compat"},
      {805, "MPS failed: ", "CUDA_MPS_PIPE_DIRECTORY"},
      {806, "MPS failed: ", "log"},
      {807, "MPS not ready: ", "try again"},
      {808, "MPS is full: ", "clients"},
      {809, "MPS is full: ", "CUDA_DEVICE_MAX_CONNECTIONS"},
      {810, "MPS ended this client", "start the process again"},
      {999, "driver failed for a reason", "nvidia-uvm"},
  };
  std::set<std::string> different;
  for (const InitFailure& failure : failures) {
    const Setting setting("STAND_IN_INIT", std::to_string(failure.error));
    const Loaded loaded = load_driver(kDriver.c_str());
    EXPECT_FALSE(loaded.usable);
    EXPECT_EQ(loaded.error, failure.error);
    EXPECT_EQ(loaded.problem.find(failure.begins), 0U) << loaded.problem;
    EXPECT_NE(loaded.problem.find(failure.holds), std::string::npos) << loaded.problem;
    EXPECT_NE(loaded.problem.find(", " + std::to_string(failure.error) + "); "), std::string::npos) << loaded.problem;
    EXPECT_TRUE(is_empty(loaded.driver));
    different.insert(loaded.problem);
  }
  EXPECT_EQ(different.size(), std::size(failures));
}

TEST(LoadDriver, CarriesAnUnexpectedFailureOfCuInitInTheDriversWords) {
  const Setting setting("STAND_IN_INIT", "719");
  expect_problem(load_driver(kDriver.c_str()),
                 "driver failed: cuInit failed with CUDA_ERROR_LAUNCH_FAILED (719, unspecified launch failure); look at "
                 "whether nvidia-smi works",
                 719);
}

// The toolkit's stub answers every call with this error, cuDriverGetVersion included.
TEST(LoadDriver, KnowsTheToolkitsStub) {
  const Setting setting("STAND_IN_VERSION", "-34");
  const Loaded loaded = load_driver(kDriver.c_str());
  EXPECT_EQ(loaded.problem.find("not a driver: the library is the CUDA toolkit's stub"), 0U) << loaded.problem;
  EXPECT_EQ(loaded.error, 34);
}

TEST(LoadDriver, InitialisesADriverThatAnswersNothingBefore) {
  stand_in<void (*)()>("stand_in_forget")();
  const Setting setting("STAND_IN_STRICT", "1");
  const Loaded loaded = load_driver(kDriver.c_str());
  EXPECT_TRUE(loaded.usable) << loaded.problem;
}

TEST(LoadDriver, TellsTheStoryOfAForkWhereTheDriverAnswersNothingMore) {
  ASSERT_TRUE(load_driver(kDriver.c_str()).usable);
  const Setting setting("STAND_IN_STRICT", "1");
  EXPECT_EQ(in_child([] { return load_driver(kDriver.c_str()).problem; }).find("forked process: "), 0U);
}

// In a child each, since a process has one driver.
class Libcuda : public ::testing::Test {
 protected:
  void SetUp() override { stand_in<void (*)()>("stand_in_forget")(); }
};

TEST_F(Libcuda, TakesTheLibraryThatTheVariableNames) {
  EXPECT_EQ(in_child([] {
              const Setting setting("STRIDEPORT_LIBCUDA", kDriver);
              return libcuda().usable ? std::string("usable") : libcuda().problem;
            }),
            "usable");
  EXPECT_EQ(in_child([] {
              const Setting setting("STRIDEPORT_LIBCUDA", "/nonexistent/driver.so");
              return libcuda().problem;
            }),
            "no driver: /nonexistent/driver.so was not found; " + kInstall +
                ", or start the container with access to the GPU (STRIDEPORT_LIBCUDA names this library)");
}

TEST_F(Libcuda, IsLoadedOnceByManyThreads) {
  const std::string said = in_child([] {
    const Setting setting("STRIDEPORT_LIBCUDA", kDriver);
    const auto calls = stand_in<int (*)()>("stand_in_init_calls");
    const int before = calls();
    std::vector<const Loaded*> seen(8);
    std::vector<std::thread> threads;
    for (const Loaded*& mine : seen) threads.emplace_back([&mine] { mine = &libcuda(); });
    for (std::thread& thread : threads) thread.join();
    const bool same = std::set<const Loaded*>(seen.begin(), seen.end()).size() == 1;
    return std::to_string(calls() - before) + (same ? " call, one table" : " calls, several tables");
  });
  EXPECT_EQ(said, "1 call, one table");
}

TEST_F(Libcuda, WorksInAChildThatWasForkedBeforeTheFirstUse) {
  const std::string said = in_child([] {
    const Setting setting("STRIDEPORT_LIBCUDA", kDriver);
    const std::string child = in_child([] { return std::string(libcuda().usable ? "usable" : libcuda().problem); });
    return child + ", " + (libcuda().usable ? "usable" : libcuda().problem);
  });
  EXPECT_EQ(said, "usable, usable");
}

TEST_F(Libcuda, TellsAChildThatItsParentHadInitialisedTheDriver) {
  const std::string said = in_child([] {
    const Setting setting("STRIDEPORT_LIBCUDA", kDriver);
    if (!libcuda().usable) return "the parent failed: " + libcuda().problem;
    const std::string child = in_child([] { return libcuda().problem; });
    return libcuda().usable ? child : "the parent lost its driver";
  });
  EXPECT_EQ(said.find("forked process: the driver was initialised before the fork"), 0U) << said;
  EXPECT_NE(said.find("spawn or forkserver"), std::string::npos) << said;
}

// Another library in the parent, that is: we had not touched the driver.
TEST_F(Libcuda, TellsAChildThatAnotherLibraryHadInitialisedTheDriver) {
  const std::string said = in_child([] {
    const Setting setting("STRIDEPORT_LIBCUDA", kDriver);
    if (stand_in<int (*)(unsigned)>("cuInit")(0) != 0) return std::string("the other library failed");
    return in_child([] { return libcuda().problem; });
  });
  EXPECT_EQ(said.find("forked process: "), 0U) << said;
}

TEST(DriverError, HoldsFunctionNameNumberAndContext) {
  const Driver driver = load_driver(kDriver.c_str()).driver;
  testing::expect_throws<DeviceError>(
      [&] { throw_driver_error(driver, CUDA_ERROR_LAUNCH_FAILED, "cuStreamSynchronize", "waiting for a copy"); },
      {"cuStreamSynchronize failed with CUDA_ERROR_LAUNCH_FAILED (719, unspecified launch failure), waiting for a copy"});
  testing::expect_throws<DeviceOutOfMemory>([&] { throw_driver_error(driver, CUDA_ERROR_OUT_OF_MEMORY, "cuMemAlloc"); },
                                            {"cuMemAlloc failed with error 2"});
  try {
    throw_driver_error(driver, CUDA_ERROR_LAUNCH_FAILED, "cuMemFree");
  } catch (const DeviceError& error) {
    EXPECT_EQ(error.code(), 719);
  }
}

TEST(DriverError, DoesWithoutTheDriversWords) {
  EXPECT_EQ(describe(Driver(), CUDA_ERROR_LAUNCH_FAILED), "error 719");
  const Driver driver = load_driver(kDriver.c_str()).driver;
  const Setting setting("STAND_IN_SPEECHLESS", "1");
  EXPECT_EQ(describe(driver, CUDA_ERROR_LAUNCH_FAILED), "error 719");
}

}  // namespace
}  // namespace strideport::driver
