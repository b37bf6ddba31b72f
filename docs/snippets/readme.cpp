#include <strideport/strideport.hpp>

#include <cstdio>
#include <utility>
#include <vector>

int main() {
  namespace sp = strideport;
  std::vector<float> matrix(480 * 640);

  const auto view = sp::BufferView::of(matrix.data(), {480, 640});  // borrows
  const auto turned = sp::transpose(view);                          // the same memory, other strides
  const sp::Buffer packed = sp::to_contiguous(turned, sp::Order::C, sp::StreamRef::host());  // owns
  std::printf("%s", sp::explain(packed.view(), turned).c_str());

  sp::DLPackTensor tensor = sp::export_dlpack(packed);  // for any library that speaks DLPack; shares the owner
  const sp::Buffer back = sp::import_dlpack(std::move(tensor), sp::StreamRef::host());
  return back.buf() == packed.buf() ? 0 : 1;
}
