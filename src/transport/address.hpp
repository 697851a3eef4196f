// SPDX-License-Identifier: Apache-2.0
// Addresses: "unix:///run/vaccel.sock".
#pragma once

#include <vac/result.hpp>

#include <string>
#include <string_view>

namespace vac::transport {

/// An address of a scheme in the scheme table. A value.
struct Address {
  std::string scheme;  ///< "unix"
  std::string target;  ///< what follows "scheme://": a path, or host:port
  std::string text() const { return scheme + "://" + target; }
};

/// Errors say what is wrong and name the known schemes: "address 'unixx:///x': unknown scheme
/// 'unixx', did you mean 'unix'? ..."
Result<Address> parse_address(std::string_view text);

}  // namespace vac::transport
