// SPDX-License-Identifier: Apache-2.0
// An agent that answers what it likes: good replies, replies with some bytes changed, frames with
// any header, any bytes, cut anywhere, taking what the client sends in pieces or not at all.
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/utf8.hpp"
#include "byte_queue.hpp"
#include "call/op_table.hpp"
#include "conformance/codec_suite.hpp"
#include "connection.hpp"
#include "fuzz.hpp"
#include "handshake.hpp"
#include "support/fake_host.hpp"
#include "support/random_call.hpp"
#include "transport/channel.hpp"
#include "wire/codec.hpp"

namespace vac::fuzz {
namespace {

using test::AlignedBytes;
using transport::Wait;
using wire::FrameHeader;

constexpr std::uint64_t kLargestFrame = 6 << 20;
constexpr std::size_t kMostSteps = 64;
constexpr std::size_t kMostCalls = 6;

/// What the client has sent: every frame well formed, in an order that the protocol allows.
class SentFrames {
 public:
  void add(std::span<const std::byte> bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    while (bytes_.size() >= sizeof(FrameHeader)) {
      const FrameHeader header = wire::read_header(bytes_.data());
      require(wire::check_header(header, kLargestFrame).has_value(),
              "the client sends a frame that is not well formed");
      const auto size = static_cast<std::size_t>(wire::frame_bytes(header));
      if (bytes_.size() < size) return;
      take(header, std::span(bytes_).first(size));
      bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(size));
    }
  }
  /// Frames of calls whose payload was inline.
  std::vector<AlignedBytes>& calls() { return calls_; }
  std::uint64_t last_request() const { return last_request_; }

 private:
  void take(const FrameHeader& header, std::span<const std::byte> frame) {
    switch (header.kind) {
      case wire::Kind::call:
        require(header.request > last_request_, "the client's numbers of calls do not grow");
        last_request_ = header.request;
        if ((header.flags & wire::kFlagPayloadFollows) == 0) calls_.emplace_back(frame);
        return;
      case wire::Kind::cancel:
      case wire::Kind::data:
        return require(header.request <= last_request_, "the client means a call it has not made");
      case wire::Kind::hello:
        return require(last_request_ == 0, "the client says hello late");
      case wire::Kind::goodbye:
        return;
      case wire::Kind::reply:
        finding("the client sends a reply");
    }
  }

  std::vector<std::byte> bytes_;
  std::vector<AlignedBytes> calls_;
  std::uint64_t last_request_ = 0;
};

/// The client's end of the stream, with the agent behind it: whenever the client would wait, the
/// agent takes one step more, and at the end of its script it is gone.
class HostileAgent final : public transport::Channel {
 public:
  /// Readable and writable at any time: nobody ever sleeps.
  explicit HostileAgent(Input& script) : in_(script), event_(::eventfd(1, EFD_CLOEXEC)) {}
  ~HostileAgent() override { ::close(event_); }

  std::ptrdiff_t receive(std::span<std::byte> to, Wait /*wait*/) noexcept override {
    while (output_.empty() && step()) {
    }
    if (shut_ || output_.empty()) return 0;
    return static_cast<std::ptrdiff_t>(output_.take(to, cut_));
  }
  std::ptrdiff_t receive(std::span<iovec> to, Wait wait) noexcept override {
    return receive(std::span(static_cast<std::byte*>(to[0].iov_base), to[0].iov_len), wait);
  }
  std::ptrdiff_t send(std::span<const iovec> from, Wait /*wait*/) noexcept override {
    if (shut_) return -EPIPE;
    std::size_t total = 0;
    for (const iovec& part : from) {
      const std::size_t count = std::min(part.iov_len, room_);
      sent_.add({static_cast<const std::byte*>(part.iov_base), count});
      room_ -= room_ == SIZE_MAX ? 0 : count;
      total += count;
      if (count != part.iov_len) break;
    }
    return total == 0 ? -EAGAIN : static_cast<std::ptrdiff_t>(total);
  }
  void set_receive_timeout(std::chrono::milliseconds /*timeout*/) noexcept override {}
  void shutdown() noexcept override { shut_ = true; }
  int descriptor() const noexcept override { return event_; }
  std::optional<std::uint32_t> peer_uid() const noexcept override { return std::nullopt; }

