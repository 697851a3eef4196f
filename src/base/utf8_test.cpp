// SPDX-License-Identifier: Apache-2.0
#include "base/utf8.hpp"

#include <gtest/gtest.h>

namespace vac {
namespace {

using namespace std::string_view_literals;

TEST(Utf8, AcceptsEveryScalarValueAndReadsItBack) {
  for (char32_t code = 0; code <= 0x10ffff; ++code) {
    if (code >= 0xd800 && code <= 0xdfff) continue;
    std::string text;
    append_utf8(text, code);
    const Utf8Char back = first_utf8(text);
    ASSERT_EQ(back.code, code);
    ASSERT_EQ(back.bytes, text.size());
    ASSERT_TRUE(valid_utf8(text));
  }
}

TEST(Utf8, RefusesWhatIsNotUtf8) {
  const std::string_view bad[] = {
      "\x80"sv,              // a continuation alone
      "\xc0\x80"sv,          // overlong NUL
      "\xc1\xbf"sv,          // overlong
      "\xe0\x9f\xbf"sv,      // overlong
      "\xf0\x8f\xbf\xbf"sv,  // overlong
      "\xed\xa0\x80"sv,      // a surrogate
      "\xf4\x90\x80\x80"sv,  // above U+10FFFF
      "\xf5\x80\x80\x80"sv,
      "\xff"sv,
      "\xc3"sv,
      "\xe2\x82"sv,
      "\xf0\x9f\x98"sv,
      "\xc3("sv,
  };
  for (const std::string_view text : bad) {
    EXPECT_EQ(first_utf8(text).bytes, 0u);
    EXPECT_FALSE(valid_utf8(text));
    // Behind ASCII of every length, for the steps of eight.
    for (std::size_t n = 1; n < 20; ++n) EXPECT_FALSE(valid_utf8(std::string(n, 'a').append(text)));
  }
}

TEST(Utf8, AcceptsMixedTextInBothForms) {
  const std::string_view text = "Grüße, 世界 — ok 😀, and a long plain tail"sv;
  EXPECT_TRUE(valid_utf8(text));
  EXPECT_TRUE(valid_utf8(std::as_bytes(std::span(text))));
  EXPECT_TRUE(valid_utf8(""sv));
  EXPECT_TRUE(valid_utf8("a\0b"sv));
  EXPECT_EQ(first_utf8(""sv).bytes, 0u);
}

TEST(Utf8, PrintableKeepsTextAndEscapesControls) {
  EXPECT_EQ(printable("Grüße 😀 a\\b"), "Grüße 😀 a\\b");
  EXPECT_EQ(printable("a\nb\rc\td"), "a\\nb\\rc\\td");
  EXPECT_EQ(printable("\x1b[31mred\x7f"sv), "\\x1b[31mred\\x7f");
  EXPECT_EQ(printable("\0"sv), "\\x00");
  EXPECT_EQ(printable("\xc2\x9b"sv), "\\u{9b}");        // a C1 control starts escape sequences too
  EXPECT_EQ(printable("\xe2\x80\xae"sv), "\\u{202e}");  // right-to-left override
  EXPECT_EQ(printable("\xe2\x80\xa8"sv), "\\u{2028}");  // line separator
  EXPECT_EQ(printable("ok\xff\xfeok"sv), "ok\\xff\\xfeok");
}

}  // namespace
}  // namespace vac
