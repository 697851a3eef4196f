// SPDX-License-Identifier: Apache-2.0
// Frames to calls and replies. Everything here reads bytes of a peer that may be hostile.
#include <algorithm>
#include <climits>
#include <cstring>

#include "base/text.hpp"
#include "call/check.hpp"
#include "call/types.hpp"
#include "wire/codec.hpp"

namespace vac::wire {
namespace {

constexpr const char* kNotOpen = "names a region that is not open";
constexpr const char* kNoMemory = "lies in a region, and there is no memory for it";

bool has_data(const vac_arg& record) {
  return record.form == VAC_ARRAY || record.form == VAC_TENSOR;
}

/// Padding: fewer than kAlignment bytes.
bool is_zero(std::span<const std::byte> bytes) {
  static constexpr std::byte kZeros[kAlignment] = {};
  return std::memcmp(bytes.data(), kZeros, bytes.size()) == 0;
}

/// The parts of a frame's head. Valid when `fits`.
struct Head {
  FrameHeader header;
  std::span<const vac_arg> records;
  std::span<const char> meta;
  bool fits = false;

  explicit Head(std::span<const std::byte> frame) {
    if (frame.size() < sizeof header) return;
    header = read_header(frame.data());
    if (frame.size() < head_bytes(header)) return;
    const std::byte* at = frame.data() + sizeof header;
    records = {reinterpret_cast<const vac_arg*>(at), header.record_count};
    at += records.size_bytes();
    meta = {reinterpret_cast<const char*>(at), header.meta_bytes};
    at += meta.size();
    fits = is_zero({at, frame.data() + head_bytes(header)});
  }
};

/// Follows the data of a frame's records: where it must be, given what came before.
class Layout {
 public:
  Layout(std::uint64_t payload_bytes, std::span<const char> meta)
      : payload_bytes_(payload_bytes), meta_(meta) {}

  /// The place of an array's or tensor's data. Not nullptr: what is wrong with it.
  const char* place(const vac_arg& record) {
    if (record.where == VAC_WHERE_META) {
      const bool inside = record.value % 8 == 0 && record.value <= meta_.size() &&
                          record.bytes <= meta_.size() - record.value;
      return inside && record.bytes <= kMaxDataInMeta
                 ? nullptr
                 : "says that its data is in the meta bytes, and it does not fit there";
    }
    if (record.where != VAC_WHERE_INLINE) return "says nowhere that the peer knows of";
    const std::uint64_t left = payload_bytes_ - offset_;
    if (record.value != offset_) return "does not begin where the data before it ends";
    if (record.bytes > left || align_up(record.bytes) > left) return "ends outside the frame";
    offset_ += align_up(record.bytes);
    return nullptr;
  }

  bool complete() const { return offset_ == payload_bytes_; }

 private:
  std::uint64_t payload_bytes_;
  std::span<const char> meta_;
  std::uint64_t offset_ = 0;
};

/// Turns the records of one call frame into those of a call in memory.
class CallReader {
 public:
  CallReader(const Head& head, std::byte* payload, RegionReader* regions)
      : head_(head),
        payload_(payload),
        regions_(regions),
        layout_(head.header.payload_bytes, head.meta) {}

  /// Not nullptr: what is wrong with the record.
  const char* read(vac_arg& record) {
    if (has_data(record)) return record.dir == VAC_OUT ? output(record) : input(record);
    if (record.form == VAC_LIST && (record.where | record.value) != 0) {
      return "has a field set that a list does not use, must be 0";
    }
    if (record.type == VAC_RESOURCE && record.form == VAC_SCALAR && record.value == 0) {
      return "has the resource id 0, which no resource has";
    }
    return nullptr;
  }

  bool complete() const { return layout_.complete(); }

 private:
  const char* output(vac_arg& record) {
    if (record.where != VAC_WHERE_NOWHERE) {
      if (!names_region(record.where)) return "asks for its result in a place that is not open";
      if (const char* wrong = check_region(record); wrong != nullptr) return wrong;
      leave_result(record);
      record.where = VAC_WHERE_NOWHERE;
      record.value = 0;
    }
    return record.value == 0 ? nullptr : "is an output and has an offset, must be 0 in a call";
  }

  const char* check_region(const vac_arg& record) const {
    const std::uint64_t size = regions_ == nullptr ? 0 : regions_->size(record.where);
    if (size == 0) return kNotOpen;
    if (record.value > size || record.bytes > size - record.value) return "ends outside its region";
    return nullptr;
  }

