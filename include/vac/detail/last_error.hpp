// SPDX-License-Identifier: Apache-2.0
// The C interface's last error as an Error.
#pragma once

#include <vac/error.h>
#include <vac/result.hpp>

#include <string>
#include <string_view>
#include <utility>

namespace vac {

/// For a function of the C interface that has just returned `code` on this thread, which is not
/// VAC_OK. Takes the code's name off the end of the text, because Error::message() adds it.
inline Error last_error(int code) {
  std::string_view text = vac_error_message();
  const std::string suffix = std::string(" (") + error_name(code) + ")";
  if (text.ends_with(suffix)) text.remove_suffix(suffix.size());
  if (text.empty()) text = error_text(code);
  return Error{static_cast<Errc>(code), std::string(text)}.with_detail(vac_error_detail());
}

}  // namespace vac
