// SPDX-License-Identifier: Apache-2.0
// Calls and replies to frames.
#include <algorithm>
#include <cstring>
#include <new>

#include "base/text.hpp"
#include "call/check.hpp"
#include "call/types.hpp"
#include "wire/codec.hpp"

namespace vac::wire {
namespace {

using Output = FrameEncoder::Output;

std::span<const vac_arg> records_of(const vac_call& call) { return {call.args, call.arg_count}; }

constexpr std::size_t padded_meta(std::size_t bytes) { return (bytes + 7) & ~std::size_t{7}; }

/// A record with what says which argument it is, and nothing else.
vac_arg bare_record(const vac_arg& from) {
  vac_arg to{};
  to.type = from.type;
  to.form = from.form;
  to.dir = from.dir;
  return to;
}

/// What the callee checks and therefore copies: it gains nothing in a region.
bool is_text(const vac_arg& record) {
  return (record.form == VAC_ARRAY && record.type == VAC_CHAR) ||
         (record.form == VAC_TENSOR && record.type == VAC_STRING);
}

bool has_data(const vac_arg& record) {
  return record.form == VAC_ARRAY || record.form == VAC_TENSOR;
}

const Output* find_output(std::span<const Output> outputs, std::size_t arg, std::size_t child) {
  for (std::size_t i = outputs.size(); i-- > 0;) {
    if (outputs[i].arg == arg && outputs[i].child == child) return &outputs[i];
  }
  return nullptr;
}

const RegionResult* find_place(std::span<const RegionResult> places, std::uint32_t arg,
                               std::uint32_t child) {
  for (const RegionResult& place : places) {
    if (place.arg == arg && place.child == child) return &place;
  }
  return nullptr;
}

std::uint32_t list_count(std::span<const Output> outputs, std::size_t arg) {
  std::uint32_t count = 0;
  for (const Output& output : outputs) {
    if (output.arg == arg) count = std::max(count, output.child + 1);
  }
  return count;
}

/// What a plugin stored may have more bits than the type; local callers take the low bytes as well.
std::uint64_t scalar_bits(const vac_arg& record) {
  const std::uint32_t width = element_bytes(record.type);
  if (record.type == VAC_BOOL) return (record.value & 0xff) != 0;
  return width >= 8 ? record.value : record.value & ((std::uint64_t{1} << (8 * width)) - 1);
}

Error too_many_outputs() {
  return Error{Errc::failed, concat("the plugin failed: it made more than ", VAC_MAX_RECORDS,
                                    " outputs in one call")};
}

}  // namespace

void FrameEncoder::Free::operator()(std::byte* memory) const noexcept {
  ::operator delete[](memory, std::align_val_t{kAlignment});
}

vac_arg* FrameEncoder::records() noexcept {
  return reinterpret_cast<vac_arg*>(buffer_.get() + sizeof(FrameHeader));
}

char* FrameEncoder::meta() noexcept {
  return reinterpret_cast<char*>(records() + header_.record_count);
}

/// Starts a frame whose head has that shape; the records and meta are the caller's to fill, payload
/// follows with add_payload().
void FrameEncoder::begin(Kind kind, std::uint64_t request, std::size_t record_count,
                         std::size_t meta_bytes) {
  header_ = FrameHeader{};
  header_.kind = kind;
  header_.request = request;
  header_.record_count = static_cast<std::uint16_t>(record_count);
  header_.meta_bytes = static_cast<std::uint32_t>(meta_bytes);
  payload_left_ = 0;
  copy_left_ = kCopiedPayload;
  gather_.clear();

  const std::size_t head = head_bytes(header_);
  const std::size_t room = head + kCopiedPayload + kAlignment * record_count;
  if (capacity_ < room) {
    const std::size_t more = align_up(room + room / 2);
    capacity_ = 0;  // without memory for it there is none
    buffer_.reset();
    buffer_.reset(static_cast<std::byte*>(::operator new[](more, std::align_val_t{kAlignment})));
    capacity_ = more;
  }
  used_ = 0;
  const std::size_t filled = sizeof(FrameHeader) + sizeof(vac_arg) * record_count + meta_bytes;
  std::memset(buffer_.get() + filled, 0, head - filled);
  add_copied(head);
}

/// The next `bytes` of the buffer are part of the frame.
void FrameEncoder::add_copied(std::size_t bytes) {
  std::byte* from = buffer_.get() + used_;
  used_ += bytes;
  if (!gather_.empty()) {
    iovec& last = gather_.back();
    if (static_cast<std::byte*>(last.iov_base) + last.iov_len == from) {
      last.iov_len += bytes;
      return;
    }
  }
  gather_.push_back({from, bytes});
}

Status FrameEncoder::add_payload(const void* data, std::uint64_t bytes,
                                 std::uint64_t largest_frame) {
  const std::uint64_t room = largest_frame - std::min(largest_frame, header_.payload_bytes);
  if (bytes > room || align_up(bytes) > room) return too_large(largest_frame);
  const std::size_t padding = align_up(bytes) - bytes;
  header_.payload_bytes += bytes + padding;
  if (bytes == 0) return {};
  if (bytes <= copy_left_) {
    std::memcpy(buffer_.get() + used_, data, bytes);
    std::memset(buffer_.get() + used_ + bytes, 0, padding);
    copy_left_ -= bytes;
    add_copied(bytes + padding);
    return {};
  }
  gather_.push_back({const_cast<void*>(data), bytes});  // iovec has no const; it is only read
  if (padding != 0) {
    std::memset(buffer_.get() + used_, 0, padding);
    add_copied(padding);
  }
  return {};
}

Error FrameEncoder::too_large(std::uint64_t largest_frame) const {
  return Error{Errc::message_size,
               concat("its data is larger than the ", largest_frame,
                      " bytes that one frame to the peer may have: ", kLargestFrameRemedy)};
}

Status FrameEncoder::finish(std::uint64_t largest_frame) {
  const std::size_t head = head_bytes(header_);
  if (head + header_.payload_bytes > largest_frame) return too_large(largest_frame);
  if (header_.payload_bytes > kMaxInlinePayload) {
    header_.flags = kFlagPayloadFollows;
    payload_left_ = header_.payload_bytes;
    payload_index_ = 0;
    payload_.assign(gather_.begin(), gather_.end());
    iovec& first = payload_.front();
    first.iov_base = static_cast<std::byte*>(first.iov_base) + head;
    first.iov_len -= head;
    gather_.resize(1);
    gather_.front().iov_len = head;
  }
  std::memcpy(buffer_.get(), &header_, sizeof header_);
  return {};
}

/// Where the data of an array or tensor goes: named where it lies in a region, else added.
Status FrameEncoder::add_argument(const vac_arg& from, vac_arg& record, std::uint64_t largest_frame,
                                  RegionMap* regions) {
  const auto* const data = reinterpret_cast<const void*>(from.value);
  record.rank = from.rank;
  record.meta = from.meta;
  record.bytes = from.bytes;
  std::optional<RegionPart> part;
  const bool sent = is_text(from) && from.dir != VAC_OUT;
  if (!sent && regions != nullptr && from.where == VAC_WHERE_INLINE && from.bytes != 0) {
    part = regions->find(data, from.bytes);
  }
  if (part) {
    record.where = part->region;
    record.value = part->offset;
    if (from.dir != VAC_IN) {
      const auto index = static_cast<std::uint32_t>(&record - records());
      placed_.push_back({index, 0, 0, from.bytes, *part});
    }
    return {};
  }
  if (from.dir == VAC_OUT) {
    record.where = VAC_WHERE_NOWHERE;
    return {};
  }
  record.value = header_.payload_bytes;
  return add_payload(data, from.bytes, largest_frame);
}

Status FrameEncoder::encode_call(const vac_call& call, std::uint64_t request,
                                 std::uint32_t deadline_us, std::uint64_t largest_frame,
                                 RegionMap* regions) {
  if (call.meta_bytes > kMaxMetaBytes) {
    return Error{Errc::invalid, concat("the call's shapes take ", call.meta_bytes,
                                       " bytes, at most ", kMaxMetaBytes, " are allowed")};
  }
  begin(Kind::call, request, call.arg_count, padded_meta(call.meta_bytes));
  header_.code = call.op;
  header_.detail = deadline_us;
  std::memcpy(header_.trace, call.trace, sizeof header_.trace);
  if (call.meta_bytes != 0) {
    std::memcpy(meta(), call.meta, call.meta_bytes);
    std::memset(meta() + call.meta_bytes, 0, header_.meta_bytes - call.meta_bytes);
  }

  placed_.clear();
  vac_arg* to = records();
  for (const vac_arg& from : records_of(call)) {
    vac_arg record = bare_record(from);
    record.count = from.count;
    if (has_data(from)) {
      // In place: its index tells which result may lie in a region.
      *to = record;
      VAC_CHECK(add_argument(from, *to++, largest_frame, regions));
      continue;
    }
    if (from.form == VAC_SCALAR && from.dir != VAC_OUT) {
      record.value = from.value;
    }
    *to++ = record;
  }
  return finish(largest_frame);
}

/// Fills in an array's or tensor's size, shape and data. Says what the plugin did wrong, if
/// anything.
const char* FrameEncoder::Result::fill(const vac_arg& from, const char* meta, const Output* made) {
  record.bytes = from.bytes;
  data = reinterpret_cast<const void*>(from.value);
  dims = dims_of(from, meta).data();
  record.rank = from.rank;
  if (made != nullptr) {
    record.bytes = made->bytes;
    data = made->data;
  } else if (from.where == VAC_WHERE_NOWHERE) {
    if (from.form == VAC_TENSOR) return "was not made";
    record.bytes = 0;
  }
  if (data == nullptr && record.bytes != 0) return "has no data";
  if (from.form == VAC_ARRAY) {
    return whole_elements(from.type, record.bytes) ? nullptr : "ends in the middle of an element";
  }
  if (from.dir == VAC_OUT && made != nullptr) {
    if (!is_tensor_element(made->type) || made->rank > VAC_MAX_RANK) return "is no tensor";
    record.type = made->type;
    record.rank = made->rank;
    dims = made->dims;
  } else if (made != nullptr && (made->type != from.type || made->rank != from.rank ||
                                 !std::equal(made->dims, made->dims + made->rank, dims))) {
    return "has another shape than the caller's";
  }
  const auto count = element_count({dims, record.rank});
  return count && element_bytes_fit(record.type, *count, record.bytes)
             ? nullptr
             : "has a size that does not fit its shape";
}

Status FrameEncoder::add_result(const Op& op, std::size_t index, std::size_t child,
                                const vac_arg& from, const char* meta, const Output* made) {
  Result& result = results_.emplace_back(Result{bare_record(from), nullptr, nullptr,
                                                static_cast<std::uint32_t>(index),
                                                static_cast<std::uint32_t>(child)});
  result.record.count = from.count;
  if (from.form == VAC_SCALAR) result.record.value = scalar_bits(from);
  if (!has_data(from)) return {};
  const char* breach = result.fill(from, meta, made);
  if (breach == nullptr) return {};
  std::string item = op.args[index].child_signature != 0 ? concat(" item ", child) : "";
  return Error{Errc::failed,
               concat("the plugin failed: output '", op.args[index].name, "'", item, " ", breach)};
}

/// The children of a list. Those of an output list are what the plugin made, however many records
/// the call has for them.
Status FrameEncoder::add_children(const Op& op, std::size_t index,
                                  std::span<const vac_arg> children, std::uint32_t count,
                                  const char* meta, std::span<const Output> outputs) {
  const std::uint32_t signature = op.args[index].child_signature;
  vac_arg unknown{};
  unknown.type = static_cast<std::uint8_t>(signature);
  unknown.form = static_cast<std::uint8_t>(signature >> 8U);
  unknown.dir = static_cast<std::uint8_t>(signature >> 16U);
  unknown.where = VAC_WHERE_NOWHERE;
  for (std::uint32_t child = 0; child < count; ++child) {
    const Output* made = find_output(outputs, index, child);
    const vac_arg& from = child < children.size() ? children[child] : unknown;
    if (made == nullptr && from.dir == VAC_OUT) {
      return Error{Errc::failed, concat("the plugin failed: it made ", count, " items of output '",
                                        op.args[index].name, "' and left out item ", child)};
    }
    VAC_CHECK(add_result(op, index, child, from, meta, made));
  }
  return {};
}

Status FrameEncoder::collect_results(const Op& op, const vac_call& done,
                                     std::span<const Output> outputs) {
  results_.clear();
  std::size_t position = 0;
  for (std::size_t index = 0; index < op.args.size(); ++index) {
    const vac_arg& from = done.args[position];
    const auto children = records_of(done).subspan(position + 1, child_count(from));
    position += 1 + children.size();
    if (from.dir == VAC_IN) continue;
    VAC_CHECK(add_result(op, index, 0, from, done.meta, find_output(outputs, index, 0)));
    if (from.form != VAC_LIST) continue;
    std::uint32_t& count = results_.back().record.count;
    count = from.dir == VAC_OUT ? list_count(outputs, index) : from.count;
    if (count > VAC_MAX_RECORDS) return too_many_outputs();
    VAC_CHECK(add_children(op, index, children, count, done.meta, outputs));
  }
  if (results_.size() > VAC_MAX_RECORDS) return too_many_outputs();
  return {};
}

Status FrameEncoder::encode_reply(const Op& op, const vac_call& done,
                                  std::span<const Output> outputs, std::uint64_t request,
                                  std::uint32_t agent_us, std::uint64_t largest_frame,
                                  std::span<const RegionResult> delivered) {
  VAC_CHECK(collect_results(op, done, outputs));
  std::size_t meta_bytes = 0;
  for (const Result& result : results_) meta_bytes += sizeof(std::int64_t) * result.record.rank;

  begin(Kind::reply, request, results_.size(), meta_bytes);
  header_.queue_us = done.queue_us;
  header_.plugin_us = done.plugin_us;
  header_.agent_us = agent_us;
  std::memcpy(header_.trace, done.trace, sizeof header_.trace);
  vac_arg* to = records();
  std::uint32_t dims_at = 0;
  for (Result& result : results_) {
    if (result.record.rank != 0) {
      const std::size_t bytes = sizeof(std::int64_t) * result.record.rank;
      std::memcpy(meta() + dims_at, result.dims, bytes);
      result.record.meta = dims_at;
      dims_at += bytes;
    }
    if (has_data(result.record)) {
      if (const RegionResult* place = find_place(delivered, result.arg, result.child)) {
        result.record.where = place->part.region;
        result.record.value = place->part.offset;
      } else {
        result.record.value = header_.payload_bytes;
        VAC_CHECK(add_payload(result.data, result.record.bytes, largest_frame));
      }
    }
    *to++ = result.record;
  }
  return finish(largest_frame);
}

void FrameEncoder::encode_text(Kind kind, std::uint64_t request, int code, std::string_view text) {
  std::string mended;
  if (!valid_utf8(text)) text = mended = printable(text);
  std::size_t length = std::min<std::size_t>(text.size(), kMaxMessageBytes);
  while (length < text.size() && length > 0 && (text[length] & 0xc0) == 0x80) --length;

  begin(kind, request, 0, padded_meta(length));
  header_.code = static_cast<std::uint32_t>(code);
  std::memset(meta(), 0, header_.meta_bytes);
  if (length != 0) std::memcpy(meta(), text.data(), length);
  std::memcpy(buffer_.get(), &header_, sizeof header_);
}

void FrameEncoder::encode_failure(std::uint64_t request, int code, std::uint32_t detail,
                                  std::string_view text) {
  encode_text(Kind::reply, request, code == VAC_OK ? VAC_EIO : code, text);
  header_.detail = detail;
  std::memcpy(buffer_.get(), &header_, sizeof header_);
}

void FrameEncoder::encode_cancel(std::uint64_t request) {
  encode_text(Kind::cancel, request, 0, {});
}

void FrameEncoder::encode_goodbye(int code, std::string_view text) {
  encode_text(Kind::goodbye, 0, code, text);
}

std::span<iovec> FrameEncoder::next_data_frame() {
  gather_.clear();
  if (payload_left_ == 0) return {};
  data_header_ = FrameHeader{};
  data_header_.kind = Kind::data;
  data_header_.request = header_.request;
  data_header_.payload_bytes = std::min(payload_left_, kMaxDataPayload);
  payload_left_ -= data_header_.payload_bytes;

  gather_.push_back({&data_header_, sizeof data_header_});
  for (std::uint64_t left = data_header_.payload_bytes; left != 0;) {
    iovec& from = payload_[payload_index_];
    const std::size_t take = std::min<std::uint64_t>(from.iov_len, left);
    if (take != 0) gather_.push_back({from.iov_base, take});
    from.iov_base = static_cast<std::byte*>(from.iov_base) + take;
    from.iov_len -= take;
    left -= take;
    if (from.iov_len == 0) ++payload_index_;
  }
  return gather_;
}

}  // namespace vac::wire
