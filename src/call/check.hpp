// SPDX-License-Identifier: Apache-2.0
// The checks that hold for a call's records in memory and on the wire alike (docs/protocol.md,
// "Checks").
#pragma once

#include <vac/call.h>
#include <vac/result.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "call/op_table.hpp"

namespace vac {

/// Checks the records of a call against the operation: signatures, optional arguments, children of
/// lists, directions, shapes against sizes, array sizes against element widths, ranges of meta,
/// unused fields zero. Does not look at `where` and `value` of anything but scalars and absent
/// arguments: what they mean differs between memory and wire. `meta` is 8-byte aligned.
/// Success costs no allocation. The error (VAC_EINVAL) names the operation and the argument:
/// "sgemm: argument 'a' is tensor f64, must be f32[]".
Status check_call(const Op& op, std::span<const vac_arg> records, std::span<const char> meta);

/// Whether check_call() accepts the call: the same check, without the words.
bool call_is_sound(const Op& op, std::span<const vac_arg> records,
                   std::span<const char> meta) noexcept;

/// Records that follow a record as its children: a list's count, but for an output list of any
/// length.
constexpr std::uint32_t child_count(const vac_arg& record) noexcept {
  return record.form == VAC_LIST && record.count != VAC_ANY_COUNT ? record.count : 0;
}

/// The position of the record of argument `index` of the table, where children of lists are records
/// too; records.size() when out of range. Only for records that check_call has accepted.
std::size_t record_position(const Op& op, std::span<const vac_arg> records, std::size_t index);

/// How errors name the record at `position`: "sgemm: argument 'a'", "model_run: argument 'inputs'
/// item 2". Only for records that check_call has accepted.
std::string argument_text(const Op& op, std::span<const vac_arg> records, std::size_t position);

/// How errors describe what a record is: "f32", "f64[]", "string", "tensor f32", "absent".
std::string kind_text(const vac_arg& record);

/// Whether the data of a VAC_STRING tensor of `count` elements is sound: `count` ascending end
/// offsets (u64) of which the last is the number of bytes that follow them. `data` need not be
/// aligned.
bool string_elements_fit(std::span<const std::byte> data, std::uint64_t count) noexcept;

/// Dims of a tensor record; empty for anything else. Only for records that check_call has accepted.
inline std::span<const std::int64_t> dims_of(const vac_arg& record, const char* meta) noexcept {
  if (record.form != VAC_TENSOR || record.rank == 0) return {};
  return {reinterpret_cast<const std::int64_t*>(meta + record.meta), record.rank};
}

}  // namespace vac
