// SPDX-License-Identifier: Apache-2.0
#include "transport/scheme_table.hpp"

#include "base/text.hpp"
#include "transport/inproc.hpp"
#include "transport/unix.hpp"

namespace vac::transport {
namespace {

constexpr Scheme kSchemes[] = {
    {"unix", "unix:///run/vaccel.sock", "a socket file on this host", true, check_unix_target,
     connect_unix, listen_unix},
    {"inproc", "inproc://test", "both ends in one process", false, check_inproc_target,
     connect_inproc, listen_inproc},
};

Error unknown_scheme(std::string_view scheme) {
  return Error{Errc::invalid, concat("unknown scheme '", scheme, "'")};
}

}  // namespace

std::span<const Scheme> schemes() noexcept { return kSchemes; }

const Scheme* find_scheme(std::string_view name) noexcept {
  for (const Scheme& scheme : kSchemes) {
    if (scheme.name == name) return &scheme;
  }
  return nullptr;
}

Result<std::unique_ptr<Channel>> connect(const Address& address,
                                         std::chrono::milliseconds timeout) {
  const Scheme* scheme = find_scheme(address.scheme);
  if (scheme == nullptr) return unknown_scheme(address.scheme);
  return scheme->connect(address, timeout);
}

Result<std::unique_ptr<Listener>> listen(const Address& address, const ListenOptions& options) {
  const Scheme* scheme = find_scheme(address.scheme);
  if (scheme == nullptr) return unknown_scheme(address.scheme);
  return scheme->listen(address, options);
}

}  // namespace vac::transport
