// SPDX-License-Identifier: Apache-2.0
// UTF-8 as RFC 3629 has it: no surrogates, no overlong forms, nothing above U+10FFFF.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace vac {

/// A character and the bytes it takes; 0 bytes where the text is empty or not UTF-8.
struct Utf8Char {
  char32_t code = 0;
  std::size_t bytes = 0;
};

/// The character at the start of `text`.
Utf8Char first_utf8(std::string_view text) noexcept;

/// Whether all of it is UTF-8. A NUL is a character like any other.
bool valid_utf8(std::string_view text) noexcept;
bool valid_utf8(std::span<const std::byte> text) noexcept;

/// Appends a character; `code` is a Unicode scalar value.
void append_utf8(std::string& out, char32_t code);

/// The text on one line for a log or a terminal: control characters, line separators, marks that
/// reverse the direction of text and bytes that are not UTF-8 come out as \n, \x1b or \u{202e}.
std::string printable(std::string_view text);

}  // namespace vac
