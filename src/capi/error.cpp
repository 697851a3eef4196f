// SPDX-License-Identifier: Apache-2.0
#include <vac/error.h>

#include <string>

#include "base/text.hpp"
#include "capi/last_error.hpp"

namespace vac::capi {
namespace {

struct LastError {
  std::string message;
  const char* shown = "";  // the message, or words that need no memory
  unsigned detail = 0;
};

/// Where there is no memory for the sentence.
const char* bare_text(int code) noexcept {
  switch (code) {
    case VAC_OK:
#define VAC_BARE_TEXT(name, value, enumerator, text) \
  case value:                                        \
    return text " (VAC_" #name ")";
      VAC_ERROR_CODES(VAC_BARE_TEXT)
#undef VAC_BARE_TEXT
    default:
      return "failed";
  }
}
thread_local LastError last_error;

}  // namespace

int set_last_error(int code, std::string_view text, unsigned detail) noexcept {
  last_error.detail = detail;
  try {
    last_error.message = concat(printable(text), " (", error_name(code), ")");
    last_error.shown = last_error.message.c_str();
  } catch (...) {
    last_error.shown = bare_text(code);
  }
  return code;
}

int set_last_error(const Error& error) noexcept {
  return set_last_error(error.value(), error.text(), error.detail());
}

}  // namespace vac::capi

const char* vac_error_message(void) { return vac::capi::last_error.shown; }

unsigned vac_error_detail(void) { return vac::capi::last_error.detail; }

const char* vac_error_name(int code) { return vac::error_name(code); }
