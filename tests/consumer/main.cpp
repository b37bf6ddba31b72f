// Touches each part of the library, so that a source file left out of the installed archive fails to link.
#include <strideport/strideport.hpp>

#include <cstdint>
#include <cstdio>

int main() {
  const int32_t source[2][3] = {{1, 2, 3}, {4, 5, 6}};
  const auto matrix = strideport::BufferView::of(&source[0][0], {2, 3});
  const strideport::Buffer turned =
      strideport::to_contiguous(strideport::transpose(matrix), strideport::Order::C, strideport::StreamRef::host());
  std::printf("%s", strideport::explain(turned.view(), strideport::transpose(matrix)).c_str());

  const strideport::Buffer back =
      strideport::import_dlpack(strideport::export_dlpack(turned), strideport::StreamRef::host());
  const auto* elements = static_cast<const int32_t*>(back.buf());
  const bool right = elements[0] == 1 && elements[1] == 4 && elements[4] == 3 && elements[5] == 6;
  std::puts(right ? "consumer: right" : "consumer: wrong elements");
  return right ? 0 : 1;
}
