// The C++ of docs/cpp.md; the tests compile and run it.
#include <strideport/strideport.hpp>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <utility>
#include <vector>

namespace sp = strideport;

int failures = 0;
void check(bool holds, int line) {
  if (!holds) std::printf("docs/snippets/tour.cpp:%d does not hold\n", line), ++failures;
}
#define CHECK(condition) check(condition, __LINE__)

void views() {
  // [views]
  std::array<float, 24> numbers{};
  const auto view = sp::BufferView::of(numbers.data(), {2, 3, 4});  // borrows; shape in elements
  CHECK(view.strides()[0] == 48);                                   // strides in bytes, as in Py_buffer
  CHECK(view.len() == 96 && view.format().text() == "f");

  const auto planes = sp::permute(view, std::array{2, 0, 1});  // the same memory: shape (4, 2, 3)
  const auto reversed = sp::slice(planes, 1, {{}, {}, -1});    // Python's [:, ::-1]
  CHECK(reversed.item_pointer(std::array<int64_t, 3>{3, 0, 2}) == &numbers[12 + 8 + 3]);
  // [/views]
}

void owners() {
  // [owners]
  auto samples = std::make_shared<std::vector<double>>(1000);
  const sp::Buffer buffer(sp::BufferView::of(samples->data(), {1000}), samples);  // shares the vector
  const sp::Buffer every_tenth = buffer.slice(0, {{}, {}, 10});                   // so does each view of it
  samples.reset();
  CHECK(every_tenth.shape()[0] == 100);

  const sp::Buffer fresh = sp::empty(std::array<int64_t, 2>{64, 64}, sp::dtype_of<float>(), sp::Order::F);
  CHECK(fresh.is_contiguous(sp::Order::F));
  // [/owners]
}

void copies() {
  const std::vector<float> matrix(12);
  // [copies]
  const auto source = sp::transpose(sp::BufferView::of(matrix.data(), {3, 4}));  // (4, 3), columns dense
  const sp::Buffer packed = sp::to_contiguous(source, sp::Order::C, sp::StreamRef::host());
  std::printf("%s", sp::explain(packed.view(), source).c_str());  // strategy, bytes, temporaries, why no view

  std::vector<float> target(24);
  const auto columns = sp::BufferView::of(target.data(), {4, 3}, {24, 8});  // every other float
  sp::copy(columns, source, sp::StreamRef::host());                         // the destination first
  // [/copies]
  CHECK(target[1] == 0);
}

void errors() {
  std::array<uint8_t, 8> bytes{};
  // [errors]
  try {
    const auto view = sp::BufferView::of(bytes.data(), {2, 4});
    (void)sp::reshape(view, std::array<int64_t, 2>{3, 3});
  } catch (const sp::Error& error) {  // InvalidArgument, BufferError, OutOfRange, ... all derive from it
    std::printf("%s\n", error.what());
  }
  // [/errors]
}

void exchange() {
  auto pixels = std::make_shared<std::vector<uint8_t>>(48);
  const sp::Buffer buffer(sp::BufferView::of(pixels->data(), {4, 4, 3}), pixels);
  // [exchange]
  sp::DLPackTensor tensor = sp::export_dlpack(buffer);  // a unique_ptr: release() it into a consumer's hands
  const sp::Buffer back = sp::import_dlpack(std::move(tensor), sp::StreamRef::host());
  CHECK(back.buf() == buffer.buf());  // no element was copied

  const sp::Buffer frozen = buffer.toreadonly();
  const sp::Buffer still = sp::import_dlpack(sp::export_dlpack(frozen), sp::StreamRef::host());
  CHECK(still.readonly());
  // [/exchange]
}

void devices() {
  const sp::Buffer image = sp::empty({480, 640}, sp::dtype_of<float>());
  auto* const pixels = static_cast<float*>(image.buf());
  for (int i = 0; i < 480 * 640; ++i) pixels[i] = static_cast<float>(i);
  // [devices]
  const auto found = sp::devices();  // GPUs first; simulated ones where STRIDEPORT_SIMULATED_DEVICES asks for them
  if (found.empty()) {
    std::printf("%s\n", sp::why_no_device(sp::DeviceType::cuda).c_str());
    return;
  }
  const sp::Device device = found.front().device;
  const sp::Stream stream = sp::Stream::create(device);

  const sp::Buffer there = sp::to(image, device, sp::Order::F, stream.ref());              // transposed by the device
  const sp::Buffer every_second = there.slice(0, {{}, {}, 2});                             // a view, as on the host
  const sp::Buffer back = sp::to(every_second, sp::Device{}, sp::Order::C, stream.ref());  // done on return
  CHECK(static_cast<const float*>(back.buf())[640] == 2 * 640);
  std::printf("%s", sp::explain(there.view(), image.view()).c_str());  // the route, what is staged, the kernels
  // [/devices]
}

int main() {
  setenv("STRIDEPORT_SIMULATED_DEVICES", "1", 0);  // for devices(), where there is no GPU
  views();
  owners();
  copies();
  errors();
  exchange();
  devices();
  return failures == 0 ? 0 : 1;
}
