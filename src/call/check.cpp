// SPDX-License-Identifier: Apache-2.0
#include "call/check.hpp"

#include <array>
#include <cstring>

#include "base/text.hpp"
#include "call/types.hpp"

namespace vac {
namespace {

enum class Fault : std::uint8_t {
  none,
  too_many,
  missing,
  surplus,
  signature,
  absent_fields,
  unused_fields,
  scalar_value,
  array_bytes,
  element_type,
  rank,
  meta_range,
  shape,
  tensor_bytes,
  list_count,
};

// Bytes 0-3 of a record: type, form, direction, rank.
std::uint32_t first_word(const vac_arg& record) noexcept {
  std::uint32_t word = 0;
  std::memcpy(&word, &record, sizeof word);
  return word;
}

constexpr std::uint32_t kTypeMask = 0x0000'00ff;
constexpr std::uint32_t kFormMask = 0x0000'ff00;
constexpr std::uint32_t kRankMask = 0xff00'0000;

std::uint32_t signature_of(const vac_arg& record) noexcept {
  const std::uint32_t word = first_word(record) & ~kRankMask;
  return record.form == VAC_TENSOR ? word & ~kTypeMask : word;
}

/// What check_leaf needs to know of a type, so that it looks nothing up twice.
struct TypeRules {
  std::uint64_t scalar_bits;  // that may be set in a scalar's value
  std::uint64_t width_bits;   // that must not be set in an array's size: widths are powers of two
};

constexpr auto kTypeRules = [] {
  std::array<TypeRules, 256> rules{};
  for (std::size_t type = 0; type < rules.size(); ++type) {
    const std::uint64_t width = element_bytes(static_cast<std::uint8_t>(type));
    rules[type].scalar_bits = width == 0 || width >= 8 ? UINT64_MAX : (1ULL << (8 * width)) - 1;
    rules[type].width_bits = width == 0 ? 0 : width - 1;
  }
  rules[VAC_BOOL].scalar_bits = 1;
  return rules;
}();

[[gnu::noinline]] Fault check_tensor(const vac_arg& record, std::span<const char> meta) noexcept {
  if (record.dir == VAC_OUT) {  // the plugin says what it is
    return record.type == 0 && record.rank == 0 && record.meta == 0 ? Fault::none
                                                                    : Fault::unused_fields;
  }
  if (!is_tensor_element(record.type)) return Fault::element_type;
  if (record.rank > VAC_MAX_RANK) return Fault::rank;
  if (record.rank == 0 && record.meta != 0) return Fault::unused_fields;
  if (record.meta % 8 != 0 || record.meta > meta.size() ||
      meta.size() - record.meta < std::size_t{8} * record.rank) {
    return Fault::meta_range;
  }
  const auto count = element_count(dims_of(record, meta.data()));
  if (!count) return Fault::shape;
  return element_bytes_fit(record.type, *count, record.bytes) ? Fault::none : Fault::tensor_bytes;
}

/// Everything but the signature. `tagged`: a child of any[], whose count is the caller's own tag.
[[gnu::always_inline]] inline Fault check_leaf(const vac_arg& record, bool tagged,
                                               std::span<const char> meta) noexcept {
  const std::uint32_t count = tagged ? 0 : record.count;
  if (record.form == VAC_TENSOR)
    return count == 0 ? check_tensor(record, meta) : Fault::unused_fields;
  const std::uint32_t unused = count | record.meta | record.rank;
  const TypeRules& rules = kTypeRules[record.type];
  const bool out = record.dir == VAC_OUT;
  if (record.form == VAC_SCALAR) {
    if ((unused | record.where | record.bytes) != 0) return Fault::unused_fields;
    return (record.value & ~(out ? 0 : rules.scalar_bits)) == 0 ? Fault::none : Fault::scalar_value;
  }
  if (unused != 0) return Fault::unused_fields;
  // An output's size is a capacity, which may be any number.
  return out || (record.bytes & rules.width_bits) == 0 ? Fault::none : Fault::array_bytes;
}

/// Whether a record can be a child of any[] of direction `dir`.
bool is_any_leaf(const vac_arg& record, std::uint8_t dir) noexcept {
  if (record.dir != dir) return false;
  switch (record.form) {
    case VAC_SCALAR:
      return is_number(record.type) && record.type != VAC_C128;
    case VAC_ARRAY:
      return is_number(record.type) || record.type == VAC_BYTE || record.type == VAC_CHAR;
    case VAC_TENSOR:
      return true;
    default:
      return false;
  }
}

/// The check in progress: steps through the records, and stands at what is wrong when it returns.
/// The text is made elsewhere.
class Walk {
 public:
  Walk(std::span<const vac_arg> records, std::span<const char> meta)
      : records_(records), meta_(meta) {}

