// SPDX-License-Identifier: Apache-2.0
#include "fuzz.hpp"

#include <cstdio>
#include <cstdlib>

#include "base/utf8.hpp"

namespace vac::fuzz {
namespace {

// Far above any sentence; what is longer has swallowed its input.
constexpr std::size_t kMostTextBytes = 64 * 1024;

}  // namespace

void finding(std::string_view what) {
  std::fprintf(stderr, "finding: %.*s\n", static_cast<int>(what.size()), what.data());
  std::abort();
}

void require_text(std::string_view text) {
  require(!text.empty(), "an error has no text");
  require(text.size() <= kMostTextBytes, "an error's text has no end");
  require(printable(text) == text, "an error's text is not one printable line");
}

void require_text(const Error& error) {
  require(error.value() > 0, "an error has no code");
  require_text(error.text());
}

}  // namespace vac::fuzz
