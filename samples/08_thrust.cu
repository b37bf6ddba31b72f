// 08 Thrust: algorithms over parts of a table where the table lies, on the GPU, without copying the parts out first.
//
// The table has a row for each hour and a column for each weather station. A column is strided, "newest first" has
// negative strides, a report with stations as rows is a transposed view. Views say all that, and strideport/thrust.hpp
// makes plain random-access iterators of them, which any Thrust algorithm takes: here a reduction, a sort in place, and
// a gather.
//
// Compiled by nvcc, it takes the GPU if there is one, else a simulated device, over whose memory Thrust runs on the
// host. Compiled as C++ (c++ -x c++), Thrust's C++ backend is all there is, and the device is a simulated one.
//
// Returns 0 if all three results are those of plain loops.

#include "strideport/thrust.hpp"

#include <thrust/functional.h>
#include <thrust/gather.h>
#include <thrust/reduce.h>
#include <thrust/sort.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <vector>

#include "strideport/strideport.hpp"

namespace sp = strideport;

namespace {

constexpr int64_t kHours = 24 * 365, kStations = 60, kStation = 17, kReported = 6;

float temperature(int64_t hour, int64_t station) {
  const uint32_t noise = static_cast<uint32_t>(hour * 60 + station) * 2654435761U >> 22;
  return static_cast<float>(station) / 4 - static_cast<float>(hour % 24) + static_cast<float>(noise) / 64;
}

sp::Device choose_device() {
  setenv("STRIDEPORT_SIMULATED_DEVICES", "1", 0);  // GPUs come first among the devices
  for (const sp::DeviceInfo& info : sp::devices()) {
#if !defined(__CUDACC__)
    if (info.device.type == sp::DeviceType::cuda) {
      std::printf("passed over: %s, since this program was not compiled by nvcc\n", info.name.c_str());
      continue;
    }
#endif
    std::printf("device: %s (%s)\n", sp::to_string(info.device).c_str(), info.name.c_str());
    if (info.device.type == sp::DeviceType::simulated) {
      std::printf("  it is simulated: Thrust runs on the host, over the device's memory. %s\n",
                  sp::why_no_device(sp::DeviceType::cuda).c_str());
    }
    return info.device;
  }
  throw std::runtime_error("no GPU and no simulated device");
}

/// Where an algorithm runs, and the iterators that are good there.
struct OnHost {
  explicit OnHost(sp::StreamRef) {}
  static auto policy() { return thrust::host; }
  template <class T>
  static auto begin(const sp::BufferView& view) {
    return sp::strided_begin<T>(thrust::host, view);
  }
  template <class T>
  static auto end(const sp::BufferView& view) {
    return sp::strided_end<T>(thrust::host, view);
  }
};

#if defined(__CUDACC__)
struct OnGpu {
  explicit OnGpu(sp::StreamRef ref) : stream(reinterpret_cast<cudaStream_t>(ref.handle())) {}
  auto policy() const { return thrust::cuda::par.on(stream); }
  template <class T>
  static auto begin(const sp::BufferView& view) {
    return sp::strided_begin<T>(view);
  }
  template <class T>
  static auto end(const sp::BufferView& view) {
    return sp::strided_end<T>(view);
  }
  cudaStream_t stream;
};
#endif

/// New memory on the device, with a copy of `values` in it; ready when this returns.
template <class T>
sp::Buffer upload(std::vector<T>& values, std::initializer_list<int64_t> shape, sp::Device device) {
  const sp::Buffer result = sp::empty(shape, sp::dtype_of<T>(), sp::Order::C, device);
  sp::copy(result.view(), sp::BufferView::of(values.data(), shape), sp::StreamRef::host());
  return result;
}

std::vector<float> download(const sp::BufferView& view) {
  std::vector<float> values(static_cast<size_t>(view.element_count()));
  sp::copy(sp::BufferView::of(values.data(), view.shape()), view, sp::StreamRef::host());
  return values;
}

bool tell(const char* what, bool right) {
  std::printf("%-64s %s\n", what, right ? "right" : "WRONG");
  return right;
}

template <class Where>
bool run(const Where& where, sp::Device device) {
  std::vector<float> readings;
  for (int64_t hour = 0; hour < kHours; ++hour) {
    for (int64_t station = 0; station < kStations; ++station) readings.push_back(temperature(hour, station));
  }
  const sp::Buffer table = upload(readings, {kHours, kStations}, device);
  const auto at = [&](int64_t hour, int64_t station) {
    return readings[static_cast<size_t>(hour * kStations + station)];
  };

  // Reduce: the warmest hour of one station. A column, in steps of a row.
  const sp::Buffer column = table.index(1, kStation);
  const float warmest =
      thrust::reduce(where.policy(), Where::template begin<const float>(column.view()),
                     Where::template end<const float>(column.view()), -1000.0F, thrust::maximum<float>());
  float expected_warmest = -1000.0F;
  for (int64_t hour = 0; hour < kHours; ++hour) expected_warmest = std::max(expected_warmest, at(hour, kStation));
  bool right = tell("reduce: the warmest hour of a column", warmest == expected_warmest);

  // Gather: the last day, newest hour first, of a few stations, into a report whose rows are the stations.
  std::vector<int64_t> map;
  for (int64_t hour = 0; hour < 24; ++hour) {
    for (int64_t i = 0; i < kReported; ++i) map.push_back(hour * kStations + i * 7 % kStations);
  }
  const sp::Buffer places = upload(map, {24, kReported}, device);
  const sp::Buffer newest_first = table.flip(0);
  const sp::Buffer report = sp::empty({kReported, 24}, sp::dtype_of<float>(), sp::Order::C, device);
  const sp::Buffer by_hour = report.transpose();
  thrust::gather(where.policy(), Where::template begin<const int64_t>(places.view()),
                 Where::template end<const int64_t>(places.view()),
                 Where::template begin<const float>(newest_first.view()), Where::template begin<float>(by_hour.view()));
  const std::vector<float> reported = download(report.view());
  bool same = true;
  for (int64_t i = 0; i < kReported; ++i) {
    for (int64_t hour = 0; hour < 24; ++hour) {
      same = same && reported[static_cast<size_t>(i * 24 + hour)] == at(kHours - 1 - hour, i * 7 % kStations);
    }
  }
  right = tell("gather: the last day, newest first, stations as rows", same) && right;

  // Sort: a column in place. All other columns stay as they are.
  thrust::sort(where.policy(), Where::template begin<float>(column.view()), Where::template end<float>(column.view()));
  const std::vector<float> after = download(table.view());
  std::vector<float> sorted;
  for (int64_t hour = 0; hour < kHours; ++hour) sorted.push_back(at(hour, kStation));
  std::sort(sorted.begin(), sorted.end());
  for (int64_t hour = 0; hour < kHours; ++hour)
    readings[static_cast<size_t>(hour * kStations + kStation)] = sorted[static_cast<size_t>(hour)];
  return tell("sort: a column in place, the others untouched", after == readings) && right;
}

}  // namespace

int main() {
  try {
    const sp::Device device = choose_device();
    const sp::Stream stream = sp::Stream::create(device);
#if defined(__CUDACC__)
    if (device.type == sp::DeviceType::cuda) {
      cudaSetDevice(device.id);
      const bool right = run(OnGpu(stream.ref()), device);
      stream.synchronize();
      return right ? 0 : 1;
    }
#endif
    return run(OnHost(stream.ref()), device) ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "08_thrust: %s\n", error.what());
    return 1;
  }
}
