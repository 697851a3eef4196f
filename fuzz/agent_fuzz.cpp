// SPDX-License-Identifier: Apache-2.0
// A client of the agent that sends what it likes: good calls, frames with any header, any bytes,
// cut anywhere, while calls wait, run, are cancelled, and output is taken or not.
#include <algorithm>
#include <vector>

#include "agent_rig.hpp"
#include "call/op_table.hpp"
#include "support/random_call.hpp"
#include "wire/hello.hpp"

namespace vac::fuzz {
namespace {

using wire::FrameHeader;

constexpr std::size_t kMostSteps = 64;
constexpr std::uint64_t kMostPayload = 5 << 20;

class Client {
 public:
  explicit Client(Input input) : in_(input) {}

  void run() {
    if (in_.take<std::uint8_t>() % 8 != 0) rig_.greet();
    for (std::size_t step = 0; step < kMostSteps && !in_.empty() && !rig_.ended(); ++step) act();
    rig_.settle();
  }

 private:
  enum class Action : std::uint8_t {
    raw,
    good_call,
    frame,
    cancel,
    data,
    end_data,
    large_call,
    run_one,
    read,
    cut,
    output,
    hello,
    goodbye,
    end_input,
    count
  };

  void act() {
    switch (static_cast<Action>(in_.below(static_cast<std::size_t>(Action::count)))) {
      case Action::raw:
        return rig_.give(in_.bytes(in_.take<std::uint8_t>()));
      case Action::good_call:
        return good_call();
      case Action::frame:
        return frame();
      case Action::cancel:
        return send(header_of(wire::Kind::cancel, some_request()));
      case Action::data:
        return data();
      case Action::end_data: {
        FrameHeader header = header_of(wire::Kind::data, some_request());
        header.code = VAC_ECANCELED;
        return send(header);
      }
      case Action::large_call:
        return large_call();
      case Action::run_one:
        return (void)rig_.run_one();
      case Action::read:
        return rig_.read();
      case Action::cut:
        return rig_.channel().cut(in_.take<std::uint8_t>());
      case Action::output:
        return rig_.channel().allow_output(in_.take<std::uint16_t>());
      case Action::hello:
        return rig_.give(wire::encode_hello({}));
      case Action::goodbye:
        return send(header_of(wire::Kind::goodbye, 0));
      case Action::end_input:
        return rig_.channel().end_input();
      case Action::count:
        return;
    }
  }

  static FrameHeader header_of(wire::Kind kind, std::uint64_t request) {
    FrameHeader header;
    header.kind = kind;
    header.request = request;
    return header;
  }
  void send(const FrameHeader& header) { rig_.give(std::as_bytes(std::span(&header, 1))); }

  /// One that was made, mostly.
  std::uint64_t some_request() {
    const std::uint8_t back = in_.take<std::uint8_t>() % 8;
    return rig_.last_request() + 1 - std::min<std::uint64_t>(back, rig_.last_request());
  }

  const Op& some_op() { return all_ops()[in_.below(all_ops().size())]; }

  void good_call() {
    const Op& op = some_op();
    test::Random random(in_.take<std::uint16_t>());
    (void)rig_.call(test::random_call(op, random), in_.below(8) == 0 ? 1 : 0);
  }

  /// A header with any fields, and payload that may fit it.
  void frame() {
    FrameHeader header;
    header.kind = static_cast<wire::Kind>(in_.below(8));
    header.request = in_.below(4) == 0 ? in_.take<std::uint64_t>() : rig_.next_request();
    header.flags = static_cast<std::uint8_t>(in_.below(8) == 0 ? in_.take<std::uint8_t>() : 0);
    header.code = in_.below(4) == 0 ? in_.take<std::uint32_t>() : some_op().id;
    header.record_count =
        static_cast<std::uint16_t>(in_.below(8) == 0 ? in_.take<std::uint16_t>() : in_.below(12));
    header.meta_bytes = in_.below(8) == 0 ? in_.take<std::uint32_t>()
                                          : static_cast<std::uint32_t>(8 * in_.below(16));
    header.payload_bytes = in_.below(8) == 0 ? in_.take<std::uint64_t>() : 64 * in_.below(8);
    send(header);
    rig_.give(in_.bytes(in_.take<std::uint16_t>() % 2048));
  }

  /// noop with so much data that it comes in data frames, of which this is the announcement.
  void large_call() {
    FrameHeader header = header_of(wire::Kind::call, rig_.next_request());
    header.flags = wire::kFlagPayloadFollows;
    header.code = find_op("noop")->id;
    header.record_count = 1;
    vac_arg data{};
    data.type = VAC_BYTE;
    data.form = VAC_ARRAY;
    data.dir = VAC_IN;
    data.bytes = wire::kMaxInlinePayload + std::uint64_t{64} * in_.take<std::uint16_t>();
    header.payload_bytes = data.bytes;
    if (header.payload_bytes > kMostPayload && in_.below(4) != 0) return;
    send(header);
    rig_.give(std::as_bytes(std::span(&data, 1)));
    rig_.give(std::vector<std::byte>(32));
  }

  void data() {
    FrameHeader header = header_of(wire::Kind::data, some_request());
    const std::size_t lines = in_.take<std::uint8_t>();
    header.payload_bytes = lines < 128 ? 64 * lines : wire::kMaxDataPayload;
    // As many as the rest of a large call takes.
    const std::size_t times = header.payload_bytes == wire::kMaxDataPayload ? 1 + in_.below(20) : 1;
    // Millions of receives would tell no more.
    if (header.payload_bytes == wire::kMaxDataPayload) rig_.channel().cut(0);
    const std::vector<std::byte> payload(static_cast<std::size_t>(header.payload_bytes));
    for (std::size_t i = 0; i < times && !rig_.ended(); ++i) {
      send(header);
      rig_.give(payload);
      rig_.read();
    }
  }

  Input in_;
  AgentRig rig_;
};

}  // namespace

void fuzz_one(std::span<const std::byte> input) { Client(Input(input)).run(); }

}  // namespace vac::fuzz
