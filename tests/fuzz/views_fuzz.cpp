// Views made, sliced, turned, reshaped, cast and copied in any sequence, over one block between pages that fault. After
// each step the odometer walks the result, and the block, gaps included, must hold what was written there by hand.
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include "strideport/copy.hpp"
#include "strideport/error.hpp"
#include "strideport/plan.hpp"
#include "tests/fuzz/input.hpp"
#include "tests/fuzz/modelled_view.hpp"
#include "tests/fuzz/picked_views.hpp"
#include "tests/fuzz/view_block.hpp"

namespace strideport::testing {
namespace {

constexpr int kMostSteps = 40;

class Story {
 public:
  explicit Story(Input input) : input_(input) {}

  void run() {
    for (int step = 0; step < kMostSteps && !input_.done(); ++step) {
      take_step(input_.pick(0, 19));
      block_.check();
    }
  }

 private:
  using Operation = std::optional<Modelled> (*)(Input&, const Modelled&);
  static constexpr Operation kOperations[] = {&sliced,   &indexed,    &flipped,  &permuted, &expanded,
                                              &squeezed, &unsqueezed, &reshaped, &recast,   &made_readonly};

  void take_step(int64_t kind) {
    if (kind < std::ssize(kOperations)) return keep(kOperations[kind](input_, slot()));
    switch (kind) {
      case 10:
      case 11: return keep(block_.make_direct());
      case 12: return keep(block_.make_indirect());
      case 13: return block_.try_wild();
      case 14: return read_all();
      case 15: return write_all();
      case 16: return ask();
      default: return copy_views();
    }
  }

  Modelled& slot() { return slots_[static_cast<size_t>(input_.pick(0, std::ssize(slots_) - 1))]; }

  void keep(std::optional<Modelled> result) {
    if (!result) return;
    result->check();
    slot() = std::move(*result);
  }

  /// Runs a copy that must be refused if `wrong`, and says whether it was done.
  template <class F>
  static bool done_unless(bool wrong, F&& operation) {
    try {
      operation();
    } catch (const InvalidArgument&) {
      require(wrong, "a copy that is sound is done");
      return false;
    } catch (const ReadOnly&) {
      require(wrong, "a copy that is sound is done");
      return false;
    }
    require(!wrong, "a copy that is not sound is refused");
    return true;
  }

  void copy_views() {
    const Modelled dst = slot();
    const Modelled src = slot();
    const bool alike = dst.view.format() == src.view.format() && dst.itemsize() == src.itemsize();
    const bool differ = dst.readonly || !alike || dst.without_units() != src.without_units();
    const bool overlaps = dst.overlaps_itself();
    // A plan reads no row pointers, so it need not know that rows overlap.
    if (!dst.view.has_suboffsets() || differ || !overlaps) {
      done_unless(differ || overlaps,
                  [&] { require(!explain(dst.view, src.view).empty(), "a plan says what it does"); });
    }
    const bool copied = done_unless(differ || overlaps, [&] { copy(dst.view, src.view, StreamRef::host()); });
    if (copied) block_.write_by_hand(dst, block_.values(src));
  }

  static Order some_order(Input& input) { return input.flag() ? Order::C : Order::F; }

  /// The elements in that order.
  static Modelled turned(const Modelled& view, Order order) {
    Modelled result = view;
    if (order == Order::C) return result;
    result.at.clear();
    const Index reversed(view.shape.rbegin(), view.shape.rend());
    for_each_index(reversed,
                   [&](const Index& index) { result.at.push_back(view[Index(index.rbegin(), index.rend())]); });
    return result;
  }

  void read_all() {
    const Modelled src = slot();
    const Order order = some_order(input_);
    std::vector<std::byte> out(static_cast<size_t>(src.view.len()));
    to_contiguous(out, src.view, order, StreamRef::host());
    require(out == block_.values(turned(src, order)), "the elements in one block");
    const Buffer made = to_contiguous(src.view, order, StreamRef::host());
    require(made.is_contiguous(order) && gather(made.view()) == block_.values(src),
            "the elements in a Buffer of their own");
  }

  void write_all() {
    const Modelled dst = slot();
    const Order order = some_order(input_);
    std::vector<std::byte> in(static_cast<size_t>(dst.view.len()));
    const uint8_t first = input_.byte();
    for (size_t i = 0; i < in.size(); ++i) in[i] = static_cast<std::byte>(i * 5 + first);
    const bool wrong = dst.readonly || dst.overlaps_itself();
    if (done_unless(wrong, [&] { from_contiguous(dst.view, in, order, StreamRef::host()); })) {
      block_.write_by_hand(turned(dst, order), in);
    }
  }

  // --- Questions ---

  void ask() {
    const Modelled of = slot();
    require(of.view.element_count() == std::ssize(of.at), "the number of elements");
    require(of.view.len() == static_cast<int64_t>(of.bytes().size()), "the length in bytes");
    if (of.empty()) return;
    Index index(of.shape.size());
    for (size_t i = 0; i < index.size(); ++i) index[i] = input_.pick(0, of.shape[i] - 1);
    require(reinterpret_cast<uintptr_t>(of.view.item_pointer(index)) == of[index], "the address of one element");
    if (of.view.has_suboffsets() || of.itemsize() == 0) return;
    for (const Order order : {Order::C, Order::F}) {
      const std::vector<uintptr_t> bytes = turned(of, order).bytes();
      bool dense = true;
      for (size_t i = 0; i < bytes.size(); ++i) dense = dense && bytes[i] == bytes[0] + i;
      require(of.view.is_contiguous(order) == dense, "contiguous means one byte after another");
    }
  }

  Input input_;
  ViewBlock block_{input_};
  Modelled slots_[4] = {{{}, {0}, {}, false}, {{}, {0}, {}, false}, {{}, {0}, {}, false}, {{}, {0}, {}, false}};
};

}  // namespace
}  // namespace strideport::testing

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  strideport::testing::Story(strideport::testing::Input(data, size)).run();
  return 0;
}
