// SPDX-License-Identifier: Apache-2.0
#include "handshake.hpp"

#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <span>
#include <vector>

#include "base/text.hpp"
#include "wire/codec.hpp"
#include "wire/frame.hpp"

namespace vac::remote {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using transport::Wait;

Error no_agent(std::string_view address, std::string_view what) {
  return Error{Errc::protocol,
               concat("open ", address, ": ", what, ": is it vaccel-agent that listens there?")};
}

/// Receives exactly `to`, however slowly it comes, until `end`.
Status receive_all(transport::Channel& channel, std::span<std::byte> to, std::string_view address,
                   steady_clock::time_point end) {
  while (!to.empty()) {
    const auto left = std::chrono::ceil<milliseconds>(end - steady_clock::now());
    if (left.count() <= 0) {
      return Error{Errc::timed_out, concat("open ", address,
                                           ": the agent accepts connections and does not answer: "
                                           "it is overloaded or stuck, look at its log")};
    }
    channel.set_receive_timeout(left);
    const std::ptrdiff_t received = channel.receive(to, Wait::block);
    if (received > 0) {
      to = to.subspan(static_cast<std::size_t>(received));
    } else if (received != -EAGAIN && received != -EINTR) {
      return Error{Errc::connection_reset,
                   concat("open ", address,
                          ": the agent closed the connection at once: look at its "
                          "log for the reason")};
    }
  }
  return {};
}

Status refused(std::span<const std::byte> frame, std::string_view address) {
  const wire::FrameHeader header = wire::read_header(frame.data());
  std::string text = wire::failure_text(frame);
  if (text.empty()) text = "it gave no reason";
  return Error{static_cast<Errc>(wire::failure_code(header, VAC_ECONNREFUSED)),
               concat("open ", address, ": the agent refuses: ", text)};
}

}  // namespace

Result<wire::Hello> shake_hands(transport::Channel& channel, const wire::Hello& ours,
                                std::string_view address, milliseconds timeout) {
  const auto end = steady_clock::now() + timeout;
  std::vector<std::byte> hello = wire::encode_hello(ours);
  const iovec piece{hello.data(), hello.size()};
  // A fresh pipe has room for it, so that this does not block. A peer that is gone already is found
  // by the receive below, after what it may have said first.
  (void)channel.send({&piece, 1}, Wait::all);

  std::vector<std::byte> frame(sizeof(wire::FrameHeader));
  VAC_CHECK(receive_all(channel, frame, address, end));
  const wire::FrameHeader header = wire::read_header(frame.data());
  if (Status checked = wire::check_header(header, wire::kMaxHelloBytes); !checked) {
    return no_agent(address, checked.error().text());
  }
  frame.resize(static_cast<std::size_t>(wire::frame_bytes(header)));
  VAC_CHECK(receive_all(channel, std::span(frame).subspan(sizeof header), address, end));
  channel.set_receive_timeout(milliseconds(0));
  if (header.kind == wire::Kind::goodbye) return refused(frame, address).error();
  if (header.kind != wire::Kind::hello) {
    return no_agent(address, "the peer answers with something else than hello");
  }
  auto theirs = wire::decode_hello(frame);
  if (!theirs) return no_agent(address, theirs.error().text());
  auto agreed = wire::negotiate(ours, *theirs);
  if (!agreed) return std::move(agreed).error().with_context(concat("open ", address));
  return agreed;
}

}  // namespace vac::remote
