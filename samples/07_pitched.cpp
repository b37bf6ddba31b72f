// 07 Pitched rows: a region of interest of an image goes to the GPU as a dense tensor, and comes back into another
// image.
//
// OpenCV's Mat keeps a pointer, rows, columns and a step: the bytes from one row to the next. A region of interest is
// the same with another pointer, so its rows lie apart, at any alignment. As a buffer it is a view with strides; `copy`
// gathers the rows on their way, and a channel order, a plane order or a flip that is asked for in the view is done by
// the same copy. Without OpenCV the sample runs with a struct of the same fields.
//
// Takes the GPU if there is one, else a simulated device. Returns 0 if every byte is where a plain loop puts it.

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>

#include "strideport/strideport.hpp"
#ifdef STRIDEPORT_SAMPLE_HAS_OPENCV
#include <opencv2/core.hpp>
#endif

namespace sp = strideport;

namespace {

#ifdef STRIDEPORT_SAMPLE_HAS_OPENCV
using Mat = cv::Mat;
using Rect = cv::Rect;
Mat new_image(int rows, int cols) { return Mat(rows, cols, CV_8UC3); }
constexpr const char* kMat = "OpenCV's Mat";
#else
struct Rect {
  int x, y, width, height;
};
/// cv::Mat of type CV_8UC3, as far as it is needed here.
struct Mat {
  std::shared_ptr<uint8_t[]> memory;
  uint8_t* data = nullptr;
  int rows = 0, cols = 0;
  size_t step = 0;

  Mat operator()(const Rect& roi) const {
    Mat part = *this;
    part.data += static_cast<size_t>(roi.y) * step + static_cast<size_t>(roi.x) * 3;
    part.rows = roi.height;
    part.cols = roi.width;
    return part;
  }
};
Mat new_image(int rows, int cols) {
  Mat image;
  image.rows = rows;
  image.cols = cols;
  image.step = static_cast<size_t>(cols) * 3;
  image.memory = std::shared_ptr<uint8_t[]>(new uint8_t[image.step * static_cast<size_t>(rows)]);
  image.data = image.memory.get();
  return image;
}
constexpr const char* kMat = "a struct with the fields of OpenCV's Mat (OpenCV is not here)";
#endif

/// The pixels as (rows, cols, 3), wherever they lie; a Mat counts its owners, so a copy of it keeps the memory alive.
sp::Buffer as_buffer(const Mat& image) {
  const auto step = static_cast<int64_t>(static_cast<size_t>(image.step));
  return {sp::BufferView::of(image.data, {image.rows, image.cols, 3}, {step, 3, 1}), std::make_shared<Mat>(image)};
}

uint8_t& pixel(const Mat& image, int y, int x, int channel) {
  return image.data[static_cast<size_t>(y) * static_cast<size_t>(image.step) + static_cast<size_t>(x * 3 + channel)];
}

/// Every byte says where it is, apart from its neighbours in each direction.
void paint(const Mat& image, int seed) {
  for (int y = 0; y < image.rows; ++y) {
    for (int x = 0; x < image.cols; ++x) {
      for (int c = 0; c < 3; ++c) pixel(image, y, x, c) = static_cast<uint8_t>(seed + 7 * y + 13 * x + 101 * c + x * y);
    }
  }
}

/// GPUs come first among the devices; a simulated one is there because this asks for it.
sp::Device choose_device() {
  setenv("STRIDEPORT_SIMULATED_DEVICES", "1", 0);
  const auto devices = sp::devices();
  if (devices.empty()) throw std::runtime_error("no GPU and no simulated device");
  const sp::DeviceInfo& first = devices.front();
  const bool simulated = first.device.type == sp::DeviceType::simulated;
  std::printf("device: %s (%s)\n", sp::to_string(first.device).c_str(), first.name.c_str());
  if (simulated) std::printf("  it is simulated: %s\n", sp::why_no_device(sp::DeviceType::cuda).c_str());
  return first.device;
}

int failures = 0;

void check(const char* claim, int64_t wrong) {
  std::printf("%s %s\n", wrong == 0 ? "ok:    " : "FAILED:", claim);
  if (wrong != 0) ++failures;
}

/// Bytes of `image` that are not what `expected(y, x, channel)` says.
template <class Expected>
int64_t differences(const Mat& image, Expected expected) {
  int64_t wrong = 0;
  for (int y = 0; y < image.rows; ++y) {
    for (int x = 0; x < image.cols; ++x) {
      for (int c = 0; c < 3; ++c) wrong += pixel(image, y, x, c) != expected(y, x, c) ? 1 : 0;
    }
  }
  return wrong;
}

void explain(const char* title, const sp::Buffer& dst, const sp::Buffer& src) {
  std::printf("\n%s\n%s", title, sp::explain(dst.view(), src.view()).c_str());
}

}  // namespace

