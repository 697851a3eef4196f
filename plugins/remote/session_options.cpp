// SPDX-License-Identifier: Apache-2.0
#include "session_options.hpp"

#include <array>
#include <cstdint>
#include <limits>

#include "base/json_text.hpp"
#include "base/text.hpp"

namespace vac::remote {
namespace {

constexpr std::array<std::string_view, 3> kKeys = {"timeout_ms", "name", "reconnect_ms"};

Error bad_option(std::string_view key, std::string_view must_be) {
  return Error{Errc::invalid, concat("session option '", key, "' must be ", must_be)};
}

Result<std::chrono::milliseconds> milliseconds(const JsonMember& member) {
  const auto value = member.value.as_i64();
  if (!value || *value < 0 || *value > std::numeric_limits<std::int32_t>::max()) {
    return bad_option(member.key, "a whole number of milliseconds, such as 5000");
  }
  return std::chrono::milliseconds(*value);
}

Status read(const JsonMember& member, SessionOptions& options) {
  if (member.key == "timeout_ms") {
    VAC_TRY(options.timeout, milliseconds(member));
  } else if (member.key == "reconnect_ms") {
    VAC_CHECK(milliseconds(member));
  } else if (member.key == "name") {
    const std::string* name = member.value.as_string();
    if (name == nullptr) return bad_option(member.key, "a text");
    options.name = *name;
  } else {
    const std::string guess = nearest(member.key, kKeys);
    return Error{Errc::invalid, concat("session option '", member.key, "' is unknown",
                                       guess.empty() ? "" : concat(", did you mean '", guess, "'?"),
                                       ": there are timeout_ms, name and reconnect_ms")};
  }
  return {};
}

}  // namespace

Result<SessionOptions> parse_session_options(std::string_view json) {
  SessionOptions options;
  if (json.empty()) return options;
  auto value = parse_json(json);
  if (!value) return std::move(value).error().with_context("session options");
  if (!value->is_object()) {
    return Error{Errc::invalid,
                 "session options must be a JSON object, such as {\"timeout_ms\": 5000}"};
  }
  for (const JsonMember& member : value->members()) VAC_CHECK(read(member, options));
  return options;
}

}  // namespace vac::remote
