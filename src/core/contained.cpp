// SPDX-License-Identifier: Apache-2.0
#include "core/contained.hpp"

#include <string.h>

#include <exception>
#include <new>

#include "base/log.hpp"
#include "base/text.hpp"
#include "base/utf8.hpp"

namespace vac::core {
namespace {

/// What a reply of the wire has room for (docs/protocol.md).
constexpr std::size_t kMostText = 1024;

thread_local std::string thread_error;

/// What the exception being handled says.
std::string thrown_text() {
  try {
    throw;
  } catch (const std::exception& exception) {
    return plugin_text(exception.what());
  } catch (...) {
    return "something that is no std::exception";
  }
}

}  // namespace

int known_code(int code) noexcept {
  switch (code) {
    case VAC_OK:
#define VAC_KNOWN_CODE(name, value, enumerator, text) case value:
      VAC_ERROR_CODES(VAC_KNOWN_CODE)
#undef VAC_KNOWN_CODE
      return code == VAC_EINPROGRESS ? VAC_EIO : code;
    default:
      return VAC_EIO;
  }
}

std::string plugin_text(const char* text) {
  if (text == nullptr) return {};
  // A text without an end is read no further than what is kept of it.
  std::string kept = printable(std::string_view(text, ::strnlen(text, kMostText)));
  if (kept.size() <= kMostText) return kept;
  std::size_t end = kMostText - 3;
  while (end > 0 && (static_cast<unsigned char>(kept[end]) & 0xc0U) == 0x80U) --end;
  kept.resize(end);
  return kept + "...";
}

Error hook_error(int code, std::string_view otherwise) {
  std::string text = take_thread_error();
  if (text.empty()) text = otherwise;
  const int known = known_code(code);
  if (known != code) text += concat(" (the plugin answered ", code, ", which is no error code)");
  return Error{static_cast<Errc>(known), std::move(text)};
}

int caught_from_plugin(const char* hook) noexcept {
  try {
    throw;
  } catch (const std::bad_alloc&) {
    set_thread_error(error_text(VAC_ENOMEM));
    return VAC_ENOMEM;
  } catch (...) {
    try {
      thread_error = concat("the plugin threw from ", hook, ": ", thrown_text());
    } catch (...) {  // no memory for the text: the code alone must do
      thread_error.clear();
    }
    return VAC_EIO;
  }
}

void log_caught(const char* plugin, const char* hook) noexcept {
  try {
    log_error("plugin '", plugin, "' threw from ", hook, ": ", thrown_text());
  } catch (...) {  // no memory for the line
  }
}

void clear_thread_error() noexcept { thread_error.clear(); }

std::string take_thread_error() noexcept { return std::exchange(thread_error, {}); }

void set_thread_error(const char* message) noexcept {
  try {
    thread_error = plugin_text(message);
  } catch (...) {  // no memory for the text: the code alone must do
    thread_error.clear();
  }
}

}  // namespace vac::core
