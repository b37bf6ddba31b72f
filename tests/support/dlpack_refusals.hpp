/// Imports a made-up tensor and watches its deleter: what the import tests share.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "strideport/buffer.hpp"
#include "strideport/dlpack.hpp"
#include "tests/support/dlpack_producer.hpp"

namespace strideport::testing {

alignas(64) inline std::array<float, 4096> tensor_memory{};

inline TensorFields floats(std::vector<int64_t> shape, std::optional<std::vector<int64_t>> strides = std::nullopt) {
  TensorFields fields;
  fields.shape = std::move(shape);
  fields.strides = std::move(strides);
  fields.data = tensor_memory.data();
  return fields;
}

inline Buffer import(const TensorFields& fields, std::atomic<int>& deletions) {
  return import_dlpack(DLPackTensor(produce(fields, deletions)), StreamRef::host());
}

/// Imports, expects `Error` whose text holds `part`, and exactly one deleter call.
template <class Error>
void expect_refused(const TensorFields& fields, const std::string& part) {
  SCOPED_TRACE(part);
  std::atomic<int> deletions = 0;
  try {
    const Buffer buffer = import(fields, deletions);
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  } catch (const std::exception& error) {
    ADD_FAILURE() << "another exception: " << error.what();
  }
  EXPECT_EQ(deletions, 1);
}

}  // namespace strideport::testing
