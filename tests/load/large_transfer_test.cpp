// SPDX-License-Identifier: Apache-2.0
// Small calls while a large tensor is on its way: they take turns with it, on its own session and
// on others. What was answered before the transfer ended is counted; no clock is looked at.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <vac/vac.hpp>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "support/agent_process.hpp"
#include "support/load.hpp"
#include "support/raw_client.hpp"
#include "tracked_memory.hpp"

namespace vac {
namespace {

using test::BuiltCall;
using test::RawClient;
using test::RawFrame;
using test::TrackedMemory;

constexpr std::uint64_t kElsewhere = 100, kBeside = 20;  // that must be answered meanwhile
constexpr std::chrono::seconds kPatience{300};           // of a call: far above what it takes

/// 1 GiB in full. A reply that has waited in the pipe lets about 2 MiB pass before the next small
/// answer, so less than this would be over too soon.
std::size_t transfer_bytes() { return std::max<std::size_t>(test::load_count(1024), 128) << 20U; }

/// Calls no-ops until `over`, and counts those that were made after the transfer began and answered
/// before it ended.
std::uint64_t count_noops(const Session& session, const TrackedMemory& transfer,
                          const std::atomic<bool>& over) {
  std::uint64_t count = 0;
  while (!over) {
    const bool begun = transfer.half_used();
    const Status answered = session.noop();
    EXPECT_TRUE(answered) << answered.error().message();
    if (!answered) return 0;
    if (begun && transfer.half_used()) ++count;
  }
  return count;
}

class LargeTransfer : public testing::Test {
 protected:
  Session open() { return Session::open(agent_.address(), {kPatience, {}}).value(); }

  /// One call moves all of `memory`; meanwhile threads on its session and on another call no-ops.
  void run(const char* name, const TrackedMemory& memory,
           const std::function<Status(const Session&)>& call) {
    const Session session = open();
    const Session other = open();
    std::atomic<bool> over{false};
    std::atomic<std::uint64_t> elsewhere{0};
    std::atomic<std::uint64_t> beside{0};
    std::vector<std::thread> threads;
    threads.emplace_back([&] { elsewhere += count_noops(other, memory, over); });
    for (int i = 0; i < 2; ++i) {
      threads.emplace_back([&] { beside += count_noops(session, memory, over); });
    }
    const Status moved = call(session);
    over = true;
    for (std::thread& thread : threads) thread.join();
    EXPECT_TRUE(moved) << moved.error().message();
    EXPECT_EQ(memory.used(), memory.size());
    EXPECT_GE(elsewhere, kElsewhere);
    EXPECT_GE(beside, kBeside);
    std::printf("soak: %s mib=%zu noops_elsewhere=%llu noops_beside=%llu\n", name,
                memory.size() >> 20U, static_cast<unsigned long long>(elsewhere.load()),
                static_cast<unsigned long long>(beside.load()));
  }

  test::AgentProcess agent_{{"--plugin", "noop"}};
};

TEST_F(LargeTransfer, ToTheAgentLetsSmallCallsPass) {
  const TrackedMemory input(transfer_bytes());
  run("large_input", input,
      [&](const Session& session) { return session.noop(std::as_bytes(input.as<std::byte>())); });
}

TEST_F(LargeTransfer, FromTheAgentLetsSmallCallsPass) {
  const TrackedMemory output(transfer_bytes());
  const std::vector<std::int32_t> input{1, 2, 3};
  run("large_output", output, [&](const Session& session) -> Status {
    VAC_TRY(const std::size_t count, session.fpga_arraycopy(input, output.as<std::int32_t>()));
    EXPECT_EQ(count, output.size() / sizeof(std::int32_t));
    return {};
  });
}

/// The same with a client that decides itself when the next piece leaves or is taken, so that the
/// transfer goes on as long as the test wants.
class PacedTransfer : public testing::Test {
 protected:
  static constexpr std::size_t kBytes = std::size_t{96} << 20;

  static BuiltCall noop() {
    BuiltCall call(find_op("noop")->id);
    call.bytes("hello");
    return call;
  }
  /// The frame that carries `call` and the data frames behind it, one by one.
  static std::vector<std::vector<std::byte>> frames_of(BuiltCall& call, std::uint64_t request) {
    wire::FrameEncoder encoder;
    EXPECT_TRUE(encoder.encode_call(call.call(), request, 0, UINT64_MAX / 2));
    std::vector<std::vector<std::byte>> frames(1);
    test::append(frames.back(), encoder.frame());
    for (auto data = encoder.next_data_frame(); !data.empty(); data = encoder.next_data_frame()) {
      test::append(frames.emplace_back(), data);
    }
    return frames;
  }

  test::AgentProcess agent_{{"--plugin", "noop"}};
  RawClient client_ = RawClient::greeted(agent_.address());
  RawClient other_ = RawClient::greeted(agent_.address());
};

TEST_F(PacedTransfer, ToTheAgentLetsACallPassBetweenAnyTwoPieces) {
  BuiltCall large(find_op("noop")->id);
  large.bytes(std::string(kBytes, 'x'));
  const auto frames = frames_of(large, 1);
  std::uint64_t request = 1;
  for (std::size_t i = 0; i + 1 < frames.size(); ++i) {
    client_.send(frames[i]);
    BuiltCall small = noop();
    client_.send(RawClient::call_bytes(small, ++request));
    const RawFrame beside = client_.receive();
    EXPECT_EQ(beside.header.request, request);
    EXPECT_EQ(beside.code(), VAC_OK) << beside.text();
    EXPECT_EQ(other_.run(small).code(), VAC_OK);
  }
  EXPECT_GE(request, kElsewhere);
  client_.send(frames.back());
  const RawFrame done = client_.receive();
  EXPECT_EQ(done.header.request, 1U);
  EXPECT_EQ(done.code(), VAC_OK) << done.text();
}

/// The client reads no more than it must for the answers to its small calls.
TEST_F(PacedTransfer, FromTheAgentLetsCallsPassWhileLittleIsTaken) {
  const std::vector<std::int32_t> input{1, 2, 3};
  BuiltCall large(find_op("fpga_arraycopy")->id);
  large.array(VAC_I32, input).out_array(VAC_I32, kBytes);
  const std::uint64_t request = client_.call(large);
  const RawFrame head = client_.receive_or_end().value();
  ASSERT_EQ(head.header.request, request);
  ASSERT_EQ(head.header.payload_bytes, kBytes);
  std::uint64_t taken = 0;
  const auto take_until = [&](const std::function<bool(const RawFrame&)>& last) {
    for (;;) {
      const RawFrame frame = client_.receive_or_end().value();
      if (frame.header.kind == wire::Kind::data) taken += frame.header.payload_bytes;
      if (last(frame)) return;
    }
  };
  BuiltCall small = noop();
  for (std::uint64_t i = 0; i < kElsewhere; ++i) {
    ASSERT_EQ(other_.run(small).code(), VAC_OK);
    if (i % (kElsewhere / kBeside) != 0) continue;
    const std::uint64_t beside = client_.call(small);
    take_until([&](const RawFrame& frame) { return frame.header.request == beside; });
  }
  std::printf("soak: paced_output taken_mib=%llu\n", static_cast<unsigned long long>(taken >> 20U));
  EXPECT_LT(taken, kBytes) << "the transfer was over before the calls were";
  take_until([&](const RawFrame&) { return taken == kBytes; });
}

}  // namespace
}  // namespace vac
