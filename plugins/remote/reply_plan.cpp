// SPDX-License-Identifier: Apache-2.0
#include "reply_plan.hpp"

#include <cstdint>
#include <cstring>

#include "base/text.hpp"
#include "call/types.hpp"

namespace vac::remote {
namespace {

/// Output tensors are always the host's to make; what else has memory is filled in place.
bool fits_in_place(const vac_arg& record, const wire::ReplyPart& part) noexcept {
  return record.where == VAC_WHERE_INLINE && part.bytes <= record.bytes &&
         (part.form == VAC_ARRAY || record.dir == VAC_INOUT);
}

/// Where a result is that the agent has left in a region: the call's record has named it.
std::uintptr_t region_data(const wire::ReplyPart& part, const vac_call& call) noexcept {
  return static_cast<std::uintptr_t>(call.args[part.record].value);
}

void* destination(const wire::ReplyPart& part, vac_call& call, const vac_host* host) {
  if (part.record < call.arg_count) {
    vac_arg& record = call.args[part.record];
    if (fits_in_place(record, part)) {
      record.bytes = part.bytes;
      return reinterpret_cast<void*>(static_cast<std::uintptr_t>(record.value));
    }
  }
  if (host == nullptr) return nullptr;
  return host->output(&call, part.arg, part.child, part.bytes, part.type, part.rank, part.dims);
}

}  // namespace

Status ReplyPlan::make(const Op& op, std::span<const std::byte> head, vac_call& call,
                       const vac_host* host, std::span<const wire::RegionResult> placed,
                       Scatter& scatter, std::vector<IncomingStrings>& strings) {
  scatter.clear();
  strings.clear();
  VAC_CHECK(wire::decode_reply(op, head, call, parts_, list_counts_, placed));
  for (const wire::ReplyPart& part : parts_) {
    void* memory = destination(part, call, host);
    if (memory == nullptr && part.bytes != 0) {
      if (host == nullptr) {
        return Error{Errc::protocol, concat(op.name, ": output '", op.args[part.arg].name,
                                            "' is larger than it can be")};
      }
      return Error{Errc::no_memory, concat(op.name, ": no memory for output '",
                                           op.args[part.arg].name, "' of ", part.bytes, " bytes")};
    }
    if (part.in_region) {
      const auto* const there = reinterpret_cast<const void*>(region_data(part, call));
      if (memory != there && part.bytes != 0) std::memcpy(memory, there, part.bytes);
    } else if (part.in_head == nullptr) {
      scatter.add(memory, part.bytes);
    } else if (part.bytes != 0) {
      std::memcpy(memory, part.in_head, static_cast<std::size_t>(part.bytes));
    }
    if (part.form == VAC_TENSOR && part.type == VAC_STRING) {
      const auto count = element_count({part.dims, part.rank});
      strings.push_back({static_cast<const std::byte*>(memory), part.bytes, count.value_or(0)});
    }
  }
  return {};
}

}  // namespace vac::remote
