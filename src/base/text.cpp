// SPDX-License-Identifier: Apache-2.0
#include "base/text.hpp"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

namespace vac {
namespace {

constexpr std::uint64_t kKilo = 1000;
constexpr std::uint64_t kKibi = 1024;

struct Unit {
  std::string_view name;
  std::uint64_t bytes;
};

constexpr std::array<Unit, 10> kUnits{{
    {"", 1},
    {"B", 1},
    {"kB", kKilo},
    {"MB", kKilo* kKilo},
    {"GB", kKilo* kKilo* kKilo},
    {"TB", kKilo* kKilo* kKilo* kKilo},
    {"KiB", kKibi},
    {"MiB", kKibi* kKibi},
    {"GiB", kKibi* kKibi* kKibi},
    {"TiB", kKibi* kKibi* kKibi* kKibi},
}};

Error bad_size(Errc code, std::string_view text, std::string_view why) {
  return Error{code, concat("cannot read the size '", printable(text), "', ", why,
                            ": write a whole number and B, kB, MB, GB, TB, KiB, MiB, GiB or TiB, "
                            "such as 256MiB")};
}

}  // namespace

std::string to_hex(std::span<const std::byte> bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const std::byte byte : bytes) {
    const auto value = std::to_integer<unsigned>(byte);
    out += kDigits[value >> 4];
    out += kDigits[value & 15];
  }
  return out;
}

std::size_t edit_distance(std::string_view a, std::string_view b, std::size_t limit) {
  const std::size_t difference = a.size() > b.size() ? a.size() - b.size() : b.size() - a.size();
  if (difference > limit) return limit + 1;
  // Three rows of the usual table: this one, the one before it, and the one a swap looks back to.
  std::vector<std::size_t> before(b.size() + 1), above(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) above[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    std::size_t least = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t changed = above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({changed, above[j] + 1, row[j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
      least = std::min(least, row[j]);
    }
    // A swap can come back to the row above, so both rows must be beyond the limit.
    if (least > limit && *std::min_element(above.begin(), above.end()) > limit) return limit + 1;
    std::swap(before, above);
    std::swap(above, row);
  }
  return std::min(above[b.size()], limit + 1);
}

std::string format_bytes(std::uint64_t bytes) {
  if (bytes == 1) return "1 byte";
  if (bytes < kKilo) return concat(bytes, " bytes");
  constexpr std::array<std::string_view, 6> kNames{"kB", "MB", "GB", "TB", "PB", "EB"};
  std::uint64_t unit = kKilo;
  std::size_t name = 0;
  while (name + 1 < kNames.size() && bytes / unit >= kKilo) {
    unit *= kKilo;
    ++name;
  }
  // Tenths, rounded; the remainder is scaled first so that nothing overflows.
  std::uint64_t whole = bytes / unit;
  std::uint64_t tenths = (bytes % unit / (unit / kKilo) * 10 + kKilo / 2) / kKilo;
  if (tenths == 10) {
    tenths = 0;
    ++whole;
  }
  if (whole == kKilo && name + 1 < kNames.size()) {
    whole = 1;
    ++name;
  }
  return concat(whole, ".", tenths, " ", kNames[name]);
}

Result<std::uint64_t> parse_size(std::string_view text) {
  std::uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, failure] = std::from_chars(text.data(), end, number);
  if (failure == std::errc::result_out_of_range) {
    return bad_size(Errc::out_of_range, text, "it does not fit 64 bits");
  }
  if (failure != std::errc{}) {
    return bad_size(Errc::invalid, text, "it does not start with a digit");
  }
  std::string_view name(rest, static_cast<std::size_t>(end - rest));
  if (name.size() > 1 && name.front() == ' ') name.remove_prefix(1);
  const auto unit = std::find_if(kUnits.begin(), kUnits.end(),
                                 [name](const Unit& known) { return known.name == name; });
  if (unit == kUnits.end()) {
    return bad_size(Errc::invalid, text, concat("'", printable(name), "' is not a unit"));
  }
  if (number > std::numeric_limits<std::uint64_t>::max() / unit->bytes) {
    return bad_size(Errc::out_of_range, text, "it does not fit 64 bits");
  }
  return number * unit->bytes;
}

}  // namespace vac
