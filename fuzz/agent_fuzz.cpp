// SPDX-License-Identifier: Apache-2.0
// A client of the agent that sends what it likes: good calls, frames with any header, any bytes,
// cut anywhere, while calls wait, run, are cancelled, and output is taken or not. It takes regions,
// proves them or not, and calls name any part of them.
#include <fcntl.h>

#include <algorithm>
#include <cstring>
#include <optional>
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

/// Says that data of a call lies where the input says, which may be nowhere; where there is such a
/// place it is put there.
class Placement final : public wire::RegionMap {
 public:
  Placement(Input places, const GrantedRegions& regions) : in_(places), regions_(regions) {}

  std::optional<wire::RegionPart> find(const void* data, std::uint64_t bytes) override {
    const std::uint8_t choice = in_.take<std::uint8_t>();
    if (choice % 8 == 0) return std::nullopt;
    const auto id =
        1 + static_cast<std::uint32_t>(choice / 8 % 16 == 15 ? in_.below(15) : choice / 8 % 2);
    const std::span<std::byte> region = regions_.find(id);
    const std::uint64_t offset = some_offset(choice % 8, region.size(), bytes);
    if (data != nullptr && offset <= region.size() && bytes <= region.size() - offset) {
      std::memcpy(region.data() + offset, data, static_cast<std::size_t>(bytes));
    }
    return wire::RegionPart{id, offset};
  }

 private:
  std::uint64_t some_offset(unsigned choice, std::uint64_t size, std::uint64_t bytes) {
    switch (choice) {
      case 1:
        return std::uint64_t{64} * in_.take<std::uint8_t>();
      case 2:
        return in_.take<std::uint16_t>();
      case 3:
        return size - bytes;
      case 4:
        return (size - bytes) / 64 * 64;
      case 5:
        return size - bytes + 1 + in_.below(64);
      case 6:
        return size;
      default:
        return in_.take<std::uint64_t>();
    }
  }

  Input in_;
  const GrantedRegions& regions_;
};

class Client {
 public:
  explicit Client(Input input)
      : in_(input),
        how_(in_.take<std::uint8_t>()),
        rig_((how_ & kInPlace) != 0 ? agent::SharedInput::in_place : agent::SharedInput::copy) {}

  void run() {
    if (how_ % 8 != 0) rig_.greet((how_ & kSharing) != 0);
    for (std::size_t step = 0; step < kMostSteps && !in_.empty() && !rig_.ended(); ++step) act();
    rig_.settle();
  }

 private:
  // Bits of an input's first byte.
  static constexpr std::uint8_t kSharing = 8, kInPlace = 16;

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
    run_any,
    region_open,
    region_ready,
    region_drop,
    region_granted,
    region_write,
    call_in_regions,
    count
  };

  void act() {
    const auto action = static_cast<Action>(in_.below(static_cast<std::size_t>(Action::count)));
    switch (action) {
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
      case Action::run_any:
        return (void)rig_.run_one(in_.below(8));
      case Action::region_open:
      case Action::region_ready:
      case Action::region_drop:
      case Action::region_granted:
      case Action::region_write:
      case Action::call_in_regions:
        return act_on_regions(action);
      case Action::count:
        return;
    }
  }

  void act_on_regions(Action action) {
    switch (action) {
      case Action::region_open:
        return (void)open_region();
      case Action::region_ready: {
        const std::uint32_t id = some_region();
        return prove(id, some_proof());
      }
      case Action::region_drop:
        return (void)rig_.call(std::move(control("region_drop").scalar(VAC_U32, some_region())));
      case Action::region_granted:
        return have_region();
      case Action::region_write:
        return write();
      default:
        return call_in_regions();
    }
  }

  static test::BuiltCall control(const char* name) { return test::BuiltCall(find_op(name)->id); }

  /// One of the first two, mostly.
  std::uint32_t some_region() {
    const std::uint8_t choice = in_.take<std::uint8_t>();
    return choice < 224 ? 1 + choice % 2 : choice % 32;
  }

  std::uint64_t open_region() {
    const bool usual = in_.below(8) != 0;
    const std::uint64_t bytes =
        usual ? 1024 * (std::uint64_t{1} + in_.below(64)) : in_.take<std::uint64_t>();
    test::BuiltCall call = control("region_open");
    call.scalar(VAC_U64, bytes).scalar(VAC_U32, usual ? 1 : in_.take<std::uint8_t>());
    call.out_scalar(VAC_U32).out_scalar(VAC_U32).out_scalar(VAC_U64).out_scalar(VAC_U64);
    return rig_.call(std::move(call));
  }

  /// The right one of some region, or not quite.
  std::vector<std::byte> some_proof() {
    const GrantedRegions::Proof right = rig_.regions().proof(some_region());
    std::vector<std::byte> proof(right.begin(), right.end());
    switch (in_.below(4)) {
      case 0:
        proof[in_.below(proof.size())] ^= std::byte{1};
        break;
      case 1:
        proof.resize(in_.below(2 * proof.size()));
        break;
      default:
        break;
    }
    return proof;
  }

  void prove(std::uint32_t id, std::span<const std::byte> proof) {
    (void)rig_.call(std::move(control("region_ready").scalar(VAC_U32, id).array(VAC_BYTE, proof)));
  }

  /// As a good client does it, but for what waits besides.
  void have_region() {
    const std::uint64_t request = open_region();
    rig_.read();
    while (rig_.run_one()) {
    }
    const Answer* const answer = rig_.answer(request);
    if (rig_.ended() || answer == nullptr || answer->code != VAC_OK) return;
    const auto id = static_cast<std::uint32_t>(answer->scalars.at(2));
    prove(id, rig_.regions().proof(id));
    rig_.read();
  }

  /// Under the calls that wait.
  void write() {
    const std::uint32_t id = some_region();
    const std::span<std::byte> region = rig_.regions().find(id);
    if (region.empty()) return;
    const std::size_t offset = in_.take<std::uint16_t>() % region.size();
    const std::uint8_t count = in_.take<std::uint8_t>();
    if (count == 0) {  // a hole instead
      (void)::fallocate(rig_.regions().descriptor(id), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                        static_cast<off_t>(offset), 8192);
      return;
    }
    const auto bytes = in_.bytes(std::min<std::size_t>(count, region.size() - offset));
    std::ranges::copy(bytes, region.begin() + static_cast<std::ptrdiff_t>(offset));
  }

  void call_in_regions() {
    const Op& op = some_op();
    test::Random random(in_.take<std::uint16_t>());
    test::BuiltCall call = test::random_call(op, random);
    const std::uint32_t deadline_us = in_.below(8) == 1 ? 1 : 0;
    const std::size_t places = in_.below(64);
    Placement placement(Input(in_.bytes(places)), rig_.regions());
    (void)rig_.call(std::move(call), deadline_us, &placement);
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
  const std::uint8_t how_;
  AgentRig rig_;
};

}  // namespace

void fuzz_one(std::span<const std::byte> input) { Client(Input(input)).run(); }

}  // namespace vac::fuzz
