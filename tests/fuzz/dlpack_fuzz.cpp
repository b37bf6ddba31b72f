// Any struct as a DLPack tensor, versioned or legacy, in memory that ends where the struct does: a field that must not be
// read faults, and so do shape, strides and elements past their ends. Whether a tensor on the CPU comes in is decided
// here again, in 128 bits; what came in goes out and is compared address by address. The deleter takes all of it away,
// and is called exactly once.
#include <dlpack/dlpack.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "strideport/buffer.hpp"
#include "strideport/copy.hpp"
#include "strideport/dlpack.hpp"
#include "strideport/error.hpp"
#include "tests/fuzz/dlpack_rules.hpp"
#include "tests/fuzz/input.hpp"
#include "tests/support/dlpack_walk.hpp"
#include "tests/support/guarded.hpp"

namespace strideport::testing {
namespace {

/// What a producer's deleter gets to see, one tensor at a time.
struct Scene {
  Guarded header{1};
  Guarded shape{1};
  Guarded strides{1};
  Guarded elements{2};
  void* tensor = nullptr;
  int deletions = 0;

  Scene() { std::memset(elements.begin(), 0x5A, elements.size()); }

  void take_away() {
    header.forbid();
    shape.forbid();
    strides.forbid();
  }
  void set_up() {
    header.allow();
    shape.allow();
    strides.allow();
    deletions = 0;
  }
};

Scene& scene() {
  static Scene the_scene;
  return the_scene;
}

template <class Managed>
void delete_once(Managed* managed) {
  require(managed == scene().tensor, "the deleter gets its tensor");
  require(scene().deletions++ == 0, "the deleter is called once");
  scene().take_away();
}

/// So many numbers that end where readable memory ends.
int64_t* numbers_at_end(const Guarded& memory, Input& input, int32_t count, int64_t (*next)(Input&)) {
  if (count < 0 || count > 64) return reinterpret_cast<int64_t*>(memory.end());  // nobody may look
  auto* const first = reinterpret_cast<int64_t*>(memory.end()) - count;
  for (int32_t i = 0; i < count; ++i) first[i] = next(input);
  return first;
}

int64_t some_extent(Input& input) {
  const uint8_t kind = input.byte();
  return kind < 192 ? kind % 6 : input.wide();
}
int64_t some_stride(Input& input) {
  const uint8_t kind = input.byte();
  return kind < 192 ? int64_t{kind} - 40 : input.wide();
}

void* some_data(Input& input) {
  const Guarded& elements = scene().elements;
  const uint8_t kind = input.byte();
  const uintptr_t near = kind > 200 ? kind - 200u : 0;  // to either end of the address space
  switch (kind % 5) {
    case 0: return nullptr;
    case 1: return near != 0 ? reinterpret_cast<void*>(near) : elements.end();  // a page that faults
    case 2: return near != 0 ? reinterpret_cast<void*>(uintptr_t{0} - near) : reinterpret_cast<void*>(input.raw(8));
    case 3: return elements.end() - input.pick(0, 4096);
    default: return elements.begin() + input.pick(0, 4096);
  }
}

DLTensor some_tensor(Input& input) {
  static constexpr uint8_t kBits[] = {1, 2, 4, 6, 8, 16, 32, 64, 128};
  DLTensor tensor{};
  const uint8_t device = input.byte();
  tensor.device.device_type =
      static_cast<DLDeviceType>(device < 200 ? int32_t{kDLCPU} : static_cast<int32_t>(input.pick(-1, 20)));
  tensor.device.device_id = static_cast<int32_t>(input.wide());
  tensor.dtype.code = static_cast<uint8_t>(input.pick(0, 18));
  const uint8_t bits = input.byte();
  tensor.dtype.bits = bits < 200 ? kBits[bits % std::size(kBits)] : static_cast<uint8_t>(bits - 200);
  const uint8_t lanes = input.byte();
  tensor.dtype.lanes = static_cast<uint16_t>(lanes < 128 ? 1 : lanes < 250 ? lanes - 128 : input.raw(2));
  const uint8_t ndim = input.byte();
  tensor.ndim = ndim < 200 ? ndim % 7 : ndim < 250 ? 2 * ndim - 370 : static_cast<int32_t>(input.raw(4));
  tensor.data = some_data(input);
  const uint8_t offset = input.byte();
  tensor.byte_offset = offset < 128 ? 0 : offset < 200 ? offset - 128u : static_cast<uint64_t>(input.wide());
  const uint8_t arrays = input.byte();
  tensor.shape = numbers_at_end(scene().shape, input, tensor.ndim, &some_extent);
  tensor.strides = numbers_at_end(scene().strides, input, arrays % 2 == 0 ? tensor.ndim : 0, &some_stride);
  if (arrays % 2 != 0) tensor.strides = nullptr;
  if (arrays > 250) tensor.shape = nullptr;
  return tensor;
}

/// Where the elements lie, through another description of the same.
void check_addresses(const DLTensor& given, const DLTensor& exported, const Meaning& meaning) {
  if (meaning.fold != 1 || meaning.count > 4096) return;
  if (meaning.empty) {
    require(exported.data == nullptr, "an empty tensor goes out without an address");
    return;
  }
  require(element_addresses(given) == element_addresses(exported), "what goes out lies where what came in lies");
}

void check_view(const BufferView& view, const DLTensor& given, const Meaning& meaning, bool readonly) {
  require(view.readonly() == readonly, "read-only is what the tensor says");
  require(view.itemsize() == meaning.itemsize, "the item size");
  require(std::equal(view.shape().begin(), view.shape().end(), meaning.shape.begin(), meaning.shape.end()),
          "the shape");
  require(view.len() == static_cast<int64_t>(meaning.count * meaning.itemsize), "the length");
  for (size_t i = 0; i < meaning.shape.size(); ++i) {
    if (meaning.empty || meaning.shape[i] == 1) continue;
    require(view.strides()[i] == meaning.strides[i], "a stride in bytes");
  }
  const auto first = reinterpret_cast<uintptr_t>(given.data) + given.byte_offset;
  require(meaning.empty || reinterpret_cast<uintptr_t>(view.buf()) == first, "the address");
}

/// Copies the elements out, where they lie in memory that is there.
void check_elements(const Buffer& buffer, const DLTensor& given, const Meaning& meaning) {
  const auto first = reinterpret_cast<uintptr_t>(given.data) + given.byte_offset;
  const auto begin = reinterpret_cast<uintptr_t>(scene().elements.begin());
  const auto end = reinterpret_cast<uintptr_t>(scene().elements.end());
  const Wide from = Wide{first} + meaning.lower;
  const Wide to = Wide{first} + meaning.upper;
  if (meaning.fold != 1 || meaning.empty || meaning.count > 4096 || from < Wide{begin} || to > Wide{end}) return;
  const auto itemsize = static_cast<size_t>(meaning.itemsize);
  std::vector<std::byte> expected;
  for (const uintptr_t address : element_addresses(given)) {
    const auto* item = reinterpret_cast<const std::byte*>(address);
    expected.insert(expected.end(), item, item + itemsize);
  }
  std::vector<std::byte> copied(expected.size());
  to_contiguous(copied, buffer.view(), Order::C, StreamRef::host());
  require(copied == expected, "the elements");
}

/// Out through the legacy struct, which cannot say everything.
void check_legacy(const Buffer& buffer, bool sayable) {
  bool refused = false;
  try {
    const DLPackLegacyTensor tensor = export_dlpack_legacy(buffer);
    require(tensor != nullptr, "an export is a tensor");
  } catch (const BufferError&) {
    refused = true;
  }
  require(refused != sayable, "the legacy struct is refused where it could not say everything, and nowhere else");
}

struct Given {
  DLTensor tensor;
  bool readonly = false;
  bool padded_flag = false;
  bool drop_import_first = false;
};

/// In, out, and in again; then everything goes, in an order or the other.
void check_round_trip(Buffer buffer, const Given& given) {
  const std::optional<Meaning> meaning = meaning_of(given.tensor, given.padded_flag);
  require(meaning.has_value(), "a tensor that came in means something");
  check_view(buffer.view(), given.tensor, *meaning, given.readonly);
  if (buffer.device().type == DeviceType::cpu) check_elements(buffer, given.tensor, *meaning);
  const bool leaves_bits = given.padded_flag && given.tensor.dtype.bits < 8;
  check_legacy(buffer, !given.readonly && !leaves_bits);

  DLPackTensor out = export_dlpack(buffer);
  require(out->version.major == 1 && out->dl_tensor.byte_offset == 0, "an export's version and offset");
  require(((out->flags & DLPACK_FLAG_BITMASK_READ_ONLY) != 0) == given.readonly, "an export says read-only");
  require(out->dl_tensor.strides != nullptr, "an export writes its strides");
  check_addresses(given.tensor, out->dl_tensor, *meaning);
  if (given.drop_import_first) buffer = Buffer();
  require(scene().deletions == 0, "the deleter waits for the last user");
  if (!given.drop_import_first) {
    const Buffer again = import_dlpack(std::move(out), StreamRef::host());
    check_view(again.view(), given.tensor, *meaning, given.readonly);
  }
}

template <class Managed>
Managed* some_managed(Input& input, bool with_deleter, Given& given) {
  constexpr bool is_versioned = std::is_same_v<Managed, DLManagedTensorVersioned>;
  Managed managed{};
  const uint8_t major = is_versioned ? input.byte() : 0;
  if constexpr (is_versioned) {
    managed.version = {major < 230 ? 1 : static_cast<uint32_t>(input.wide()), input.byte()};
    const uint8_t flags = input.byte();
    managed.flags = flags < 200 ? flags % 8 : input.raw(8);
    given.readonly = (managed.flags & DLPACK_FLAG_BITMASK_READ_ONLY) != 0;
    given.padded_flag = (managed.flags & DLPACK_FLAG_BITMASK_IS_SUBBYTE_TYPE_PADDED) != 0;
  }
  if (with_deleter) managed.deleter = &delete_once<Managed>;
  managed.dl_tensor = some_tensor(input);
  given.tensor = managed.dl_tensor;
  size_t readable = sizeof(Managed);
  if constexpr (is_versioned) {  // of another major version only what precedes the flags may be read
    if (managed.version.major != 1) readable = offsetof(DLManagedTensorVersioned, flags);
  }
  auto* const place = reinterpret_cast<Managed*>(scene().header.end() - readable);
  std::memcpy(static_cast<void*>(place), &managed, readable);
  scene().tensor = place;
  return place;
}

/// Whether it must come in; nothing where that is the driver's to say.
std::optional<bool> must_come_in(const Given& given, bool header_is_known) {
  if (!header_is_known) return false;
  if (!meaning_of(given.tensor, given.padded_flag)) return false;
  if (given.tensor.device.device_type == kDLCPU) return true;
  return std::nullopt;
}

/// The view alone of a tensor that stays with its producer: the same answer, and nothing taken.
template <class Managed, class... Rest>
bool can_be_viewed(const Managed& tensor, const Given& given, Rest... rest) {
  bool seen = true;
  try {
    const BufferView view = view_dlpack(tensor, rest...);
    const std::optional<Meaning> meaning = meaning_of(given.tensor, given.padded_flag);
    require(meaning.has_value(), "a view of what means nothing is refused");
    check_view(view, given.tensor, *meaning, given.readonly);
  } catch (const Error&) {
    seen = false;
  }
  require(scene().deletions == 0, "a view takes nothing over");
  return seen;
}

template <class Owner, class... Rest>
void try_import(Owner tensor, const Given& given, bool header_is_known, Rest... rest) {
  const std::optional<bool> wanted = must_come_in(given, header_is_known);
  const bool viewed = can_be_viewed(*tensor, given, rest...);
  bool came_in = false;
  try {
    Buffer buffer = import_dlpack(std::move(tensor), StreamRef::host(), rest...);
    came_in = true;
    require(wanted.value_or(true), "what means nothing is refused");
    check_round_trip(std::move(buffer), given);
  } catch (const Error& error) {
    require(error.what()[0] != '\0' && std::string(error.what()).size() < 400, "a refusal in bearable words");
  }
  require(came_in || !wanted.value_or(false), "what means something comes in");
  require(came_in == viewed, "what comes in can be viewed, and nothing else");
}

void run(Input input) {
  scene().set_up();
  const uint8_t kind = input.byte();
  const bool legacy = kind % 2 != 0;
  const bool writable = kind / 2 % 2 != 0;
  const bool with_deleter = kind / 4 % 4 != 0;
  Given given;
  given.drop_import_first = kind / 16 % 2 != 0;
  if (legacy) {
    given.readonly = !writable;
    auto* const tensor = some_managed<DLManagedTensor>(input, with_deleter, given);
    try_import(DLPackLegacyTensor(tensor), given, true, writable);
  } else {
    auto* const tensor = some_managed<DLManagedTensorVersioned>(input, with_deleter, given);
    const bool known = tensor->version.major == 1 && (tensor->flags & ~uint64_t{7}) == 0;
    try_import(DLPackTensor(tensor), given, known);
  }
  require(scene().deletions == (with_deleter ? 1 : 0), "the deleter was called");
}

}  // namespace
}  // namespace strideport::testing

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  strideport::testing::run(strideport::testing::Input(data, size));
  return 0;
}