  Fault arguments(const Op& op) noexcept {
    if (records_.size() > VAC_MAX_RECORDS) return Fault::too_many;
    std::size_t position = 0;  // local, and so in a register, as long as there is no list
    for (const OpArgument& argument : op.args) {
      Fault fault = Fault::none;
      if (position == records_.size()) {
        fault = Fault::missing;
      } else if (const vac_arg& record = records_[position];
                 signature_of(record) != argument.signature) {
        fault = absent(argument, record);
      } else if (record.form != VAC_LIST) [[likely]] {
        fault = check_leaf(record, false, meta_);
      } else {
        position_ = position;
        fault = list(argument, record);
        position = position_;
      }
      if (fault != Fault::none) [[unlikely]] {
        argument_ = static_cast<std::size_t>(&argument - op.args.data());
        position_ = position;
        return fault;
      }
      ++position;
    }
    return position == records_.size() ? Fault::none : Fault::surplus;
  }

  std::size_t argument() const noexcept { return argument_; }
  const vac_arg& record() const noexcept { return records_[position_]; }
  /// 1 for the first child of a list, 0 for the argument itself.
  std::size_t child() const noexcept { return child_; }

 private:
  static Fault absent(const OpArgument& argument, const vac_arg& record) noexcept {
    if (!argument.optional || first_word(record) != (argument.signature & ~kFormMask)) {
      return Fault::signature;
    }
    const bool zero =
        (record.where | record.value | record.bytes | record.count | record.meta) == 0;
    return zero ? Fault::none : Fault::absent_fields;
  }

  [[gnu::noinline]] Fault list(const OpArgument& argument, const vac_arg& record) noexcept {
    if ((record.rank | record.bytes | record.meta) != 0) return Fault::unused_fields;
    if (record.count == VAC_ANY_COUNT && record.dir == VAC_OUT) return Fault::none;
    if (record.count > records_.size() - position_ - 1) return Fault::list_count;
    const bool any = argument.child_signature == 0;
    for (child_ = 1; child_ <= record.count; ++child_) {
      const vac_arg& item = records_[++position_];
      const bool fits =
          any ? is_any_leaf(item, record.dir) : signature_of(item) == argument.child_signature;
      if (!fits) return Fault::signature;
      if (const Fault fault = check_leaf(item, any, meta_); fault != Fault::none) return fault;
    }
    child_ = 0;
    return Fault::none;
  }

