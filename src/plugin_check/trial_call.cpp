// SPDX-License-Identifier: Apache-2.0
#include "plugin_check/trial_call.hpp"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

#include "base/text.hpp"
#include "base/utf8.hpp"
#include "call/check.hpp"
#include "call/types.hpp"

namespace vac::plugin_check {
namespace {

bool has_memory(const vac_arg& record) {
  return (record.form == VAC_ARRAY || record.form == VAC_TENSOR) &&
         record.where == VAC_WHERE_INLINE;
}

/// What a C compiler aligns an element to, and no more.
std::size_t alignment_of(const vac_arg& record) {
  const std::uint32_t width = element_bytes(record.type);
  return record.type == VAC_STRING || width > 8 ? 8 : std::max<std::uint32_t>(width, 1);
}

std::span<const std::byte> data_of(const vac_arg& record) {
  return {reinterpret_cast<const std::byte*>(record.value), static_cast<std::size_t>(record.bytes)};
}

bool is_code(int code) {
  return code == VAC_OK ||
         (code != VAC_EINPROGRESS && std::string_view(error_name(code)) != "VAC_E?");
}

void append(std::vector<std::byte>& to, const void* data, std::size_t bytes) {
  const auto* from = static_cast<const std::byte*>(data);
  to.insert(to.end(), from, from + bytes);
}

/// What must hold of text and of numbers alike.
std::string value_fault(std::uint8_t type, std::span<const std::byte> data) {
  if (type == VAC_CHAR) {
    if (!valid_utf8(data)) return "is not UTF-8";
    if (std::ranges::find(data, std::byte{0}) != data.end()) return "has a NUL in its text";
  }
  if (type == VAC_BOOL && std::ranges::any_of(data, [](std::byte b) { return b > std::byte{1}; })) {
    return "has a bool that is neither 0 nor 1";
  }
  return {};
}

}  // namespace

TrialCall::TrialCall(const Op& op, BuiltCall& built, const CallPlace& place, std::string title)
    : op_(op), built_(built), title_(std::move(title)), record_(op, call_) {
  copy_memory();
  for (const vac_arg& record : args_) {
    if (record.type != VAC_RESOURCE) continue;
    states_.push_back(record.form == VAC_ABSENT ? nullptr : place.resource_state);
  }
  call_ = built.call();
  call_.args = args_.data();
  call_.meta = reinterpret_cast<char*>(meta_.data());
  call_.slot = place.slot;
  call_.flags = VAC_CALL_MAY_BLOCK;
  call_.session_state = place.session_state;
  call_.resource_states = states_.empty() ? nullptr : states_.data();
  call_.host_priv = &record_;
}

void TrialCall::copy_memory() {
  args_ = built_.records();
  const std::span<const char> meta = built_.meta();
  meta_.resize(meta.size() / sizeof(std::int64_t));
  if (!meta.empty()) std::memcpy(meta_.data(), meta.data(), meta.size());
  memory_of_.resize(args_.size(), nullptr);
  for (std::size_t i = 0; i < args_.size(); ++i) {
    if (!has_memory(args_[i])) continue;
    memory_of_[i] = &memory_.emplace_back(data_of(args_[i]), alignment_of(args_[i]));
    args_[i].value = reinterpret_cast<std::uintptr_t>(memory_of_[i]->data());
  }
  given_ = args_;
}

void TrialCall::broken(Promise promise, std::string text) {
  record_.add_breach(promise, std::move(text));
}

std::vector<Breach> TrialCall::take_breaches() {
  std::vector<Breach> all = record_.take_breaches();
  for (Breach& breach : all) breach.text.insert(0, title_ + ": ");
  return all;
}

void TrialCall::end(int code, bool asynchronous) {
  if (code == VAC_EINPROGRESS) {
    if (!asynchronous) {
      broken(Promise::codes,
             "submit returned VAC_EINPROGRESS, but the table's caps lack VAC_CAP_ASYNC: add it");
    }
    end_in_batch();
    return;
  }
  record_.close();
  if (record_.completions() != 0) {
    broken(
        Promise::completes_once,
        concat("complete was called and submit returned ", code,
               " as well: return VAC_EINPROGRESS where complete is called, else the code alone"));
  }
  right_completions_ = record_.completions();
  code_ = code;
  judge();
}

void TrialCall::end_in_batch() {
  record_.wait();
  right_completions_ = std::max(record_.completions(), 1U);
  code_ = record_.code();
  judge();
}

void TrialCall::end_refused(int code) {
  record_.close();
  right_completions_ = record_.completions();
  if (right_completions_ != 0) {
    broken(Promise::completes_once,
           "complete was called for a call of a batch that submit refused: do one of both");
  }
  code_ = code;
  judge();
}

void TrialCall::judge() {
  check_code();
  check_inputs();
  check_guards("");
  if (code_ != VAC_OK || record_.no_memory) return;
  check_outputs();
  at_end_ = outputs();
}

void TrialCall::check_code() {
  if (!is_code(code_)) {
    broken(Promise::codes, concat("it ended with the code ", code_,
                                  ", which is none of a call: use those of <vac/error_codes.h>"));
    return;
  }
  std::string outside = take_thread_text();
  if (code_ != VAC_OK && record_.text().empty() && outside.empty()) {
    broken(Promise::texts,
           concat("it failed with ", error_name(code_),
                  " and no text: say why by vac_host.error, or by complete's message"));
  }
}

void TrialCall::check_inputs() {
  for (std::size_t i = 0; i < args_.size(); ++i) {
    const vac_arg& was = given_[i];
    const vac_arg& is = args_[i];
    const bool own = was.dir == VAC_OUT;
    // The agent's number of a resource takes the place of ours on the way there.
    const bool same_value = own || was.type == VAC_RESOURCE ||
                            (was.form == VAC_SCALAR && was.dir == VAC_INOUT) ||
                            was.value == is.value;
    if (was.type != is.type || was.form != is.form || was.dir != is.dir || was.rank != is.rank ||
        was.count != is.count || was.meta != is.meta || !same_value ||
        (!own && was.bytes != is.bytes)) {
      broken(Promise::inputs_stay, concat(argument_text(op_, given_, i),
                                          " has another record than before: write `value` of "
                                          "scalar outputs and `bytes` of outputs only"));
    }
    if (was.dir != VAC_IN || memory_of_[i] == nullptr) continue;
    const std::span<const std::byte> before = data_of(built_.records()[i]);
    const auto at = std::ranges::mismatch(before, memory_of_[i]->content()).in1;
    if (at == before.end()) continue;
    broken(Promise::inputs_stay,
           concat(argument_text(op_, given_, i), " was changed at byte ", at - before.begin(),
                  ": inputs are the caller's, work on a copy"));
  }
  const std::span<const char> meta = built_.meta();
  if (!meta.empty() && std::memcmp(meta_.data(), meta.data(), meta.size()) != 0) {
    broken(Promise::inputs_stay, "the shapes in `meta` were changed: they are the caller's");
  }
}

void TrialCall::check_guards(const char* when) {
  const auto check = [&](const GuardedMemory& memory, const std::string& name) {
    const auto at = memory.breach();
    if (!at) return;
    broken(Promise::bounds,
           concat(name, " has room for ", memory.size(), " bytes and was written at byte ", *at,
                  when, ": ask for more by vac_host.output, never write beyond `bytes`"));
  };
  for (std::size_t i = 0; i < args_.size(); ++i) {
    if (memory_of_[i] != nullptr) check(*memory_of_[i], argument_text(op_, given_, i));
  }
  for (const auto& [key, output] : record_.outputs()) {
    check(output.memory,
          concat("argument '", op_.args[key.first].name, "' child ", key.second, " (by output)"));
  }
}

void TrialCall::check_outputs() {
  std::size_t position = 0;
  for (std::uint32_t arg = 0; arg < op_.args.size(); ++arg) {
    if (given_[position].dir == VAC_OUT && given_[position].form != VAC_ABSENT) {
      check_output(arg, position);
    }
    position += 1 + child_count(given_[position]);
  }
}

void TrialCall::check_output(std::uint32_t arg, std::size_t position) {
  const vac_arg& record = args_[position];
  const auto fail = [&](const std::string& what) {
    broken(Promise::outputs, concat(argument_text(op_, given_, position), " ", what));
  };
  if (record.form == VAC_ARRAY) return check_array(arg, position);
  if (record.form == VAC_LIST) return check_list(arg);
  if (record.form == VAC_TENSOR) {
    if (!record_.outputs().contains({arg, 0})) fail("was not made: ask for its room by output");
    return;
  }
  const std::uint32_t width = element_bytes(record.type);
  if (width < 8 && record.value >> (8 * width) != 0) {
    fail(concat("has bits set above its ", width, " bytes: extend scalars with zeros"));
  }
  const std::string fault = value_fault(record.type, std::as_bytes(std::span(&record.value, 1)));
  if (!fault.empty()) fail(fault);
}

void TrialCall::check_array(std::uint32_t arg, std::size_t position) {
  const auto fail = [&](const std::string& what) {
    broken(Promise::outputs, concat(argument_text(op_, given_, position), " ", what));
  };
  const vac_arg& record = args_[position];
  const auto given = record_.outputs().find({arg, 0});
  std::span<const std::byte> data;
  if (given != record_.outputs().end()) {
    data = given->second.memory.content();
  } else if (memory_of_[position] == nullptr) {
    if (record.bytes != 0) fail("was not made: it has no place, ask for its room by output");
  } else if (record.bytes > memory_of_[position]->size() ||
             !whole_elements(record.type, record.bytes)) {
    fail(concat("says it has ", record.bytes, " bytes, its room has ", memory_of_[position]->size(),
                ": set `bytes` to whole elements within the room, or ask for more by output"));
  } else {
    data = memory_of_[position]->content().first(static_cast<std::size_t>(record.bytes));
  }
  const std::string fault = value_fault(record.type, data);
  if (!fault.empty()) fail(fault);
}

void TrialCall::check_list(std::uint32_t arg) {
  std::uint32_t next = 0;
  for (const auto& [key, output] : record_.outputs()) {
    if (key.first != arg) continue;
    if (key.second != next) {
      broken(Promise::outputs, concat("argument '", op_.args[arg].name, "' has child ", key.second,
                                      " but no child ", next, ": children count from 0 on"));
      return;
    }
    ++next;
  }
}

std::vector<TrialCall::Output> TrialCall::outputs() const {
  std::vector<Output> all;
  for (std::size_t i = 0; i < args_.size(); ++i) {
    const vac_arg& record = args_[i];
    if ((record.dir & VAC_OUT) == 0 || record.form == VAC_ABSENT) continue;
    Output output{argument_text(op_, given_, i), {}};
    if (record.form == VAC_SCALAR) append(output.bytes, &record.value, sizeof record.value);
    if (memory_of_[i] != nullptr) {
      const auto content = memory_of_[i]->content();
      append(output.bytes, content.data(),
             static_cast<std::size_t>(std::min<std::uint64_t>(content.size(), record.bytes)));
    }
    all.push_back(std::move(output));
  }
  for (const auto& [key, given] : record_.outputs()) {
    Output output{
        concat(op_.name, ": argument '", op_.args[key.first].name, "' child ", key.second),
        {std::byte{given.type}}};
    append(output.bytes, given.dims.data(), given.dims.size() * sizeof(std::int64_t));
    append(output.bytes, given.memory.data(), given.memory.size());
    all.push_back(std::move(output));
  }
  return all;
}

void TrialCall::look_again() {
  if (record_.completions() > right_completions_ && right_completions_ != 0)
    return;  // told already
  check_guards(" after the call was over");
  if (code_ != VAC_OK) return;
  const std::vector<Output> now = outputs();
  for (std::size_t i = 0; i < std::min(now.size(), at_end_.size()); ++i) {
    if (now[i].bytes == at_end_[i].bytes) continue;
    broken(Promise::completes_once,
           concat(now[i].name, " was written after the call was over: complete it last"));
    return;
  }
}

std::string TrialCall::difference(const TrialCall& other) const {
  if (at_end_.size() != other.at_end_.size()) return "another number of outputs";
  for (std::size_t i = 0; i < at_end_.size(); ++i) {
    if (at_end_[i].bytes != other.at_end_[i].bytes) {
      return concat("another output ", at_end_[i].name);
    }
  }
  return {};
}

}  // namespace vac::plugin_check
