// SPDX-License-Identifier: Apache-2.0
#include <vac/error.h>

#include <string>

#include "base/text.hpp"
#include "capi/last_error.hpp"

namespace vac::capi {
namespace {

struct LastError {
  std::string message;
  unsigned detail = 0;
};
thread_local LastError last_error;

}  // namespace

int set_last_error(int code, std::string_view text, unsigned detail) noexcept {
  last_error.detail = detail;
  try {
    last_error.message = concat(printable(text), " (", error_name(code), ")");
  } catch (...) {  // no memory for the text: the code alone must do
    last_error.message.clear();
  }
  return code;
}

int set_last_error(const Error& error) noexcept {
  return set_last_error(error.value(), error.text(), error.detail());
}

}  // namespace vac::capi

const char* vac_error_message(void) { return vac::capi::last_error.message.c_str(); }

unsigned vac_error_detail(void) { return vac::capi::last_error.detail; }

const char* vac_error_name(int code) { return vac::error_name(code); }
