// SPDX-License-Identifier: Apache-2.0
#include "agent/foreign_peer.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/text.hpp"

namespace vac::agent {
namespace {

constexpr std::array<std::string_view, 8> kHttpMethods{"GET ",    "HEAD ",    "POST ",  "PUT ",
                                                       "DELETE ", "OPTIONS ", "PATCH ", "CONNECT "};

bool is_http(std::string_view text) {
  return std::ranges::any_of(kHttpMethods, [&](std::string_view method) {
    return text.starts_with(method.substr(0, std::min(method.size(), text.size())));
  });
}

}  // namespace

std::string answer_to_foreign_peer(std::span<const std::byte> first_bytes) {
  const std::string_view text(reinterpret_cast<const char*>(first_bytes.data()),
                              first_bytes.size());
  if (!is_http(text)) {
    return "vaccel-agent: this is not a server of your protocol: connect with a vAccel client\n";
  }
  constexpr std::string_view kBody =
      "vaccel-agent: this is not an HTTP server: connect with a vAccel client\n";
  return concat("HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: ",
                kBody.size(), "\r\nConnection: close\r\n\r\n", kBody);
}

}  // namespace vac::agent