  void add(std::span<const std::byte> bytes) { output_.add(bytes); }

 private:
  enum class Action : std::uint8_t {
    raw,
    reply,
    changed_reply,
    failure,
    frame,
    data,
    large_reply,
    hello,
    goodbye,
    cut,
    room,
    count
  };

  /// False: the script is over.
  bool step() {
    if (shut_ || in_.empty() || ++steps_ > kMostSteps) return false;
    switch (static_cast<Action>(in_.below(static_cast<std::size_t>(Action::count)))) {
      case Action::raw:
        add(in_.bytes(in_.take<std::uint8_t>()));
        break;
      case Action::reply:
        reply(false);
        break;
      case Action::changed_reply:
        reply(true);
        break;
      case Action::failure:
        failure();
        break;
      case Action::frame:
        frame();
        break;
      case Action::data:
        data();
        break;
      case Action::large_reply:
        large_reply();
        break;
      case Action::hello:
        add(wire::encode_hello({}));
        break;
      case Action::goodbye:
        goodbye();
        break;
      case Action::cut:
        cut_ = std::size_t{1} + in_.take<std::uint8_t>() * in_.take<std::uint8_t>();
        break;
      case Action::room:
        room_ = in_.below(4) == 0 ? SIZE_MAX : in_.take<std::uint16_t>();
        break;
      case Action::count:
        break;
    }
    return true;
  }

  void add_frame() {
    std::vector<std::byte> bytes;
    test::append(bytes, encoder_.frame());
    add(bytes);
  }

  AlignedBytes* some_call() {
    return sent_.calls().empty() ? nullptr : &sent_.calls()[in_.below(sent_.calls().size())];
  }
  std::uint64_t some_request() {
    const AlignedBytes* const call = some_call();
    if (call == nullptr || in_.below(8) == 0) return in_.take<std::uint16_t>();
    return wire::read_header(std::span<const std::byte>(*call).data()).request;
  }

  /// What an agent would answer, perhaps with some bytes changed.
  void reply(bool changed) {
    AlignedBytes* const frame = some_call();
    if (frame == nullptr) return;
    AlignedBytes own{std::span<const std::byte>(*frame)};  // read once for each reply
    const FrameHeader header = wire::read_header(own.data());
    const Op& op = *find_op(header.code);
    vac_call call{};
    require(wire::decode_call(op, own.bytes(), call).has_value(),
            "an agent cannot read the client's call");
    test::Random random(in_.take<std::uint8_t>());
    std::deque<std::vector<std::byte>> memory;
    std::vector<wire::FrameEncoder::Output> outputs;
    (void)test::random_results(
        op, call, random,
        [&](std::uint32_t arg, std::uint32_t child, std::uint64_t bytes, std::uint8_t type,
            std::uint8_t rank, const std::int64_t* dims) -> void* {
          wire::FrameEncoder::Output output{
              arg, child, memory.emplace_back(bytes).data(), bytes, type, rank, {}};
          std::copy(dims, dims + rank, output.dims);
          outputs.push_back(output);
          return output.data;
        });
    const Status encoded =
        encoder_.encode_reply(op, call, outputs, header.request, 1, kLargestFrame);
    require(encoded.has_value(), "an agent cannot answer the client's call");
    std::vector<std::byte> bytes;
    test::append(bytes, encoder_.frame());
    for (std::size_t i = changed ? 1 + in_.below(3) : 0; i > 0; --i) {
      const std::size_t at = in_.take<std::uint16_t>() % bytes.size();
      bytes[at] = in_.below(2) == 0 ? bytes[at] ^ static_cast<std::byte>(1U << in_.below(8))
                                    : static_cast<std::byte>(in_.take<std::uint8_t>());
    }
    add(bytes);
  }

