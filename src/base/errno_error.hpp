// SPDX-License-Identifier: Apache-2.0
// From errno to an Error.
#pragma once

#include <vac/result.hpp>

#include <cerrno>
#include <string>
#include <string_view>
#include <system_error>

namespace vac {

/// The code for a number of errno; Errc::failed for one that has no code of its own.
constexpr Errc errc_from_errno(int number) noexcept {
  switch (number) {
#define VAC_ERRNO_CASE(name, value, enumerator, text) \
  case name:                                          \
    return Errc::enumerator;
    VAC_ERROR_CODES(VAC_ERRNO_CASE)
#undef VAC_ERRNO_CASE
    default:
      return Errc::failed;
  }
}

/// "cannot open 'x': No such file or directory", with the code that `number` stands for; `remedy`
/// is put behind it as ": remedy". Pass errno at once, before another call can change it.
inline Error errno_error(int number, std::string_view what, std::string_view remedy = {}) {
  std::string text(what);
  text += ": ";
  text += std::generic_category().message(number);
  if (!remedy.empty()) {
    text += ": ";
    text += remedy;
  }
  return Error{errc_from_errno(number), std::move(text)};
}

}  // namespace vac
