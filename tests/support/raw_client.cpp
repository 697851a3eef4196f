// SPDX-License-Identifier: Apache-2.0
#include "support/raw_client.hpp"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "transport/address.hpp"

namespace vac::test {
namespace {

constexpr std::chrono::seconds kPatience{30};

std::runtime_error broken(const std::string& why) {
  return std::runtime_error("raw client: " + why);
}

}  // namespace

std::string RawFrame::text() const {
  return std::string(wire::failure_text(std::span<const std::byte>(bytes_)));
}

RawReply::RawReply(RawFrame frame, BuiltCall& call, std::span<const wire::RegionResult> placed)
    : frame_(std::move(frame)) {
  if (frame_.header.kind != wire::Kind::reply) throw broken("the frame is no reply");
  records_ = call.records();
  if (code() != VAC_OK) return;
  vac_call answered = call.call();
  answered.args = records_.data();
  std::vector<wire::ListCount> counts;
  const std::size_t head = static_cast<std::size_t>(wire::head_bytes(frame_.header));
  const Status read = wire::decode_reply(*find_op(answered.op), frame_.bytes().first(head),
                                         answered, parts_, counts, placed);
  if (!read) throw broken(read.error().message());
}

std::uint64_t RawReply::scalar(std::size_t arg) const { return records_.at(arg).value; }

std::span<const std::byte> RawReply::data(std::uint32_t arg, std::uint32_t child) const {
  for (const wire::ReplyPart& part : parts_) {
    if (part.arg != arg || part.child != child) continue;
    if (part.in_region) {
      const auto* const in_place =
          reinterpret_cast<const std::byte*>(records_.at(part.record).value);
      return {in_place, static_cast<std::size_t>(part.bytes)};
    }
    const std::byte* const from =
        part.in_head != nullptr
            ? part.in_head
            : frame_.bytes().data() + wire::head_bytes(frame_.header) + part.offset;
    return {from, static_cast<std::size_t>(part.bytes)};
  }
  throw broken("the reply has no such output");
}

RawClient::RawClient(const std::string& address) {
  auto parsed = transport::parse_address(address);
  channel_ = transport::connect(parsed.value(), kPatience).value();
  channel_->set_receive_timeout(kPatience);
}

RawClient RawClient::greeted(const std::string& address) {
  RawClient client(address);
  (void)client.greet();
  return client;
}

wire::Hello RawClient::greet(const wire::Hello& ours) {
  send(wire::encode_hello(ours));
  const RawFrame answer = receive();
  if (answer.header.kind != wire::Kind::hello) throw broken("no hello: " + answer.text());
  return wire::decode_hello(answer.bytes()).value();
}

std::vector<std::byte> RawClient::call_bytes(BuiltCall& call, std::uint64_t request,
                                             std::uint32_t deadline_us, wire::RegionMap* regions,
                                             std::vector<wire::RegionResult>* placed) {
  wire::FrameEncoder encoder;
  const Status encoded =
      encoder.encode_call(call.call(), request, deadline_us, UINT64_MAX / 2, regions);
  if (!encoded) throw broken(encoded.error().message());
  if (placed != nullptr) placed->assign(encoder.placed().begin(), encoder.placed().end());
  std::vector<std::byte> bytes;
  append(bytes, encoder.frame());
  if (encoder.payload_follows()) {
    for (auto data = encoder.next_data_frame(); !data.empty(); data = encoder.next_data_frame()) {
      append(bytes, data);
    }
  }
  return bytes;
}

std::uint64_t RawClient::call(BuiltCall& call, std::uint32_t deadline_us) {
  send(call_bytes(call, next_request_, deadline_us, regions_, &placed_));
  return next_request_++;
}

void RawClient::cancel(std::uint64_t request) {
  wire::FrameHeader header;
  header.kind = wire::Kind::cancel;
  header.request = request;
  send(header);
}

RawReply RawClient::run(BuiltCall& call) {
  const std::uint64_t request = this->call(call);
  RawReply reply(receive(), call, placed_);
  if (reply.header().request != request) throw broken("the reply is another call's");
  return reply;
}

bool RawClient::receive_bytes(std::span<std::byte> to) {
  const std::ptrdiff_t count = channel_->receive(to, transport::Wait::all);
  if (count == 0 || count == -ECONNRESET) return false;
  if (count != static_cast<std::ptrdiff_t>(to.size())) throw broken("the agent says nothing");
  return true;
}

std::optional<RawFrame> RawClient::receive_or_end() {
  std::vector<std::byte> bytes(sizeof(wire::FrameHeader));
  if (!receive_bytes(bytes)) return std::nullopt;
  const wire::FrameHeader header = wire::read_header(bytes.data());
  if (Status checked = wire::check_header(header, UINT64_MAX / 2); !checked) {
    throw broken(checked.error().message());
  }
  bytes.resize(static_cast<std::size_t>(wire::frame_bytes(header)));
  const auto rest = std::span<std::byte>(bytes).subspan(sizeof header);
  if (!rest.empty() && !receive_bytes(rest)) throw broken("the stream ended inside a frame");
  return RawFrame(header, std::move(bytes));
}

RawFrame RawClient::receive() {
  std::optional<RawFrame> frame = receive_or_end();
  if (!frame) throw broken("the agent ended the stream");
  if ((frame->header.flags & wire::kFlagPayloadFollows) == 0) return *std::move(frame);
  std::vector<std::byte> whole(frame->bytes().begin(), frame->bytes().end());
  const std::uint64_t size = whole.size() + frame->header.payload_bytes;
  while (whole.size() < size) {
    const RawFrame data = receive();
    if (data.header.kind != wire::Kind::data || data.header.request != frame->header.request) {
      throw broken("something came between the data frames");
    }
    const auto payload = data.bytes().subspan(sizeof(wire::FrameHeader));
    whole.insert(whole.end(), payload.begin(), payload.end());
  }
  return RawFrame(frame->header, std::move(whole));
}

std::string RawClient::receive_all() {
  std::string text;
  char buffer[4096];
  for (;;) {
    const std::ptrdiff_t count =
        channel_->receive(std::as_writable_bytes(std::span(buffer)), transport::Wait::block);
    if (count == 0 || count == -ECONNRESET) return text;
    if (count < 0) throw broken("the agent keeps the stream open");
    text.append(buffer, static_cast<std::size_t>(count));
  }
}

void RawClient::send(std::span<const std::byte> bytes) {
  const iovec all{const_cast<std::byte*>(bytes.data()), bytes.size()};
  const std::ptrdiff_t count = channel_->send({&all, 1}, transport::Wait::all);
  if (count != static_cast<std::ptrdiff_t>(bytes.size())) throw broken("the agent takes nothing");
}

void RawClient::send(const wire::FrameHeader& header) {
  send(std::as_bytes(std::span(&header, 1)));
}

std::size_t RawClient::try_send(std::span<const std::byte> bytes) {
  const iovec all{const_cast<std::byte*>(bytes.data()), bytes.size()};
  const std::ptrdiff_t count = channel_->send({&all, 1}, transport::Wait::now);
  return count < 0 ? 0 : static_cast<std::size_t>(count);
}

}  // namespace vac::test
