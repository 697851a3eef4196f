// SPDX-License-Identifier: Apache-2.0
#include "allow_list.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace vac::exec {
namespace {

using nlohmann::json;

constexpr std::string_view kScheme = "sha256:";
constexpr std::size_t kDigits = 64;

Error wrong(const json& value, const char* what) {
  return Error{Errc::invalid,
               std::string("setting 'allow' ") + what + " " + value.dump() +
                   ", must be a list of texts \"sha256:\" and 64 hex digits, as sha256sum prints "
                   "them"};
}

/// The digits of "sha256:...", lower case; empty for anything else.
std::string read_digest(const json& value) {
  if (!value.is_string()) return {};
  const auto& text = value.get_ref<const std::string&>();
  if (!text.starts_with(kScheme) || text.size() != kScheme.size() + kDigits) return {};
  std::string digits = text.substr(kScheme.size());
  for (char& digit : digits) {
    if (digit >= 'A' && digit <= 'F') digit = static_cast<char>(digit - 'A' + 'a');
  }
  return digits.find_first_not_of("0123456789abcdef") == std::string::npos ? digits : "";
}

}  // namespace

Result<AllowList> AllowList::from_config(std::string_view config_json) {
  const json config = json::parse(config_json, nullptr, false);
  if (!config.is_object()) return Error{Errc::invalid, "the settings are not a JSON object"};
  AllowList list;
  for (const auto& [key, value] : config.items()) {
    if (key != "allow") {
      return Error{Errc::invalid, "setting '" + key + "' is not known to exec: there is allow"};
    }
    if (!value.is_array()) return wrong(value, "is");
    for (const json& item : value) {
      std::string digest = read_digest(item);
      if (digest.empty()) return wrong(item, "has");
      list.digests_.insert(std::move(digest));
    }
  }
  return list;
}

Status AllowList::check(const Library& library) const {
  if (digests_.contains(library.digest())) return {};
  return Error{Errc::not_permitted,
               library.title() +
                   " may not be run here: who runs the agent allows it with [plugin.exec] allow = "
                   "[\"sha256:" +
                   std::string(library.digest()) + "\"]"};
}

}  // namespace vac::exec
