// SPDX-License-Identifier: Apache-2.0
// Addresses, which come from command lines, environments and configuration.
#include "transport/address.hpp"

#include "fuzz.hpp"
#include "transport/scheme_table.hpp"

namespace vac::fuzz {

void fuzz_one(std::span<const std::byte> input) {
  const std::string_view text = Input::text_of(input);
  const auto address = transport::parse_address(text);
  if (!address) {
    require_text(address.error());
    require(address.error().text().starts_with("address '"), "the error does not name the address");
    return;
  }
  require(address->text() == text, "an address is not what was written");
  require(transport::find_scheme(address->scheme) != nullptr, "an address has no transport");
  // A C function would read it differently.
  require(address->target.find('\0') == std::string::npos, "an address has a zero byte");
  require(address->scheme != "unix" || address->target.starts_with('/'), "a path is relative");
  const auto again = transport::parse_address(address->text());
  require(again && again->scheme == address->scheme && again->target == address->target,
          "an address is not read as it is written");
}

}  // namespace vac::fuzz