  void failure() {
    const std::uint64_t request = some_request();
    const std::uint32_t code = in_.below(4) == 0 ? in_.take<std::uint32_t>() : 1 + in_.below(40);
    const std::size_t length = in_.take<std::uint8_t>();
    encoder_.encode_failure(request, static_cast<int>(code), 7, in_.text(length));
    add_frame();
  }

  void goodbye() {
    const int code = in_.take<std::uint8_t>();
    const std::size_t length = in_.take<std::uint8_t>();
    encoder_.encode_goodbye(code, in_.text(length));
    add_frame();
  }

  void frame() {
    FrameHeader header;
    header.kind = static_cast<wire::Kind>(in_.below(8));
    header.request = some_request();
    header.flags = static_cast<std::uint8_t>(in_.below(4) == 0 ? in_.take<std::uint8_t>() : 0);
    header.code = in_.below(4) == 0 ? in_.take<std::uint32_t>() : 0;
    header.record_count =
        static_cast<std::uint16_t>(in_.below(8) == 0 ? in_.take<std::uint16_t>() : in_.below(8));
    header.meta_bytes = static_cast<std::uint32_t>(8 * in_.below(16));
    header.payload_bytes = in_.below(8) == 0 ? in_.take<std::uint64_t>() : 64 * in_.below(8);
    add(std::as_bytes(std::span(&header, 1)));
    add(in_.bytes(in_.take<std::uint16_t>() % 2048));
  }

  void data() {
    FrameHeader header;
    header.kind = wire::Kind::data;
    header.request = some_request();
    header.code = in_.below(4) == 0 ? 1 + in_.below(40) : 0;
    const std::size_t lines = in_.take<std::uint8_t>();
    header.payload_bytes = header.code != 0 ? 0 : lines < 128 ? 64 * lines : wire::kMaxDataPayload;
    add(std::as_bytes(std::span(&header, 1)));
    add(std::vector<std::byte>(static_cast<std::size_t>(header.payload_bytes)));
  }

  /// To minmax, with a result that comes in data frames, of which some may be missing.
  void large_reply() {
    AlignedBytes* const frame = some_call();
    const Op& op = *find_op("minmax");
    if (frame == nullptr || wire::read_header(frame->data()).code != op.id) return;
    AlignedBytes own{std::span<const std::byte>(*frame)};
    vac_call call{};
    require(wire::decode_call(op, own.bytes(), call).has_value(), "minmax cannot be read");
    std::vector<std::byte> result((4 << 20) + 64 * in_.below(256));
    const wire::FrameEncoder::Output output{3, 0, result.data(), result.size(), VAC_F64, 0, {}};
    require(encoder_
                .encode_reply(op, call, {&output, 1}, wire::read_header(frame->data()).request, 1,
                              kLargestFrame)
                .has_value(),
            "minmax cannot be answered");
    add_frame();
    const std::size_t most = in_.below(4) == 0 ? in_.below(20) : SIZE_MAX;
    std::size_t count = 0;
    for (auto piece = encoder_.next_data_frame(); !piece.empty() && count < most; ++count) {
      std::vector<std::byte> bytes;
      test::append(bytes, piece);
      add(bytes);
      piece = encoder_.next_data_frame();
    }
  }

  Input& in_;
  const int event_;
  SentFrames sent_;
  wire::FrameEncoder encoder_;
  ByteQueue output_;
  std::size_t steps_ = 0, cut_ = SIZE_MAX, room_ = SIZE_MAX;
  bool shut_ = false;
};

/// A call of the application's, and what must hold once it is done.
class ClientCall {
 public:
  ClientCall(const Op& op, std::uint64_t seed) : built_(make(op, seed)), before_(built_.records()) {
    call().host_priv = &host_;
  }