  /// Tells where the result of the record goes, by the operation's table.
  void leave_result(const vac_arg& record) {
    const auto index = static_cast<std::uint32_t>(&record - head_.records.data());
    RegionResult place{index, 0, 0, record.bytes, {record.where, record.value}};
    std::size_t position = 0;
    while (position + child_count(head_.records[position]) < index) {
      position += 1 + child_count(head_.records[position]);
      ++place.arg;
    }
    if (position != index) place.child = static_cast<std::uint32_t>(index - position - 1);
    regions_->result(place);
  }

  const char* input_in_region(vac_arg& record) {
    if (const char* wrong = check_region(record); wrong != nullptr) return wrong;
    const bool checked = record.type == VAC_CHAR || record.type == VAC_STRING;
    std::byte* const data = regions_->input({record.where, record.value}, record.bytes, checked);
    if (data == nullptr) return kNoMemory;
    if (record.dir == VAC_INOUT) leave_result(record);
    record.where = VAC_WHERE_INLINE;
    record.value = reinterpret_cast<std::uintptr_t>(data);
    return content(record, {data, record.bytes});
  }

  const char* input(vac_arg& record) {
    if (names_region(record.where)) return input_in_region(record);
    if (const char* wrong = layout_.place(record); wrong != nullptr) return wrong;
    std::byte* data = payload_ + record.value;
    if (record.where == VAC_WHERE_META) {
      // The whole frame is the caller's to write.
      data = const_cast<std::byte*>(
          reinterpret_cast<const std::byte*>(head_.meta.data() + record.value));
    } else if (!is_zero({data + record.bytes, align_up(record.bytes) - record.bytes})) {
      return "is followed by padding that is not zero";
    }
    record.where = VAC_WHERE_INLINE;
    record.value = reinterpret_cast<std::uintptr_t>(data);
    return content(record, {data, record.bytes});
  }

  const char* content(const vac_arg& record, std::span<const std::byte> data) const {
    if (record.type == VAC_CHAR) {
      const std::string_view text(reinterpret_cast<const char*>(data.data()), data.size());
      if (text.find('\0') != std::string_view::npos) return "is a string with a zero byte in it";
      if (!valid_utf8(text)) return "is a string that is not UTF-8";
    }
    if (record.type == VAC_STRING) {
      const auto count = element_count(dims_of(record, head_.meta.data()));
      if (!string_elements_fit(data, count.value_or(0))) {
        return "is a tensor of strings whose end offsets do not fit its text";
      }
    }
    return nullptr;
  }

  const Head& head_;
  std::byte* payload_;
  RegionReader* regions_;
  Layout layout_;
};

[[gnu::cold]] Error call_error(const Op& op, std::span<const vac_arg> records, std::size_t position,
                               const char* why) {
  const std::string name = argument_text(op, records, position);
  if (why == kNotOpen) {
    return Error{Errc::invalid, concat(name, ": region ", records[position].where, " is not open")};
  }
  if (why == kNoMemory) return Error{Errc::no_memory, concat(name, " ", why)};
  return Error{Errc::invalid, concat(name, " ", why)};
}

}  // namespace

Status decode_call(const Op& op, std::span<std::byte> frame, vac_call& call,
                   RegionReader* regions) {
  const Head head(frame);
  if (!head.fits || head.header.kind != Kind::call || head.header.code != op.id ||
      frame.size() - head_bytes(head.header) != head.header.payload_bytes) {
    return Error{Errc::protocol, concat(op.name,
                                        ": the call's frame does not have the form or the "
                                        "length that its header says")};
  }
  VAC_CHECK(check_call(op, head.records, head.meta));

  // The records of the frame itself become those of the call.
  const std::span<vac_arg> records{const_cast<vac_arg*>(head.records.data()), head.records.size()};
  CallReader reader(head, frame.data() + head_bytes(head.header), regions);
  for (std::size_t i = 0; i < records.size(); ++i) {
    if (const char* why = reader.read(records[i]); why != nullptr) {
      return call_error(op, records, i, why);
    }
  }
  if (!reader.complete()) {
    return Error{Errc::invalid, concat(op.name, ": the call has data that belongs to no argument")};
  }
  call.op = op.id;
  call.args = records.data();
  call.arg_count = static_cast<std::uint32_t>(records.size());
  call.meta = const_cast<char*>(head.meta.data());
  call.meta_bytes = head.header.meta_bytes;
  std::memcpy(call.trace, head.header.trace, sizeof call.trace);
  return {};
}

namespace {

/// Checks a reply's records one by one against those of its call.
class ReplyReader {
 public:
  ReplyReader(const Op& op, const Head& head, const vac_call& call, std::vector<ReplyPart>& parts,
              std::vector<ListCount>& list_counts, std::span<const RegionResult> placed)
      : op_(op),
        head_(head),
        call_(call),
        layout_(head.header.payload_bytes, head.meta),
        parts_(parts),
        list_counts_(list_counts),
        placed_(placed) {}

