// SPDX-License-Identifier: Apache-2.0
#include "support/scripted_agent.hpp"

#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <vac/ops.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <new>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <utility>

#include "base/fd.hpp"
#include "call/check.hpp"
#include "transport/socket_channel.hpp"

namespace vac::test {
namespace {

constexpr std::chrono::seconds kPatience{10};

[[noreturn]] void fail_test(const std::string& what) {
  throw std::runtime_error("scripted agent: " + what);
}

void require(bool holds, const char* what) {
  if (!holds) fail_test(what);
}

template <class T>
T value_of(Result<T> result) {
  if (!result) fail_test(result.error().message());
  return *std::move(result);
}

std::byte* aligned(std::size_t bytes) {
  return static_cast<std::byte*>(
      ::operator new[](std::max<std::size_t>(bytes, 1), std::align_val_t{wire::kAlignment}));
}

std::vector<std::byte> flat(std::span<const iovec> pieces) {
  std::vector<std::byte> bytes;
  for (const iovec& piece : pieces) {
    const auto* from = static_cast<const std::byte*>(piece.iov_base);
    bytes.insert(bytes.end(), from, from + piece.iov_len);
  }
  return bytes;
}

}  // namespace

void ReceivedFrame::Free::operator()(std::byte* memory) const noexcept {
  ::operator delete[](memory, std::align_val_t{wire::kAlignment});
}

const vac_arg& ReceivedFrame::argument(std::size_t index) const {
  return call.args[record_position(*op, {call.args, call.arg_count}, index)];
}

std::span<const std::byte> ReceivedFrame::data(std::size_t index) const {
  const vac_arg& record = argument(index);
  return {reinterpret_cast<const std::byte*>(static_cast<std::uintptr_t>(record.value)),
          static_cast<std::size_t>(record.bytes)};
}

std::string ReceivedFrame::text(std::size_t index) const {
  const auto bytes = data(index);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string ReceivedFrame::reason() const { return wire::failure_text({bytes_.get(), size_}); }

ScriptedPeer::ScriptedPeer(std::unique_ptr<transport::Channel> channel)
    : channel_(std::move(channel)) {
  channel_->set_receive_timeout(kPatience);
}

void ScriptedPeer::receive_bytes(std::span<std::byte> to) {
  while (!to.empty()) {
    const std::ptrdiff_t received = channel_->receive(to, transport::Wait::block);
    if (received == -EINTR) continue;
    if (received <= 0) fail_test("the client sent less than a frame");
    to = to.subspan(static_cast<std::size_t>(received));
  }
}

wire::Hello ScriptedPeer::greet(const wire::Hello& ours) {
  const ReceivedFrame frame = receive_one();
  require(frame.header.kind == wire::Kind::hello, "the client's first frame is no hello");
  const wire::Hello theirs = value_of(wire::decode_hello({frame.bytes_.get(), frame.size_}));
  send(wire::encode_hello(ours));
  return theirs;
}

ReceivedFrame ScriptedPeer::receive_one() {
  wire::FrameHeader header;
  receive_bytes(std::as_writable_bytes(std::span(&header, 1)));
  return receive_rest(header);
}

ReceivedFrame ScriptedPeer::receive_rest(const wire::FrameHeader& header) {
  ReceivedFrame frame;
  frame.header = header;
  if (Status checked = wire::check_header(frame.header, UINT64_MAX); !checked) {
    fail_test(checked.error().message());
  }
  frame.size_ = static_cast<std::size_t>(wire::frame_bytes(frame.header));
  const auto whole =
      static_cast<std::size_t>(wire::head_bytes(frame.header) + frame.header.payload_bytes);
  frame.bytes_.reset(aligned(std::max(whole, frame.size_)));
  std::memcpy(frame.bytes_.get(), &frame.header, sizeof frame.header);
  receive_bytes({frame.bytes_.get() + sizeof frame.header, frame.size_ - sizeof frame.header});
  if (frame.size_ == whole) decode(frame);
  return frame;
}

std::optional<ReceivedFrame> ScriptedPeer::receive_or_end() {
  for (;;) {
    wire::FrameHeader header;
    const auto to = std::as_writable_bytes(std::span(&header, 1));
    const std::ptrdiff_t received = channel_->receive(to, transport::Wait::all);
    if (received == 0 || received == -ECONNRESET) return std::nullopt;
    require(received == static_cast<std::ptrdiff_t>(to.size()), "the client sent half a frame");
    if (header.kind == wire::Kind::goodbye) return std::nullopt;
    ReceivedFrame frame = receive_payload(receive_rest(header));
    if (!took_advice(frame)) return frame;
  }
}

bool ScriptedPeer::readable() const {
  pollfd waiting{channel_->descriptor(), POLLIN, 0};
  return ::poll(&waiting, 1, 0) == 1;
}

void ScriptedPeer::wait_until_read() {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  int unread = 0;
  do {
    if (std::chrono::steady_clock::now() > end) fail_test("the client reads nothing");
    std::this_thread::yield();
    if (::ioctl(channel_->descriptor(), SIOCOUTQ, &unread) != 0) fail_test("SIOCOUTQ");
  } while (unread != 0);
}

ReceivedFrame ScriptedPeer::receive() {
  for (;;) {
    ReceivedFrame frame = receive_payload(receive_one());
    if (!took_advice(frame)) return frame;
  }
}

/// When a client tells where it calls is no test's business but one.
bool ScriptedPeer::took_advice(ReceivedFrame& frame) {
  if (shows_advice_ || frame.header.kind != wire::Kind::call ||
      frame.header.code != VAC_OP_CALLER_PROCESSOR) {
    return false;
  }
  reply(frame);
  return true;
}

ReceivedFrame ScriptedPeer::receive_payload(ReceivedFrame frame) {
  if ((frame.header.flags & wire::kFlagPayloadFollows) == 0) return frame;
  const auto whole =
      static_cast<std::size_t>(wire::head_bytes(frame.header) + frame.header.payload_bytes);
  while (frame.size_ < whole) {
    wire::FrameHeader data;
    receive_bytes(std::as_writable_bytes(std::span(&data, 1)));
    require(data.kind == wire::Kind::data && data.request == frame.header.request &&
                data.code == VAC_OK && data.payload_bytes <= whole - frame.size_,
            "the client sent something else than the payload it had announced");
    receive_bytes({frame.bytes_.get() + frame.size_, static_cast<std::size_t>(data.payload_bytes)});
    frame.size_ += static_cast<std::size_t>(data.payload_bytes);
  }
  decode(frame);
  return frame;
}

namespace {

/// Takes every region for open: a script knows what it has granted, and does not look into it.
class EveryRegion final : public wire::RegionReader {
 public:
  std::uint64_t size(std::uint32_t /*region*/) override { return UINT64_MAX; }
  std::byte* input(const wire::RegionPart& /*part*/, std::uint64_t /*bytes*/,
                   bool /*checked*/) override {
    return &nothing_;
  }
  void result(const wire::RegionResult& /*place*/) override {}

 private:
  std::byte nothing_{};
};

}  // namespace

void ScriptedPeer::decode(ReceivedFrame& frame) {
  if (frame.header.kind != wire::Kind::call) return;
  frame.op = find_op(frame.header.code);
  require(frame.op != nullptr, "the client called an unknown operation");
  EveryRegion regions;
  Status decoded =
      wire::decode_call(*frame.op, {frame.bytes_.get(), frame.size_}, frame.call, &regions);
  if (!decoded) fail_test(decoded.error().message());
}

bool ScriptedPeer::at_end() {
  std::array<std::byte, sizeof(wire::FrameHeader)> frame{};
  std::ptrdiff_t received = channel_->receive(frame, transport::Wait::all);
  if (received == static_cast<std::ptrdiff_t>(frame.size()) &&
      wire::read_header(frame.data()).kind == wire::Kind::goodbye) {
    received = channel_->receive(frame, transport::Wait::all);
  }
  return received == 0 || received == -ECONNRESET;
}

std::vector<std::vector<std::byte>> ScriptedPeer::reply_frames(ReceivedFrame& frame,
                                                               const ScriptedAnswer& answer) {
  vac_call done = frame.call;
  done.queue_us = answer.queue_us;
  done.plugin_us = answer.plugin_us;
  const std::span<vac_arg> records(done.args, done.arg_count);
  for (const auto& [index, value] : answer.scalars) {
    records[record_position(*frame.op, records, index)].value = value;
  }
  std::vector<wire::FrameEncoder::Output> outputs;
  for (const ScriptedOutput& output : answer.outputs) {
    wire::FrameEncoder::Output made{};
    made.arg = output.arg;
    made.child = output.child;
    made.data = const_cast<std::byte*>(output.data.data());
    made.bytes = output.data.size();
    made.type = output.type;
    made.rank = static_cast<std::uint8_t>(output.dims.size());
    std::copy(output.dims.begin(), output.dims.end(), made.dims);
    outputs.push_back(made);
  }
  Status encoded = encoder_.encode_reply(*frame.op, done, outputs, frame.header.request,
                                         answer.agent_us, UINT64_MAX);
  if (!encoded) fail_test(encoded.error().message());
  std::vector<std::vector<std::byte>> frames;
  frames.push_back(flat(encoder_.frame()));
  while (encoder_.payload_follows()) {
    const auto data = encoder_.next_data_frame();
    if (data.empty()) break;
    frames.push_back(flat(data));
  }
  return frames;
}

void ScriptedPeer::reply(ReceivedFrame& frame, const ScriptedAnswer& answer) {
  for (const auto& bytes : reply_frames(frame, answer)) send(bytes);
}

void ScriptedPeer::fail(std::uint64_t request, int code, std::uint32_t detail,
                        std::string_view text) {
  encoder_.encode_failure(request, code, detail, text);
  send(flat(encoder_.frame()));
}

void ScriptedPeer::goodbye(int code, std::string_view text) {
  encoder_.encode_goodbye(code, text);
  send(flat(encoder_.frame()));
}

void ScriptedPeer::send(const wire::FrameHeader& header) {
  send(std::as_bytes(std::span(&header, 1)));
}

void ScriptedPeer::send(std::span<const std::byte> bytes) {
  if (bytes.empty()) return;
  const iovec piece{const_cast<std::byte*>(bytes.data()), bytes.size()};
  const std::ptrdiff_t sent = channel_->send({&piece, 1}, transport::Wait::all);
  // A client that goes meanwhile is not this end's business.
  require(sent > 0 || sent == -EPIPE || sent == -ECONNRESET, "cannot send");
}

std::size_t ScriptedPeer::try_send(std::span<const std::byte> bytes) {
  const iovec piece{const_cast<std::byte*>(bytes.data()), bytes.size()};
  const std::ptrdiff_t sent = channel_->send({&piece, 1}, transport::Wait::now);
  return sent > 0 ? static_cast<std::size_t>(sent) : 0;
}

ScriptedAgent::ScriptedAgent()
    : address_("unix://" + (folder_ / "agent.sock").string()),
      listener_(value_of(transport::listen(value_of(transport::parse_address(address_)), {}))) {}

ScriptedPeer ScriptedAgent::accept() {
  pollfd waiting{listener_->descriptor(), POLLIN, 0};
  require(::poll(&waiting, 1, static_cast<int>(kPatience.count() * 1000)) == 1, "nobody connects");
  return ScriptedPeer(value_of(listener_->accept()));
}

ChannelPair make_channel_pair(std::optional<int> buffer_bytes) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    throw std::system_error(errno, std::generic_category(), "socketpair");
  }
  for (const int end : ends) {
    if (buffer_bytes) {
      const int bytes = *buffer_bytes;
      ::setsockopt(end, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    }
  }
  return {std::make_unique<transport::SocketChannel>(Fd(ends[0])),
          std::make_unique<transport::SocketChannel>(Fd(ends[1]))};
}

}  // namespace vac::test
