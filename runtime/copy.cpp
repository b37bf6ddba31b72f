#include "strideport/copy.hpp"

#include <array>
#include <string>

#include "runtime/transfer/run.hpp"

namespace strideport {
namespace {

// C or F for the order that a caller may name.
Order resolve(Order order, const BufferView& view) {
  if (order == Order::C || order == Order::F) return order;
  if (order == Order::A) {
    return view.is_contiguous(Order::F) && !view.is_contiguous(Order::C) ? Order::F : Order::C;
  }
  throw InvalidArgument("order K has no meaning for a block of bytes; give C, F or A");
}

// `like` in one block at `data`.
BufferView block_like(const BufferView& like, void* data, int64_t size, Order order, bool readonly) {
  std::array<int64_t, kMaxNdim> strides{};
  const auto ndim = static_cast<size_t>(like.ndim());
  contiguous_strides(like.shape(), like.itemsize(), order, std::span(strides.data(), ndim));
  ViewSpec spec;
  spec.buf = data;
  spec.shape = like.shape();
  spec.strides = std::span(strides.data(), ndim);
  spec.itemsize = like.itemsize();
  spec.dtype = like.dtype();
  spec.format = like.format();
  spec.padded = like.padded();
  spec.readonly = readonly;
  spec.memory = MemoryRange{data, size};
  return BufferView::create(spec);
}

void check_size(const char* name, size_t size, const char* view_name, const BufferView& view) {
  if (static_cast<int64_t>(size) == view.len()) return;
  throw InvalidArgument(std::string(name) + ".size() is " + std::to_string(size) + " bytes, but " + view_name +
                        ".len() is " + std::to_string(view.len()));
}

}  // namespace

void copy(const BufferView& dst, const BufferView& src, StreamRef stream, const Progress& progress) {
  transfer::run({dst, nullptr, nullptr}, {src, nullptr, nullptr}, stream, progress);
}

void copy(const Buffer& dst, const Buffer& src, StreamRef stream, const Progress& progress) {
  transfer::run({dst.view(), dst.use(), dst.owner()}, {src.view(), src.use(), src.owner()}, stream, progress);
}

Buffer to(const Buffer& src, Device device, Order order, StreamRef stream) {
  const bool in_order = order == Order::K || src.is_contiguous(order);
  if (in_order && src.device() == device) return src;
  Buffer result = empty_like(src.view(), order, device, stream);
  copy(result, src, stream);
  return result;
}

void to_contiguous(std::span<std::byte> out, const BufferView& src, Order order, StreamRef stream) {
  check_size("out", out.size(), "src", src);
  const auto size = static_cast<int64_t>(out.size());
  copy(block_like(src, out.data(), size, resolve(order, src), false), src, stream);
}

Buffer to_contiguous(const BufferView& src, Order order, StreamRef stream) {
  Buffer result = empty_like(src, order == Order::K ? order : resolve(order, src), src.device(), stream);
  const bool host = !src.device().has_driver();
  transfer::run({result.view(), result.use(), host ? nullptr : result.owner()}, {src, nullptr, nullptr}, stream,
                nullptr);
  return result;
}

void from_contiguous(const BufferView& dst, std::span<const std::byte> in, Order order, StreamRef stream) {
  check_size("in", in.size(), "dst", dst);
  auto* data = const_cast<std::byte*>(in.data());
  copy(dst, block_like(dst, data, static_cast<int64_t>(in.size()), resolve(order, dst), true), stream);
}

}  // namespace strideport