  Status read() {
    std::size_t asked = 0;
    for (std::uint32_t arg = 0; arg < op_.args.size(); ++arg) {
      const std::size_t own = asked;
      asked += 1 + child_count(call_.args[own]);
      if (call_.args[own].dir == VAC_IN) continue;
      if (const char* why = argument(arg, own); why != nullptr) return error(arg, why);
    }
    if (next_ != head_.records.size() || !layout_.complete()) {
      return Error{
          Errc::protocol,
          concat(op_.name, ": the reply has more outputs or data than its call asked for")};
    }
    return {};
  }

 private:
  Error error(std::uint32_t arg, const char* why) const {
    return Error{Errc::protocol, concat(op_.name, ": the reply is malformed: output '",
                                        op_.args[arg].name, "' ", why)};
  }

  const char* argument(std::uint32_t arg, std::size_t own) {
    const vac_arg& asked = call_.args[own];
    if (next_ == head_.records.size()) return "is missing";
    const vac_arg& record = head_.records[next_++];
    if (asked.form != VAC_LIST) return leaf(record, asked, arg, 0, own);
    if (!same_kind(record, asked) || record.rank != 0 ||
        (record.where | record.value | record.bytes | record.meta) != 0) {
      return "is no list";
    }
    return list(record.count, arg, own);
  }

  const char* list(std::uint32_t count, std::uint32_t arg, std::size_t own) {
    const vac_arg& asked = call_.args[own];
    const std::uint32_t known = child_count(asked);
    if (count > head_.records.size() - next_) return "has more items than the reply has records";
    if (asked.dir == VAC_INOUT && count != known)
      return "has another number of items than its call";
    if (asked.dir == VAC_OUT) list_counts_.push_back({arg, count});
    const vac_arg any_child = child_of(op_.args[arg]);
    for (std::uint32_t child = 0; child < count; ++child) {
      const bool has_own = child < known;
      const std::size_t position = has_own ? own + 1 + child : std::size_t{UINT32_MAX};
      const vac_arg& wanted = has_own ? call_.args[position] : any_child;
      if (const char* why = leaf(head_.records[next_++], wanted, arg, child, position)) return why;
    }
    return nullptr;
  }

  static vac_arg child_of(const OpArgument& argument) {
    vac_arg child{};
    child.type = static_cast<std::uint8_t>(argument.child_signature);
    child.form = static_cast<std::uint8_t>(argument.child_signature >> 8U);
    child.dir = static_cast<std::uint8_t>(argument.child_signature >> 16U);
    return child;
  }

  /// An output tensor's type is the plugin's choice.
  static bool same_kind(const vac_arg& record, const vac_arg& asked) {
    return record.form == asked.form && record.dir == asked.dir &&
           (record.type == asked.type || (asked.form == VAC_TENSOR && asked.dir == VAC_OUT));
  }

  const char* leaf(const vac_arg& record, const vac_arg& asked, std::uint32_t arg,
                   std::uint32_t child, std::size_t own) {
    if (!same_kind(record, asked)) return "is not what its call asked for";
    if (record.count != asked.count) return "has another tag than in its call";
    if (record.form != VAC_TENSOR && (record.rank != 0 || record.meta != 0)) return "has a shape";
    if (!has_data(record)) return scalar(record);
    if (record.form == VAC_TENSOR) {
      if (const char* why = tensor(record, asked)) return why;
    } else if (!whole_elements(record.type, record.bytes)) {
      return "ends in the middle of an element";
    }
    ReplyPart part{};
    part.in_region = names_region(record.where);
    if (const char* why = part.in_region ? region(record, own) : layout_.place(record)) return why;
    part.record = static_cast<std::uint32_t>(own);
    part.arg = arg;
    part.child = child;
    part.form = record.form;
    part.type = record.type;
    part.rank = record.rank;
    part.dims = dims_of(record, head_.meta.data()).data();
    part.bytes = record.bytes;
    if (record.where == VAC_WHERE_META) {
      part.in_head = reinterpret_cast<const std::byte*>(head_.meta.data() + record.value);
    } else if (!part.in_region) {
      part.offset = record.value;
    }
    parts_.push_back(part);
    return nullptr;
  }

