// 03 Row pointers: an image whose rows lie anywhere in memory becomes one contiguous block.
//
// Pillow keeps an image as a table of row pointers, and colours as four bytes a pixel, the last one unused. No strides
// can describe that; PEP 3118's suboffsets can: "take the pointer that lies here, then go on from where it points".
// Slicing, flipping and dropping the unused byte are views. `to_contiguous` is the one copy; `explain` says how it is
// done.
//
//     03_pil_rows [OUT.ppm]
//
// Returns 0 if every byte of the block is the one that a plain loop over the rows finds.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "strideport/strideport.hpp"

namespace sp = strideport;

namespace {

constexpr int64_t kHeight = 22, kWidth = 76;
constexpr int64_t kPixelBytes = 4;  // red, green, blue, unused

/// An image as Pillow keeps it: each row an allocation of its own.
struct RowImage {
  std::vector<std::unique_ptr<std::byte[]>> rows;
  std::vector<std::byte*> table;

  RowImage() {
    for (int64_t y = 0; y < kHeight; ++y) {
      rows.push_back(std::make_unique<std::byte[]>(kWidth * kPixelBytes));
      table.push_back(rows.back().get());
    }
  }
  std::byte& at(int64_t y, int64_t x, int64_t channel) {
    return table[static_cast<size_t>(y)][x * kPixelBytes + channel];
  }
};

/// A sky that darkens upwards, a sun at the left, and the sea: nothing that looks the same upside down.
void paint(RowImage& image) {
  for (int64_t y = 0; y < kHeight; ++y) {
    for (int64_t x = 0; x < kWidth; ++x) {
      const int64_t dx = x - 20, dy = 2 * (y - 8);  // characters are twice as high as wide
      const bool sun = dx * dx + dy * dy<110, sea = y> 15;
      const std::array<int64_t, 3> colour = sea   ? std::array<int64_t, 3>{20, 40 + 2 * x, 90}
                                            : sun ? std::array<int64_t, 3>{255, 240, 200}
                                                  : std::array<int64_t, 3>{8 * y, 6 * y + x, 5 * y + x};
      for (int64_t c = 0; c < 3; ++c) image.at(y, x, c) = static_cast<std::byte>(colour[static_cast<size_t>(c)]);
      image.at(y, x, 3) = std::byte{0xEE};  // never to be seen again
    }
  }
}

/// The image as a buffer of shape (height, width, 4) that shares its ownership.
sp::Buffer as_buffer(const std::shared_ptr<RowImage>& image) {
  const std::array<int64_t, 3> shape = {kHeight, kWidth, kPixelBytes};
  const std::array<int64_t, 3> strides = {sizeof(std::byte*), kPixelBytes, 1};
  const std::array<int64_t, 3> suboffsets = {0, -1, -1};  // axis 0 steps through pointers; the others are direct
  sp::ViewSpec spec;
  spec.buf = image->table.data();
  spec.shape = shape;
  spec.strides = strides;
  spec.suboffsets = suboffsets;
  spec.dtype = sp::dtype_of<uint8_t>();
  spec.format = sp::Format::of(spec.dtype);
  return {sp::BufferView::create(spec), image};
}

/// One character a pixel, by the mean of its channels. `item_pointer` follows the row pointers.
void show(const char* title, const sp::BufferView& pixels) {
  std::printf("%s\n", title);
  for (int64_t y = 0; y < pixels.shape()[0]; ++y) {
    std::string line;
    for (int64_t x = 0; x < pixels.shape()[1]; ++x) {
      int sum = 0;
      for (int64_t c = 0; c < 3; ++c) {
        sum += *static_cast<const uint8_t*>(pixels.item_pointer(std::array<int64_t, 3>{y, x, c}));
      }
      line += " .:-=+*#%@"[sum * 10 / (3 * 256)];
    }
    std::printf("  %s\n", line.c_str());
  }
}

void write_ppm(const char* path, const sp::Buffer& block) {
  std::ofstream file(path, std::ios::binary);
  file << "P6\n" << block.shape()[1] << ' ' << block.shape()[0] << "\n255\n";
  file.write(static_cast<const char*>(block.buf()), block.len());
  std::printf("%s %s\n", file ? "wrote" : "could not write", path);
}

}  // namespace

int main(int argc, char** argv) {
  const auto image = std::make_shared<RowImage>();
  paint(*image);
  const sp::Buffer pixels = as_buffer(image);

  // A region of interest, upside down and without the unused byte: still views, still through the row pointers.
  const int64_t top = 2, bottom = 20, left = 5, right = 45;
  const sp::Buffer region = pixels.slice(0, {top, bottom}).slice(1, {left, right}).slice(2, {0, 3}).flip(0);
  const sp::Buffer block = sp::to_contiguous(region.view(), sp::Order::C, sp::StreamRef::host());

  show("the image, a row pointer a line:", pixels.view());
  show("\nthe region, flipped, in one block:", block.view());
  std::printf("\nhow it is copied:\n%s\n", sp::explain(block.view(), region.view()).c_str());

  int64_t wrong = 0;
  const auto* byte = static_cast<const std::byte*>(block.buf());
  for (int64_t y = bottom - 1; y >= top; --y) {
    for (int64_t x = left; x < right; ++x) {
      for (int64_t c = 0; c < 3; ++c) wrong += *byte++ != image->at(y, x, c) ? 1 : 0;
    }
  }
  std::printf("%lld of %lld bytes differ from the plain loop's\n", static_cast<long long>(wrong),
              static_cast<long long>(block.len()));
  if (argc > 1) write_ppm(argv[1], block);
  return wrong == 0 && block.is_contiguous(sp::Order::C) ? 0 : 1;
}
