// SPDX-License-Identifier: Apache-2.0
#include "plugin_check/call_record.hpp"

#include <exception>
#include <new>
#include <span>

#include "base/text.hpp"
#include "call/check.hpp"
#include "call/types.hpp"
#include "plugin_check/clock.hpp"

namespace vac::plugin_check {
namespace {

constexpr std::uint64_t kMostOutputBytes = 1U << 30;

std::string& thread_text() {
  thread_local std::string text;
  return text;
}

// The record of a call is ours and writable; the ABI hides it behind a const pointer from plugins.
CallRecord& record_of(const vac_call* call) {
  return *static_cast<CallRecord*>(const_cast<void*>(call->host_priv));
}

}  // namespace

void CallRecord::complete(int code, const char* message) {
  {
    const MutexLock lock(mutex_);
    if (closed_) {
      breaches_.push_back(
          {Promise::completes_once,
           concat("complete was called for a call that was over",
                  completions_.load() != 0 ? " (it was called before)" : " (submit had returned)",
                  ": call it once, and only where submit returns VAC_EINPROGRESS")});
    } else {
      code_ = code;
      if (message != nullptr && *message != '\0') text_ = message;
      closed_ = true;
    }
  }
  completions_.fetch_add(1);
  done_.store(1);
  done_.wake_all();
}

void CallRecord::error(std::uint32_t /*detail*/, const char* message) {
  const MutexLock lock(mutex_);
  if (closed_) {
    breaches_.push_back({Promise::completes_once,
                         "error was called for a call that was over: call it before complete"});
  } else if (message != nullptr) {
    text_ = message;
  }
}

const vac_arg* CallRecord::find_record(std::uint32_t arg) const noexcept {
  const std::span<const vac_arg> records(call_.args, call_.arg_count);
  const std::size_t position = record_position(op_, records, arg);
  return position < records.size() ? &records[position] : nullptr;
}

std::string CallRecord::name_of(std::uint32_t arg) const {
  return concat("argument ", arg, " '", op_.args[arg].name, "'");
}

std::string CallRecord::reason_against(std::uint32_t arg, std::uint32_t child, std::uint64_t bytes,
                                       std::uint8_t type, std::uint8_t rank,
                                       const std::int64_t* dims) const {
  if (closed_) return "output was called for a call that was over: ask for room before its end";
  const vac_arg* record = find_record(arg);
  if (record == nullptr) {
    return concat("output was asked for argument ", arg, ", there are ", op_.args.size(),
                  ": count arguments of the operation, not records");
  }
  if (record->dir != VAC_OUT || record->form == VAC_SCALAR) {
    return concat("output was asked for ", name_of(arg),
                  ", which has its place: write it there, scalars to `value`");
  }
  if (record->form == VAC_ABSENT) {
    return concat("output was asked for ", name_of(arg),
                  ", which the caller does not want: leave out what is absent");
  }
  if (outputs_.contains({arg, child})) {
    return concat("output was asked twice for ", name_of(arg), " child ", child,
                  ": ask once, with the size that is needed");
  }
  if (record->form != VAC_LIST && child != 0) {
    return concat("output was asked for child ", child, " of ", name_of(arg),
                  ", which is no list: its child is 0");
  }
  if (child >= VAC_MAX_RECORDS || rank > VAC_MAX_RANK || (rank != 0 && dims == nullptr)) {
    return concat("output was asked for ", name_of(arg), " child ", child, " of rank ", rank,
                  dims == nullptr ? " without dims" : "", ": at most ", VAC_MAX_RECORDS,
                  " children and ", VAC_MAX_RANK, " dimensions");
  }
  if (record->form == VAC_ARRAY) {
    if (rank != 0 || !whole_elements(record->type, bytes)) {
      return concat("output was asked for ", bytes, " bytes and rank ", rank, " for ", name_of(arg),
                    ", an array of ", type_name(record->type), ": whole elements and rank 0");
    }
    return {};
  }
  const auto count = element_count({dims, rank});
  if (!is_tensor_element(type) || !count || !element_bytes_fit(type, *count, bytes)) {
    return concat("output was asked for ", bytes, " bytes for ", name_of(arg), " child ", child,
                  ", which is no tensor of ", type_name(type), " of those dims");
  }
  return {};
}

void* CallRecord::output(std::uint32_t arg, std::uint32_t child, std::uint64_t bytes,
                         std::uint8_t type, std::uint8_t rank, const std::int64_t* dims) {
  const MutexLock lock(mutex_);
  std::string reason = reason_against(arg, child, bytes, type, rank, dims);
  if (!reason.empty()) {
    breaches_.push_back({closed_ ? Promise::completes_once : Promise::outputs, std::move(reason)});
    return nullptr;
  }
  if (bytes != 0) asked_ = true;
  if (no_memory.load() || bytes > kMostOutputBytes) return nullptr;
  try {
    constexpr std::size_t kAlignment = 64;  // the ABI promises it
    const auto made =
        outputs_.emplace(std::pair{arg, child},
                         GivenOutput{type, std::vector<std::int64_t>(dims, dims + rank),
                                     GuardedMemory(static_cast<std::size_t>(bytes), kAlignment)});
    return made.first->second.memory.data();
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

bool CallRecord::is_cancelled() const noexcept {
  return cancelled.load() || (call_.deadline_ns != 0 && now_ns() >= call_.deadline_ns);
}

void CallRecord::wait() const {
  while (done_.load() == 0) done_.wait(0);
}

void CallRecord::close() {
  const MutexLock lock(mutex_);
  closed_ = true;
}

int CallRecord::code() const {
  const MutexLock lock(mutex_);
  return code_;
}

std::string CallRecord::text() const {
  const MutexLock lock(mutex_);
  return text_;
}

bool CallRecord::asked_for_memory() const {
  const MutexLock lock(mutex_);
  return asked_;
}

void CallRecord::add_breach(Promise promise, std::string text) {
  const MutexLock lock(mutex_);
  breaches_.push_back({promise, std::move(text)});
}

std::vector<Breach> CallRecord::take_breaches() {
  const MutexLock lock(mutex_);
  return std::exchange(breaches_, {});
}

const vac_host& kit_host() noexcept {
  static constexpr vac_host kHost = {
      sizeof(vac_host),
      VAC_ABI_MAJOR,
      VAC_ABI_MINOR,
      nullptr,
      [](vac_call* call, int code, const char* message) {
        record_of(call).complete(code, message);
      },
      [](void*, vac_call* call, std::uint32_t detail, const char* message) {
        if (call != nullptr) return record_of(call).error(detail, message);
        thread_text() = message == nullptr ? "" : message;
      },
      [](vac_call* call, std::uint32_t arg, std::uint32_t child, std::uint64_t bytes,
         std::uint8_t type, std::uint8_t rank, const std::int64_t* dims) -> void* {
        return record_of(call).output(arg, child, bytes, type, rank, dims);
      },
      [](const vac_call* call) { return record_of(call).is_cancelled() ? 1 : 0; },
      [](vac_call*, std::uint64_t, std::uint64_t) {},
      [](void*, int, const char*) {},
  };
  return kHost;
}

void clear_thread_text() noexcept { thread_text().clear(); }

std::string take_thread_text() { return std::exchange(thread_text(), {}); }

}  // namespace vac::plugin_check
