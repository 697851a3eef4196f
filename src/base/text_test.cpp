// SPDX-License-Identifier: Apache-2.0
#include "base/text.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

namespace vac {
namespace {

TEST(Text, ConcatJoinsPartsOfAllKinds) {
  const std::string name = "x";
  EXPECT_EQ(concat("a ", name, std::string_view(" b"), ' ', 7, ' ', true, ' ', -3L),
            "a x b 7 true -3");
  EXPECT_EQ(concat(UINT64_MAX, ' ', INT64_MIN, ' ', std::uint8_t{65}),
            "18446744073709551615 -9223372036854775808 65");
  EXPECT_EQ(concat(0.1, ' ', 1.5f, ' ', -1.7976931348623157e308),
            "0.1 1.5 -1.7976931348623157e+308");
  EXPECT_EQ(concat(), "");
}

TEST(Text, HexIsLowerCaseTwoDigitsAByte) {
  const std::array<std::byte, 4> bytes{std::byte{0}, std::byte{0x0f}, std::byte{0xa5},
                                       std::byte{0xff}};
  EXPECT_EQ(to_hex(bytes), "000fa5ff");
}

TEST(Text, EditDistanceCountsTheFourMistakes) {
  EXPECT_EQ(edit_distance("torch", "torch", 3), 0u);
  EXPECT_EQ(edit_distance("torch", "tirch", 3), 1u);
  EXPECT_EQ(edit_distance("torch", "torchh", 3), 1u);
  EXPECT_EQ(edit_distance("torch", "orch", 3), 1u);
  EXPECT_EQ(edit_distance("torch", "tocrh", 3), 1u);
  EXPECT_EQ(edit_distance("kitten", "sitting", 9), 3u);
  EXPECT_EQ(edit_distance("", "abc", 9), 3u);
  EXPECT_EQ(edit_distance("abc", "", 9), 3u);
  EXPECT_EQ(edit_distance("abcdef", "ghijkl", 2), 3u);
  EXPECT_EQ(edit_distance("ab", "abcdefgh", 2), 3u);
}

TEST(Text, EditDistanceAgreesWithItselfUnderEveryLimit) {
  const std::vector<std::string> words{"",     "a",    "ab",   "ba",    "abcd",
                                       "bacd", "badc", "dcba", "xabcdx"};
  for (const std::string& a : words) {
    for (const std::string& b : words) {
      const std::size_t full = edit_distance(a, b, 100);
      EXPECT_EQ(full, edit_distance(b, a, 100));
      for (std::size_t limit = 0; limit < 8; ++limit) {
        EXPECT_EQ(edit_distance(a, b, limit), std::min(full, limit + 1)) << a << ' ' << b;
      }
    }
  }
}

TEST(Text, NearestSuggestsTheLikelyWord) {
  const std::vector<std::string> words{"list", "doctor", "bench", "run", "timeout_ms"};
  EXPECT_EQ(nearest("lits", words), "list");
  EXPECT_EQ(nearest("docter", words), "doctor");
  EXPECT_EQ(nearest("timeoutms", words), "timeout_ms");
  EXPECT_EQ(nearest("ru", words), "run");
  EXPECT_EQ(nearest("banana", words), "");
  EXPECT_EQ(nearest("x", std::array<std::string_view, 0>{}), "");
  EXPECT_EQ(nearest("warn", std::array<const char*, 2>{"wars", "warp"}), "wars");
}

TEST(Text, FormatBytesWritesDecimalUnits) {
  EXPECT_EQ(format_bytes(0), "0 bytes");
  EXPECT_EQ(format_bytes(1), "1 byte");
  EXPECT_EQ(format_bytes(512), "512 bytes");
  EXPECT_EQ(format_bytes(999), "999 bytes");
  EXPECT_EQ(format_bytes(1000), "1.0 kB");
  EXPECT_EQ(format_bytes(1049), "1.0 kB");
  EXPECT_EQ(format_bytes(1050), "1.1 kB");
  EXPECT_EQ(format_bytes(18'600'000), "18.6 MB");
  EXPECT_EQ(format_bytes(999'949), "999.9 kB");
  EXPECT_EQ(format_bytes(999'950), "1.0 MB");
  EXPECT_EQ(format_bytes(1'073'741'824), "1.1 GB");
  EXPECT_EQ(format_bytes(UINT64_MAX), "18.4 EB");
}

TEST(Text, ParseSizeReadsEveryUnit) {
  EXPECT_EQ(parse_size("0").value(), 0u);
  EXPECT_EQ(parse_size("4096").value(), 4096u);
  EXPECT_EQ(parse_size("12B").value(), 12u);
  EXPECT_EQ(parse_size("3kB").value(), 3000u);
  EXPECT_EQ(parse_size("3MB").value(), 3'000'000u);
  EXPECT_EQ(parse_size("3GB").value(), 3'000'000'000u);
  EXPECT_EQ(parse_size("3TB").value(), 3'000'000'000'000u);
  EXPECT_EQ(parse_size("3KiB").value(), 3072u);
  EXPECT_EQ(parse_size("256MiB").value(), 268'435'456u);
  EXPECT_EQ(parse_size("256 MiB").value(), 268'435'456u);
  EXPECT_EQ(parse_size("1GiB").value(), 1u << 30);
  EXPECT_EQ(parse_size("1TiB").value(), std::uint64_t{1} << 40);
  EXPECT_EQ(parse_size("18446744073709551615").value(), UINT64_MAX);
}

TEST(Text, ParseSizeRefusesTheRestAndNamesTheUnits) {
  for (const std::string_view bad : {"", " 1", "-1", "+1", "MiB", "1.5MB", "1mb", "1M", "1 ",
                                     "1  MB", "1MB ", "0x10", "1MiBs"}) {
    const auto size = parse_size(bad);
    ASSERT_FALSE(size) << bad;
    EXPECT_EQ(size.error().code(), Errc::invalid) << bad;
    EXPECT_NE(size.error().text().find("KiB, MiB, GiB or TiB"), std::string::npos);
  }
  for (const std::string_view bad :
       {"18446744073709551616", "16777216TiB", "18446744073709551616kB"}) {
    const auto size = parse_size(bad);
    ASSERT_FALSE(size) << bad;
    EXPECT_EQ(size.error().code(), Errc::out_of_range) << bad;
  }
  EXPECT_EQ(
      parse_size("1M").error().text(),
      "cannot read the size '1M', 'M' is not a unit: write a whole number and B, kB, MB, GB, TB, "
      "KiB, MiB, GiB or TiB, such as 256MiB");
}

}  // namespace
}  // namespace vac