int main() try {
  const sp::Device device = choose_device();
  std::printf("image:  %s\n", kMat);
  const sp::Stream stream = sp::Stream::create(device);

  const Mat image = new_image(480, 640);
  paint(image, 1);
  const Rect roi{101, 37, 200, 120};
  const sp::Buffer region = as_buffer(image(roi));

  // To the device, one dense block of (rows, cols, channels): rows of 600 bytes out of rows of 1920.
  const sp::Buffer dense = sp::empty({roi.height, roi.width, 3}, region.dtype(), sp::Order::C, device, stream.ref());
  explain("region of interest -> dense tensor on the device:", dense, region);
  sp::copy(dense, region, stream.ref());

  // As a network wants it, planes of red, green, blue: the order of channels and of axes is in the view of the source.
  const sp::Buffer planar_rgb = region.flip(2).permute({2, 0, 1});
  const sp::Buffer planes = sp::empty({3, roi.height, roi.width}, region.dtype(), sp::Order::C, device, stream.ref());
  explain("region of interest, BGR -> planes of R, G, B on the device:", planes, planar_rgb);
  sp::copy(planes, planar_rgb, stream.ref());

  // Back, each into the middle of another image: what is around must stay. The copies wait for those above by
  // themselves, since Buffers know the work that is pending on them.
  const Mat first = new_image(300, 500), second = new_image(300, 500);
  paint(first, 50);
  paint(second, 50);
  const Rect place{33, 11, roi.width, roi.height};
  const sp::Buffer from_planes = planes.permute({1, 2, 0}).flip(2);
  const sp::Buffer first_region = as_buffer(first(place)), second_region = as_buffer(second(place));
  explain("dense tensor -> region of another image:", first_region, dense);
  sp::copy(first_region, dense, stream.ref());
  sp::copy(second_region, from_planes, stream.ref());  // pageable memory: done on return
  stream.synchronize();

  Mat untouched = new_image(300, 500);
  paint(untouched, 50);
  const auto expected = [&](int y, int x, int c) {
    const bool inside = y >= place.y && y < place.y + place.height && x >= place.x && x < place.x + place.width;
    return inside ? pixel(image, y - place.y + roi.y, x - place.x + roi.x, c) : pixel(untouched, y, x, c);
  };
  std::printf("\n");
  check("the region came back, and the image around it is as it was", differences(first, expected));
  check("the region came back from planes of R, G, B", differences(second, expected));

  // The planes themselves, brought to the host as they lie.
  const sp::Buffer planes_on_host = sp::to(planes, sp::Device{}, sp::Order::C, stream.ref());
  sp::make_ready(planes_on_host, sp::StreamRef::host());
  const auto* byte = static_cast<const uint8_t*>(planes_on_host.buf());
  int64_t wrong = 0;
  for (int c = 2; c >= 0; --c) {
    for (int y = 0; y < roi.height; ++y) {
      for (int x = 0; x < roi.width; ++x) wrong += *byte++ != pixel(image, roi.y + y, roi.x + x, c) ? 1 : 0;
    }
  }
  check("on the device the planes lie as red, green, blue", wrong);
  return failures == 0 ? 0 : 1;
} catch (const std::exception& error) {
  std::fprintf(stderr, "error: %s\n", error.what());
  return 1;
}