  const std::span<const vac_arg> records_;
  const std::span<const char> meta_;
  std::size_t argument_ = 0;  // of the table
  std::size_t position_ = 0;  // of the record
  std::size_t child_ = 0;
};

/// Of most calls, and all that is to be seen of a small one: arguments that are there, and no list.
/// False: the walk knows.
[[gnu::always_inline]] inline bool are_sound_leaves(const Op& op, std::span<const vac_arg> records,
                                                    std::span<const char> meta) noexcept {
  if (records.size() != op.args.size()) return false;
  const vac_arg* record = records.data();
  for (const OpArgument& argument : op.args) {
    if (signature_of(*record) != argument.signature || record->form == VAC_LIST ||
        check_leaf(*record, false, meta) != Fault::none) {
      return false;
    }
    ++record;
  }
  return true;
}

const char* direction_name(std::uint8_t dir) noexcept {
  constexpr const char* kNames[] = {"no direction", "in", "out", "inout"};
  return dir < sizeof kNames / sizeof *kNames ? kNames[dir] : "no direction";
}

std::string shape_text(std::span<const std::int64_t> dims) {
  std::string text = "[";
  for (std::size_t i = 0; i < dims.size(); ++i) text += concat(i == 0 ? "" : ",", dims[i]);
  return text + "]";
}

std::string name_text(const Op& op, std::size_t argument, std::size_t child) {
  std::string text = concat(op.name, ": argument '", op.args[argument].name, "'");
  if (child != 0) text += concat(" item ", child - 1);
  return text;
}

std::string signature_fault(const OpArgument& argument, const vac_arg& record, bool child) {
  const std::uint8_t dir = static_cast<std::uint8_t>(argument.signature >> 16U);
  std::string is = kind_text(record);
  std::string must;
  if (!child) {
    must = argument.type;
  } else if (argument.child_signature == 0) {
    must = "a number, an array, a string, bytes or a tensor";
  } else {
    must = argument.type;
    must.resize(must.find('['));
  }
  if (record.dir != dir) {
    is = concat(direction_name(record.dir), " ", is);
    must = concat(direction_name(dir), " ", must);
  }
  return concat(" is ", is, ", must be ", must);
}

std::string scalar_fault(const vac_arg& record) {
  if (record.dir == VAC_OUT) {
    return concat(" is an output and has the value ", record.value, ", must be 0 in a call");
  }
  if (record.type == VAC_BOOL) {
    return concat(" has the value ", record.value, ", a bool must be 0 or 1");
  }
  return concat(" has bits set above its ", element_bytes(record.type), " bytes, ",
                type_name(record.type), " must be extended with zeros");
}

std::string tensor_bytes_fault(const vac_arg& record, std::span<const char> meta) {
  const auto dims = dims_of(record, meta.data());
  const auto bytes = tensor_bytes(record.type, dims);
  return concat(" has ", record.bytes, " bytes, must be ",
                bytes ? concat(*bytes)
                : record.type == VAC_STRING
                    ? std::string("one 8-byte end offset for each element and the text")
                    : std::string("a multiple of the number of elements"),
                " for shape ", shape_text(dims), " of ", type_name(record.type));
}

/// What a fault says behind the argument's name.
std::string leaf_fault(Fault fault, const vac_arg& record, std::span<const char> meta) {
  switch (fault) {
    case Fault::absent_fields:
      return " is absent, its record must be zero but for type and direction";
    case Fault::scalar_value:
      return scalar_fault(record);
    case Fault::array_bytes:
      return concat(" has ", record.bytes, " bytes, must be a multiple of ",
                    element_bytes(record.type), ", the width of ", type_name(record.type));
    case Fault::element_type:
      return concat(" is a tensor of '", type_name(record.type), "' (", record.type,
                    "), must be of numbers, string or opaque");
    case Fault::rank:
      return concat(" has ", record.rank, " dimensions, at most ", VAC_MAX_RANK, " are allowed");
    case Fault::meta_range:
      return concat(" has its dimensions at ", record.meta, " of the call's ", meta.size(),
                    " meta bytes, must be inside them and a multiple of 8");
    case Fault::shape:
      return concat(" has the shape ", shape_text(dims_of(record, meta.data())),
                    ", sizes must not be negative and their product must fit");
    case Fault::tensor_bytes:
      return tensor_bytes_fault(record, meta);
    case Fault::list_count:
      return concat(" has ", record.count, " items, more than the call has records");
    default:
      return concat(" has a field set that ", kind_text(record), " does not use, must be 0");
  }
}

[[gnu::cold, gnu::noinline]] Error error_of(const Op& op, Fault fault, const Walk& walk,
                                            std::span<const vac_arg> records,
                                            std::span<const char> meta) {
  std::string text;
  switch (fault) {
    case Fault::too_many:
      text = concat(op.name, ": the call has ", records.size(), " argument records, at most ",
                    VAC_MAX_RECORDS, " are allowed");
      break;
    case Fault::surplus:
      text = concat(op.name, ": the call has more argument records than the ", op.args.size(),
                    " arguments take");
      break;
    case Fault::missing:
      text = name_text(op, walk.argument(), 0) + " is missing";
      break;
    case Fault::signature:
      text = name_text(op, walk.argument(), walk.child()) +
             signature_fault(op.args[walk.argument()], walk.record(), walk.child() != 0);
      break;
    default:
      text = name_text(op, walk.argument(), walk.child()) + leaf_fault(fault, walk.record(), meta);
  }
  return Error{Errc::invalid, std::move(text)};
}

}  // namespace

Status check_call(const Op& op, std::span<const vac_arg> records, std::span<const char> meta) {
  Walk walk(records, meta);
  const Fault fault = walk.arguments(op);
  if (fault != Fault::none) [[unlikely]] {
    return error_of(op, fault, walk, records, meta);
  }
  return {};
}

bool call_is_sound(const Op& op, std::span<const vac_arg> records,
                   std::span<const char> meta) noexcept {
  return are_sound_leaves(op, records, meta) || Walk(records, meta).arguments(op) == Fault::none;
}

std::size_t record_position(const Op& op, std::span<const vac_arg> records, std::size_t index) {
  if (index >= op.args.size()) return records.size();
  std::size_t position = 0;
  for (std::size_t i = 0; i < index && position < records.size(); ++i) {
    position += 1 + child_count(records[position]);
  }
  return position;
}

std::string argument_text(const Op& op, std::span<const vac_arg> records, std::size_t position) {
  std::size_t at = 0;
  for (std::size_t i = 0; i < op.args.size() && at < records.size(); ++i) {
    const std::size_t children = child_count(records[at]);
    if (position <= at + children) return name_text(op, i, position - at);
    at += 1 + children;
  }
  return concat(op.name, ": record ", position);
}

std::string kind_text(const vac_arg& record) {
  const char* type = type_name(record.type);
  switch (record.form) {
    case VAC_ABSENT:
      return "absent";
    case VAC_SCALAR:
      return type;
    case VAC_ARRAY:
      if (record.type == VAC_CHAR) return "string";
      if (record.type == VAC_BYTE) return "bytes";
      return concat(type, "[]");
    case VAC_TENSOR:
      return record.type == VAC_NONE ? "tensor" : concat("tensor ", type);
    case VAC_LIST:
      return "list";
    default:
      return concat("form ", record.form);
  }
}

bool string_elements_fit(std::span<const std::byte> data, std::uint64_t count) noexcept {
  if (data.size() / 8 < count) return false;
  const std::uint64_t text_bytes = data.size() - 8 * count;
  std::uint64_t end = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    std::uint64_t next = 0;
    std::memcpy(&next, data.data() + 8 * i, sizeof next);
    if (next < end || next > text_bytes) return false;
    end = next;
  }
  return end == text_bytes;
}

}  // namespace vac
