// SPDX-License-Identifier: Apache-2.0
#include "transport/address.hpp"

#include <vector>

#include "base/text.hpp"
#include "transport/scheme_table.hpp"

namespace vac::transport {
namespace {

std::string examples() {
  std::string text;
  for (const Scheme& scheme : schemes()) {
    if (scheme.suggested) text += concat(text.empty() ? "" : ", ", scheme.example);
  }
  return text;
}

std::vector<std::string_view> scheme_names() {
  std::vector<std::string_view> names;
  for (const Scheme& scheme : schemes()) {
    if (scheme.suggested) names.push_back(scheme.name);
  }
  return names;
}

Error bad_address(std::string_view text, std::string_view why) {
  return Error{Errc::invalid, concat("address '", printable(text), "': ", why)};
}

}  // namespace

Result<Address> parse_address(std::string_view text) {
  constexpr std::string_view kSeparator = "://";
  const std::size_t end = text.find(kSeparator);
  if (end == std::string_view::npos) {
    return bad_address(text, concat("must be a scheme, :// and a place, such as ", examples()));
  }
  const std::string_view name = text.substr(0, end);
  const std::string_view target = text.substr(end + kSeparator.size());
  const Scheme* scheme = find_scheme(name);
  if (scheme == nullptr) {
    const std::string near = nearest(name, scheme_names());
    return bad_address(text, concat("unknown scheme '", printable(name), "'",
                                    near.empty() ? "" : concat(", did you mean '", near, "'?"),
                                    " (known: ", examples(), ")"));
  }
  if (Status status = scheme->check_target(target); !status) {
    return bad_address(text, status.error().text());
  }
  return Address{std::string(name), std::string(target)};
}

}  // namespace vac::transport
