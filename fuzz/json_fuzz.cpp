// SPDX-License-Identifier: Apache-2.0
// JSON text, against another reader: what ours takes the other takes too, and what ours refuses
// beyond the grammar is what its contract says.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "base/json_text.hpp"
#include "base/utf8.hpp"
#include "fuzz.hpp"

namespace vac::fuzz {
namespace {

/// The other reader refuses numbers that no double can hold.
bool has_vast_number(const JsonValue& value) {
  if (value.kind() == JsonValue::Kind::number) return !value.as_f64();
  return std::ranges::any_of(value.items(), has_vast_number) ||
         std::ranges::any_of(value.members(), [](const JsonMember& member) {
           return has_vast_number(member.value);
         });
}

std::size_t depth_of(const JsonValue& value) {
  std::size_t below = 0;
  for (const JsonValue& item : value.items()) below = std::max(below, depth_of(item));
  for (const JsonMember& member : value.members()) below = std::max(below, depth_of(member.value));
  return below + (value.is_array() || value.is_object() ? 1 : 0);
}

void require_stricter(std::string_view text, const Error& error) {
  require_text(error);
  // To the other reader a zero byte is the end of the text.
  if (text.find('\0') != std::string_view::npos || !nlohmann::json::accept(text)) return;
  const std::string& why = error.text();
  const auto says = [&](std::string_view word) { return why.find(word) != std::string::npos; };
  require(says("is here twice") || says("inside each other") || says("is too long") ||
              says("byte order mark"),
          "a text is refused that is JSON");
}

void require_same_meaning(std::string_view text, const JsonValue& value) {
  if (has_vast_number(value)) return;
  const nlohmann::json theirs = nlohmann::json::parse(text, nullptr, false);
  require(!theirs.is_discarded(), "a text is taken that is no JSON");
  const nlohmann::json ours = nlohmann::json::parse(to_json(value), nullptr, false);
  require(ours == theirs, "a text is taken for something else");
}

}  // namespace

void fuzz_one(std::span<const std::byte> input) {
  const std::string_view text = Input::text_of(input);
  constexpr JsonLimits kLimits{.most_bytes = 4096, .most_depth = 16};
  const auto value = parse_json(text, kLimits);
  const auto canonical = canonical_json_object(text, kLimits);
  if (!value) {
    require_stricter(text, value.error());
    require(!canonical || text.empty(), "options are taken that are no JSON");
    return;
  }
  require(text.size() <= kLimits.most_bytes, "a text above the limit is taken");
  require(depth_of(*value) <= kLimits.most_depth, "a text deeper than the limit is taken");
  require(valid_utf8(text), "a text is taken that is not UTF-8");
  require_same_meaning(text, *value);

  const std::string once = to_json(*value);
  const auto again = parse_json(once, {.most_bytes = SIZE_MAX, .most_depth = kLimits.most_depth});
  require(again && to_json(*again) == once, "a value is not read as it is written");
  require(canonical.has_value() == value->is_object(), "options are an object and nothing else");
  if (canonical) {
    require(*canonical == once, "options are not written as values are");
  } else {
    require_text(canonical.error());
  }
}

}  // namespace vac::fuzz
