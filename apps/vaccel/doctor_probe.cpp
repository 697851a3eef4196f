// SPDX-License-Identifier: Apache-2.0
#include "doctor_probe.hpp"

#include <sys/socket.h>

#include <chrono>
#include <cstring>
#include <string>

#include "base/errno_error.hpp"
#include "base/text.hpp"
#include "bench_statistics.hpp"
#include "wire/codec.hpp"

namespace vac::cli {
namespace {

constexpr std::chrono::seconds kPatience{2};
constexpr std::uint32_t kPing = 1;  // the control operation of that name
constexpr std::uint64_t kLargestAnswer = 128ULL << 10;

}  // namespace

Result<AgentProbe> AgentProbe::connect(const transport::Address& address) {
  VAC_TRY(auto channel, transport::connect(address, kPatience));
  channel->set_receive_timeout(kPatience);
  return AgentProbe(std::move(channel));
}

Status AgentProbe::send(std::span<const iovec> frame) {
  const std::ptrdiff_t sent = channel_->send(frame, transport::Wait::all);
  std::size_t bytes = 0;
  for (const iovec& part : frame) bytes += part.iov_len;
  if (sent == static_cast<std::ptrdiff_t>(bytes)) return {};
  return errno_error(sent < 0 ? static_cast<int>(-sent) : EPIPE, "cannot send to the agent");
}

Result<wire::FrameHeader> AgentProbe::receive() {
  const auto fill = [this](std::size_t from, std::size_t to) -> Status {
    const std::span<std::byte> part(frame_.data() + from, to - from);
    if (part.empty()) return {};
    const std::ptrdiff_t got = channel_->receive(part, transport::Wait::all);
    if (got == static_cast<std::ptrdiff_t>(part.size())) return {};
    if (got == -EAGAIN) {
      return Error{Errc::timed_out, "the agent does not answer within 2 s: look at its log"};
    }
    return Error{Errc::connection_reset, "the agent closed the connection: look at its log"};
  };
  wire::FrameHeader header;
  frame_.resize(sizeof header);
  VAC_CHECK(fill(0, sizeof header));
  std::memcpy(&header, frame_.data(), sizeof header);
  VAC_CHECK(wire::check_header(header, kLargestAnswer));
  frame_.resize(static_cast<std::size_t>(wire::frame_bytes(header)));
  VAC_CHECK(fill(sizeof header, frame_.size()));
  if (header.kind == wire::Kind::goodbye) {
    return Error{static_cast<Errc>(header.code), std::string(wire::failure_text(frame_))};
  }
  return header;
}

Result<wire::Hello> AgentProbe::hello() {
  wire::Hello ours;
  ours.client_name = "vaccel doctor";
  std::vector<std::byte> bytes = wire::encode_hello(ours);
  const iovec part{bytes.data(), bytes.size()};
  VAC_CHECK(send({&part, 1}));
  VAC_TRY(const wire::FrameHeader header, receive());
  if (header.kind != wire::Kind::hello) {
    return Error{Errc::protocol, "what listens there does not answer as a vaccel-agent"};
  }
  VAC_TRY(const wire::Hello theirs, wire::decode_hello(frame_));
  return wire::negotiate(ours, theirs);
}

Result<double> AgentProbe::ping_us(int count) {
  wire::FrameEncoder encoder;
  std::vector<double> samples;
  vac_call call{};
  call.struct_size = sizeof call;
  call.op = kPing;
  for (int i = 1; i <= count; ++i) {
    VAC_CHECK(encoder.encode_call(call, static_cast<std::uint64_t>(i), 0, kLargestAnswer));
    const auto start = std::chrono::steady_clock::now();
    VAC_CHECK(send(encoder.frame()));
    VAC_TRY(const wire::FrameHeader header, receive());
    const auto end = std::chrono::steady_clock::now();
    if (header.kind != wire::Kind::reply || header.code != VAC_OK) {
      return Error{Errc::protocol, "the agent does not answer a ping"};
    }
    samples.push_back(std::chrono::duration<double, std::micro>(end - start).count());
  }
  return median(samples);
}

std::optional<pid_t> AgentProbe::process() const {
  ucred peer{};
  socklen_t size = sizeof peer;
  const int socket = channel_->descriptor();
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return std::nullopt;
  // 0: a process outside of this one's PID namespace.
  return peer.pid > 0 ? std::optional(peer.pid) : std::nullopt;
}

}  // namespace vac::cli