  vac_call& call() { return built_.call(); }
  const vac_host* host() const { return host_.table(); }
  remote::Place* place = nullptr;

  void check(const Status& status) {
    if (!status) {
      require_text(printable(status.error().text()));
      require(status.error().value() != VAC_EINPROGRESS, "a call that is done says it is not");
      return;
    }
    for (std::size_t i = 0; i < before_.size(); ++i) {
      const vac_arg& after = built_.records()[i];
      const bool in_place = after.dir != VAC_IN && after.where == VAC_WHERE_INLINE &&
                            (after.form == VAC_ARRAY || after.form == VAC_TENSOR);
      require(!in_place || after.bytes <= before_[i].bytes, "a result is larger than its memory");
      require(after.form == before_[i].form && after.dir == before_[i].dir,
              "a reply has changed what a record is");
    }
  }

 private:
  static test::BuiltCall make(const Op& op, std::uint64_t seed) {
    test::Random random(seed);
    return test::random_call(op, random);
  }

  test::FakeHost host_;
  test::BuiltCall built_;
  std::vector<vac_arg> before_;
};

class Application {
 public:
  explicit Application(Input input) : in_(input) {}

  void run() {
    const std::size_t count = 1 + in_.below(kMostCalls);
    for (std::size_t i = 0; i < count; ++i) {
      const Op& op = all_ops()[in_.below(all_ops().size())];
      calls_.push_back(std::make_unique<ClientCall>(op, in_.take<std::uint8_t>()));
    }
    const bool together = in_.below(2) == 0;
    const bool greeted = in_.below(4) != 0;
    if (!connect(greeted)) return;
    if (together) {
      run_together();
    } else {
      for (const auto& call : calls_) call->check(connection_->run(call->call(), call->host()));
    }
    end();
  }

 private:
  /// False: they do not come to terms.
  bool connect(bool greeted) {
    auto agent = std::make_unique<HostileAgent>(in_);
    wire::Hello agreed;
    agreed.largest_frame = kLargestFrame;
    agreed.calls_in_flight = 4;
    if (greeted) {
      auto hello = remote::shake_hands(*agent, agreed, "unix:///fuzz", std::chrono::seconds(2));
      if (!hello) {
        require_text(printable(hello.error().text()));
        require(hello.error().value() != VAC_EINPROGRESS, "a refusal says that it is none");
        return false;
      }
      require(hello->largest_frame <= kLargestFrame && hello->calls_in_flight <= 4,
              "the client agrees to more than it offers");
      agreed = *hello;
    }
    connection_ = remote::Connection::create(std::move(agent), "unix:///fuzz", agreed).value();
    return true;
  }

  void run_together() {
    for (const auto& call : calls_) {
      auto started = connection_->start(call->call(), call->host(), remote::Room::only_if_free);
      if (!started) {
        call->check(started.error());
      } else {
        call->place = *started;
      }
    }
    // Another order than that of sending.
    for (std::size_t i = calls_.size(); i-- > 0;) {
      if (calls_[i]->place != nullptr) calls_[i]->check(connection_->finish(*calls_[i]->place));
    }
  }

  /// The script's end is the agent's: a call more finds that out.
  void end() {
    for (std::size_t i = 0; i <= kMostSteps && !connection_->ended(); ++i) {
      ClientCall last(*find_op("ping"), 0);
      last.check(connection_->run(last.call(), last.host()));
    }
    require(connection_->ended(), "a connection outlives its agent");
    ClientCall late(*find_op("ping"), 0);
    const Status status = connection_->run(late.call(), late.host());
    require(!status, "a connection that has ended serves a call");
    late.check(status);
  }

  Input in_;
  std::vector<std::unique_ptr<ClientCall>> calls_;
  std::unique_ptr<remote::Connection> connection_;
};

}  // namespace

/// The calls that the application makes, then the agent's script.
void fuzz_one(std::span<const std::byte> input) { Application(Input(input)).run(); }

}  // namespace vac::fuzz