  /// A result in a region is exactly where the call has asked for it.
  const char* region(const vac_arg& record, std::size_t own) const {
    for (const RegionResult& place : placed_) {
      if (place.record != own) continue;
      const bool same = record.where == place.part.region && record.value == place.part.offset &&
                        record.bytes <= place.capacity;
      return same ? nullptr : "is not in the region's part that its call has named";
    }
    return "is in a region that its call has not named";
  }

  static const char* scalar(const vac_arg& record) {
    if ((record.where | record.bytes) != 0) return "has a field set that it does not use";
    if (record.form == VAC_ABSENT) return record.value == 0 ? nullptr : "is absent with a value";
    const std::uint32_t width = element_bytes(record.type);
    const bool fits = record.type == VAC_BOOL ? record.value <= 1
                                              : width == 8 || record.value >> (8 * width) == 0;
    return fits ? nullptr : "has a value that its type cannot have";
  }

  const char* tensor(const vac_arg& record, const vac_arg& asked) const {
    const std::size_t dims_bytes = sizeof(std::int64_t) * record.rank;
    if (!is_tensor_element(record.type) || record.rank > VAC_MAX_RANK) return "is no tensor";
    if (record.meta % 8 != 0 || record.meta > head_.meta.size() ||
        dims_bytes > head_.meta.size() - record.meta || (record.rank == 0 && record.meta != 0)) {
      return "has its shape outside the reply";
    }
    const auto dims = dims_of(record, head_.meta.data());
    const auto count = element_count(dims);
    if (!count || !element_bytes_fit(record.type, *count, record.bytes)) {
      return "has a size that does not fit its shape";
    }
    if (asked.dir == VAC_INOUT && !std::ranges::equal(dims, dims_of(asked, call_.meta))) {
      return "has another shape than in its call";
    }
    return nullptr;
  }

  const Op& op_;
  const Head& head_;
  const vac_call& call_;
  Layout layout_;
  std::vector<ReplyPart>& parts_;
  std::vector<ListCount>& list_counts_;
  std::span<const RegionResult> placed_;
  std::size_t next_ = 0;  // of the reply's records
};

/// Only for a reply that has been checked: its scalars, by the same steps.
void store_scalars(const Op& op, std::span<const vac_arg> records, vac_call& call) {
  std::size_t own = 0;
  std::size_t next = 0;
  for (std::size_t arg = 0; arg < op.args.size(); ++arg) {
    const std::uint32_t known = child_count(call.args[own]);
    if (call.args[own].dir == VAC_IN) {
      own += 1 + known;
      continue;
    }
    const std::uint32_t returned = child_count(records[next]);
    const std::uint32_t both = 1 + std::min(known, returned);
    for (std::uint32_t i = 0; i < both; ++i) {
      if (records[next + i].form == VAC_SCALAR) call.args[own + i].value = records[next + i].value;
    }
    own += 1 + known;
    next += 1 + returned;
  }
}

}  // namespace

Status decode_reply(const Op& op, std::span<const std::byte> head_bytes, vac_call& call,
                    std::vector<ReplyPart>& parts, std::vector<ListCount>& list_counts,
                    std::span<const RegionResult> placed) {
  parts.clear();
  list_counts.clear();
  const Head head(head_bytes);
  if (!head.fits || head.header.kind != Kind::reply || head.header.code != VAC_OK) {
    return Error{Errc::protocol, concat(op.name,
                                        ": the reply's frame does not have the form that "
                                        "its header says")};
  }
  VAC_CHECK(ReplyReader(op, head, call, parts, list_counts, placed).read());
  store_scalars(op, head.records, call);
  return {};
}

int failure_code(const FrameHeader& header, int otherwise) noexcept {
  const bool possible =
      header.code != VAC_OK && header.code != VAC_EINPROGRESS && header.code <= INT_MAX;
  return possible ? static_cast<int>(header.code) : otherwise;
}

std::string failure_text(std::span<const std::byte> head_bytes) {
  const Head head(head_bytes);
  if (!head.fits) return {};
  const std::string_view text(head.meta.data(), head.meta.size());
  return printable(text.substr(0, text.find('\0')));
}

}  // namespace vac::wire
