// 04 Eigen: matrices and maps go out through DLPack and come back, without Python and without a copy.
//
// Eigen stores columns first unless told otherwise, DLPack describes any strides: so a matrix, a block of it or its
// transpose goes out as it lies, and whoever takes it sees the same elements. A copy happens where one is asked for:
// at the end, from Eigen's column order into row order.
//
// Returns 0 if every matrix came back at its own address with its own values.

#include <dlpack/dlpack.h>

#include <Eigen/Core>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "strideport/strideport.hpp"

namespace sp = strideport;

namespace {

using RowMatrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using AnyStride = Eigen::Stride<Eigen::Dynamic, Eigen::Dynamic>;
using Elements = Eigen::Map<Eigen::MatrixXf, Eigen::Unaligned, AnyStride>;

// Out: whatever Eigen can address, as a view. A const matrix makes a read-only one. -----------------------------------

template <class Dense>
sp::BufferView view_of(Dense&& dense) {
  const auto item = static_cast<int64_t>(sizeof(*dense.data()));
  return sp::BufferView::of(dense.data(), {dense.rows(), dense.cols()},
                            {dense.rowStride() * item, dense.colStride() * item});
}

/// A matrix on the heap, kept alive by whoever still holds a view or a DLPack tensor of it.
template <class Matrix>
sp::Buffer share(const std::shared_ptr<Matrix>& matrix) {
  return {view_of(*matrix), matrix};
}

// In: a buffer as an Eigen map. Eigen counts strides in elements and wants none of them negative. --------------------

Elements map_of(const sp::Buffer& buffer) {
  if (buffer.dtype() != sp::dtype_of<float>() || buffer.ndim() != 2 || buffer.readonly() ||
      !buffer.device().host_accessible()) {
    throw std::invalid_argument("a writable 2-d buffer of float32 in host memory is wanted");
  }
  const int64_t rows = buffer.strides()[0], columns = buffer.strides()[1];
  if (rows < 0 || columns < 0 || rows % 4 != 0 || columns % 4 != 0) {
    throw std::invalid_argument("Eigen cannot step by these strides: copy with to_contiguous");
  }
  return {static_cast<float*>(buffer.buf()), buffer.shape()[0], buffer.shape()[1], AnyStride(columns / 4, rows / 4)};
}

// A stranger: it has never heard of Strideport, only of dlpack.h. -----------------------------------------------------

float foreign_sum(DLManagedTensorVersioned* tensor) {
  const DLTensor& t = tensor->dl_tensor;
  const auto* first = reinterpret_cast<const float*>(static_cast<const char*>(t.data) + t.byte_offset);
  float sum = 0;
  for (int64_t i = 0; i < t.shape[0]; ++i) {
    for (int64_t j = 0; j < t.shape[1]; ++j) sum += first[i * t.strides[0] + j * t.strides[1]];
  }
  tensor->deleter(tensor);  // a consumer calls it once, when it is done
  return sum;
}

int failures = 0;

void check(bool holds, const char* claim) {
  if (holds) return;
  std::printf("FAILED: %s\n", claim);
  ++failures;
}

/// Sends a buffer to the stranger, and through DLPack back into Eigen; `truth` is what both must see.
template <class Dense>
void round_trip(const char* name, const sp::Buffer& buffer, const Dense& truth) {
  const float sum = foreign_sum(sp::export_dlpack(buffer).release());
  const sp::Buffer back = sp::import_dlpack(sp::export_dlpack(buffer), sp::StreamRef::host());
  const Elements elements = map_of(back);
  const bool same_memory = static_cast<const void*>(elements.data()) == truth.data();

  const std::string layout = "(" + std::to_string(back.shape()[0]) + "," + std::to_string(back.shape()[1]) + "):(" +
                             std::to_string(back.strides()[0]) + "," + std::to_string(back.strides()[1]) + ")";
  std::printf("%-28s %-16s %-12s %8g %8g\n", name, layout.c_str(), same_memory ? "view" : "copy",
              static_cast<double>(truth.sum()), static_cast<double>(sum));
  check(same_memory, "the map lies on the matrix itself");
  check(elements == truth, "the map equals the matrix");
  check(sum == truth.sum(), "the stranger sees the same elements");  // small whole numbers: exact in any order
}

}  // namespace

int main() {
  const auto columns = std::make_shared<Eigen::MatrixXf>(4, 6);
  for (int i = 0; i < 24; ++i) (*columns)(i / 6, i % 6) = static_cast<float>(i);
  const auto rows = std::make_shared<RowMatrix>(*columns);

  std::printf("%-28s %-16s %-12s %8s %8s\n", "Eigen", "shape:strides", "came back as", "sum", "foreign");
  const sp::Buffer buffer = share(columns);
  round_trip("MatrixXf (column major)", buffer, *columns);
  round_trip("Matrix<..., RowMajor>", share(rows), *rows);
  round_trip("its transpose", buffer.transpose(), columns->transpose());
  auto block = columns->block(1, 2, 2, 3);
  round_trip("block(1, 2, 2, 3)", buffer.rebind(view_of(block)), block);
  Elements every_other(rows->data(), 2, 3, AnyStride(2, 12));
  round_trip("Map with Stride(2, 12)", share(rows).rebind(view_of(every_other)), every_other);

  // The consumer may outlive the producer's handle, and what it writes is seen by both.
  auto short_lived = std::make_shared<Eigen::MatrixXf>(Eigen::MatrixXf::Zero(2, 2));
  const std::weak_ptr<Eigen::MatrixXf> watched = short_lived;
  {
    const sp::Buffer taken = sp::import_dlpack(sp::export_dlpack(share(short_lived)), sp::StreamRef::host());
    map_of(taken)(1, 0) = 7;
    check((*short_lived)(1, 0) == 7, "a write through DLPack reaches the matrix");
    short_lived.reset();
    check(!watched.expired() && map_of(taken).sum() == 7, "the tensor keeps the matrix alive");
  }
  check(watched.expired(), "the matrix goes with its last tensor");
  const Eigen::MatrixXf constant = Eigen::MatrixXf::Ones(2, 2);
  check(view_of(constant).readonly(), "a const matrix is read-only");

  // Fortran order into C order: the one copy, asked for by name.
  RowMatrix target = RowMatrix::Zero(4, 6);
  std::printf("\ncolumn order to row order:\n%s", sp::explain(view_of(target), buffer.view()).c_str());
  sp::copy(view_of(target), buffer.view(), sp::StreamRef::host());
  check(target == *columns, "copy keeps every element");
  check(target.data()[1] == (*columns)(0, 1), "the copy lies in row order");

  std::printf("\n%s\n", failures == 0 ? "every check holds" : "some checks failed");
  return failures == 0 ? 0 : 1;
}
