// The real driver, where there is one: what the stand-ins of driver_load_test are taken to imitate.

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <set>
#include <string>

#include "device/driver/driver.hpp"
#include "device/driver/error.hpp"
#include "tests/support/in_child.hpp"

namespace strideport::driver {
namespace {

using testing::in_child;

bool initialised_here = false;

const Loaded& loaded_here() {
  initialised_here = true;
  return libcuda();
}

std::string story(const Loaded& loaded) { return loaded.usable ? "usable" : loaded.problem; }

bool gpu_is_required() {
  const char* const require = std::getenv("STRIDEPORT_REQUIRE_GPU");
  return require != nullptr && std::strcmp(require, "1") == 0;
}

// Asks a child, so that this process stays without a driver until a test wants it.
class RealDriver : public ::testing::Test {
 protected:
  void SetUp() override {
    if (initialised_here) return;
    const std::string said = in_child([] { return story(libcuda()); });
    if (said == "usable") return;
    if (gpu_is_required()) FAIL() << said;
    GTEST_SKIP() << said;
  }
};

TEST_F(RealDriver, WorksInAChildForkedBeforeTheFirstUse) {
  if (initialised_here) GTEST_SKIP() << "another case of this process came first; ctest gives each its own";
  const std::string said = in_child([] {
    const std::string child = in_child([] { return story(libcuda()); });
    return child + ", " + story(libcuda());
  });
  EXPECT_EQ(said, "usable, usable");
}

TEST_F(RealDriver, TellsAForkedChildThatItsParentHadInitialisedIt) {
  ASSERT_TRUE(loaded_here().usable) << loaded_here().problem;
  const std::string said = in_child([] { return libcuda().problem; });
  EXPECT_EQ(said.find("forked process: the driver was initialised before the fork"), 0U) << said;
  EXPECT_EQ(in_child([] { return load_driver("libcuda.so.1").problem; }), said);
}

TEST_F(RealDriver, HasEveryFunction) {
  const Loaded& loaded = loaded_here();
  ASSERT_TRUE(loaded.usable) << loaded.problem;
  std::set<void*> different;
  size_t count = 0;
#define STRIDEPORT_COUNT(name, version)                            \
  different.insert(reinterpret_cast<void*>(loaded.driver.name));   \
  EXPECT_NE(reinterpret_cast<void*>(loaded.driver.name), nullptr); \
  ++count;
  STRIDEPORT_DRIVER_FUNCTIONS(STRIDEPORT_COUNT)
#undef STRIDEPORT_COUNT
  EXPECT_EQ(different.size(), count);
  int version = 0;
  ASSERT_EQ(loaded.driver.DriverGetVersion(&version), CUDA_SUCCESS);
  EXPECT_EQ(loaded.driver.MemcpyBatchAsync_13000 != nullptr, version >= 13000);
  EXPECT_EQ(loaded.driver.MemcpyBatchAsync_12080 != nullptr, version >= 12080 && version < 13000);
}

TEST_F(RealDriver, PutsErrorsIntoWords) {
  const Driver& driver = loaded_here().driver;
  EXPECT_EQ(describe(driver, CUDA_ERROR_INVALID_VALUE), "CUDA_ERROR_INVALID_VALUE (1, invalid argument)");
  EXPECT_EQ(describe(driver, CUDA_ERROR_OUT_OF_MEMORY), "CUDA_ERROR_OUT_OF_MEMORY (2, out of memory)");
  EXPECT_EQ(describe(driver, static_cast<CUresult>(998)), "error 998");
}

}  // namespace
}  // namespace strideport::driver
