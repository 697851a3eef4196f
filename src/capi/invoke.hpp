// SPDX-License-Identifier: Apache-2.0
// The one body of every generated C function.
#pragma once

#include <vac/plugin.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "capi/arguments.hpp"
#include "capi/frame.hpp"
#include "capi/last_error.hpp"
#include "capi/outputs.hpp"

namespace vac::capi {

/// Sends the frame through the session. On failure the thread's last error is set.
int dispatch(vac_session* session, std::uint32_t op, const Frame& frame, Outputs& outputs);
/// What no argument can tell alone: too many records, shared memory. VAC_OK, or the last error is
/// set.
int check_frame(std::uint32_t op, const Frame& frame);
/// Sets the last error to that of a call.
int tell_failure(std::uint32_t op, int code, const core::CallContext& context,
                 const Outputs& outputs);
/// Refuses an argument before the call: "sgemm: ...".
int refuse(std::uint32_t op, const Error& error);
/// The same for what is wrong with one: "sgemm: argument 'a' ...".
int refuse_argument(std::uint32_t op, std::size_t index, const Error& error);

/// The part of invoke() that may throw. Nothing is handed over before every output has room.
template <std::size_t kRecords, std::size_t kShapes, class... Arguments>
int run(vac_session* session, std::uint32_t op, Arguments&... arguments) {
  vac_arg records[kRecords];
  std::int64_t dims[kShapes * VAC_MAX_RANK];
  Frame frame(records, dims);
  int code = VAC_OK;
  std::size_t index = 0;
  [[maybe_unused]] const auto succeeds = [&](const Status& status) {
    if (!status) code = refuse_argument(op, index, status.error());
    ++index;
    return code == VAC_OK;
  };
  if (!(... && succeeds(arguments.put(frame)))) return code;
  Outputs outputs(frame);
  code = dispatch(session, op, frame, outputs);
  index = 0;
  if (code != VAC_OK || !(... && succeeds(arguments.room(outputs)))) return code;
  (arguments.give(outputs), ...);
  return VAC_OK;
}

/// The arguments are not copied: they have just been written in parts, and a processor would wait
/// until it can read them as a whole, for a third of a small call's time.
template <class... Arguments>
int invoke(vac_session* session, std::uint32_t op, Arguments&&... arguments) noexcept {
  constexpr bool kLists = (false || ... || Arguments::kList);
  constexpr std::size_t kRecords = kLists ? VAC_MAX_RECORDS : 1 + sizeof...(Arguments);
  constexpr std::size_t kShapes = kLists ? VAC_MAX_RECORDS : 1 + (0 + ... + Arguments::kShapes);
  return guarded([&] { return run<kRecords, kShapes>(session, op, arguments...); });
}

}  // namespace vac::capi
