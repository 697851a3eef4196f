// SPDX-License-Identifier: Apache-2.0
// Clients that do their worst: the agent stays, and serves the others meanwhile.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "support/agent_process.hpp"
#include "support/load.hpp"
#include "support/random.hpp"
#include "support/raw_client.hpp"

namespace vac {
namespace {

using test::BuiltCall;
using test::Random;
using test::RawClient;
using test::RawFrame;

std::uint32_t op(const char* name) { return find_op(name)->id; }

BuiltCall noop(std::string_view data = "hello") {
  BuiltCall call(op("noop"));
  call.bytes(data);
  return call;
}

class HostileClient : public testing::Test {
 protected:
  void SetUp() override { good_ = std::make_unique<RawClient>(RawClient::greeted(address())); }
  void TearDown() override {
    expect_served();
    good_->close();
    EXPECT_EQ(agent_.stop(), 0) << agent_.log();
  }
  const std::string& address() const { return agent_.address(); }
  /// A client from the start, and a new one.
  void expect_served() {
    BuiltCall call = noop();
    EXPECT_EQ(good_->run(call).code(), VAC_OK);
    EXPECT_EQ(RawClient::greeted(address()).run(call).code(), VAC_OK);
  }

  test::AgentProcess agent_{{"--plugin", "noop"}};
  std::unique_ptr<RawClient> good_;
};

TEST_F(HostileClient, SendsHalfAFrameAndStays) {
  std::vector<RawClient> clients;
  BuiltCall call = noop(std::string(100'000, 'x'));
  const auto bytes = RawClient::call_bytes(call, 1);
  for (const std::size_t cut : {1UL, 63UL, 64UL, 65UL, 200UL, 20'000UL, 99'999UL}) {
    clients.push_back(RawClient::greeted(address()));
    clients.back().send(std::span(bytes).first(cut));
    expect_served();
  }
}

TEST_F(HostileClient, SendsRandomBytes) {
  Random random(20261122);
  const std::uint64_t rounds = test::load_count(10'000);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    RawClient client = round % 2 == 0 ? RawClient(address()) : RawClient::greeted(address());
    std::vector<std::byte> bytes(1 + random.below(4000));
    random.fill(bytes);
    if (round % 4 > 1)
      std::memcpy(bytes.data(), &wire::kMagic, std::min<std::size_t>(bytes.size(), 4));
    client.try_send(bytes);
  }
  std::printf("soak: random_bytes clients=%llu\n", static_cast<unsigned long long>(rounds));
}

/// Valid frames with some bytes changed: what gets past the first check.
TEST_F(HostileClient, SendsFramesWithFlippedBytes) {
  Random random(7);
  BuiltCall arrays(op("minmax"));
  arrays.array(VAC_F64, std::vector<double>{3, 1, 2}).scalar(VAC_I32, 0).scalar(VAC_I32, 9);
  arrays.out_array(VAC_F64, VAC_ANY_BYTES).out_scalar(VAC_F64).out_scalar(VAC_F64);
  BuiltCall tensors(op("model_run"));
  const std::vector<float> numbers{1, 2, 3};
  tensors.resource(1).list(VAC_IN, 1).string("x").list(VAC_IN, 1).tensor(
      VAC_F32, {1, 3}, std::as_bytes(std::span(numbers)));
  tensors.list(VAC_IN, 0).absent(VAC_BYTE, VAC_IN).list(VAC_OUT, VAC_ANY_COUNT);
  const std::uint64_t rounds = test::load_count(20'000);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    RawClient client = RawClient::greeted(address());
    for (std::uint64_t request = 1; request <= 4; ++request) {
      auto bytes = RawClient::call_bytes(round % 2 == 0 ? arrays : tensors, request);
      for (std::uint64_t flips = random.below(4); flips > 0; --flips) {
        bytes[random.below(bytes.size())] ^= static_cast<std::byte>(1U << random.below(8));
      }
      client.try_send(bytes);
    }
    if (random.one_in(2)) client.channel().shutdown();
  }
  std::printf("soak: flipped_bytes clients=%llu calls=%llu\n",
              static_cast<unsigned long long>(rounds), 4 * static_cast<unsigned long long>(rounds));
}

/// Calls that are refused at once are in flight no longer, so that only the agent bounds them.
TEST_F(HostileClient, CallsAndTakesNoAnswers) {
  RawClient client = RawClient::greeted(address());
  std::vector<wire::FrameHeader> calls(1000);
  std::uint64_t request = 0;
  EXPECT_THROW(
      {
        while (request < 10'000'000) {
          for (wire::FrameHeader& header : calls) {
            header.kind = wire::Kind::call;
            header.code = 9999;
            header.request = ++request;
          }
          client.send(std::as_bytes(std::span(calls)));
        }
      },
      std::exception);
  EXPECT_THAT(agent_.log(), testing::HasSubstr("takes no answers"));
}

TEST_F(HostileClient, LiesAboutLengths) {
  for (const std::uint64_t payload : {1ULL << 22, 1ULL << 32, 1ULL << 40, ~0ULL << 6}) {
    for (const std::uint16_t records : {0, 1, 256, 65535}) {
      for (const std::uint32_t meta : {0U, 8U, 65536U, ~7U}) {
        RawClient client = RawClient::greeted(address());
        wire::FrameHeader header;
        header.request = 1;
        header.code = op("noop");
        header.flags = payload > wire::kMaxInlinePayload ? wire::kFlagPayloadFollows : 0;
        header.payload_bytes = payload;
        header.record_count = records;
        header.meta_bytes = meta;
        client.send(header);
        client.try_send(std::vector<std::byte>(1000));
      }
    }
  }
}

TEST_F(HostileClient, AnnouncesMoreThanItsTenantMayHave) {
  RawClient client = RawClient::greeted(address());
  wire::FrameHeader header;
  header.code = op("noop");
  header.flags = wire::kFlagPayloadFollows;
  header.payload_bytes = 3ULL << 30;
  header.record_count = 1;
  std::vector<std::byte> head(wire::head_bytes(header));
  header.request = 1;
  std::memcpy(head.data(), &header, sizeof header);
  client.send(head);  // 3 GiB of 4 GiB are promised
  header.request = 2;
  std::memcpy(head.data(), &header, sizeof header);
  client.send(head);
  const RawFrame reply = client.receive();
  EXPECT_EQ(reply.header.request, 2U);
  EXPECT_EQ(reply.code(), VAC_ENOSPC);
  EXPECT_THAT(reply.text(), testing::HasSubstr("no room"));
  client.close();
  // What was promised is free again, as soon as the agent has seen the end.
  const auto is_free = [&] {
    RawClient next = RawClient::greeted(address());
    header.request = 1;
    std::memcpy(head.data(), &header, sizeof header);
    next.send(head);
    BuiltCall call = noop();
    next.send(RawClient::call_bytes(call, 2));
    return next.receive().header.request == 2;
  };
  int tries = 1;
  while (!is_free() && tries < 1000) ++tries;
  EXPECT_LT(tries, 1000);
}

TEST_F(HostileClient, AsksWithoutTakingAnswers) {
  RawClient client = RawClient::greeted(address());
  BuiltCall call(op("fpga_arraycopy"));
  call.array(VAC_I32, std::vector<std::int32_t>(100'000, 7)).out_array(VAC_I32, VAC_ANY_BYTES);
  // In the end it has more than 64 calls in flight and is shown the door, or its pipe is full.
  std::uint64_t request = 1;
  for (;; ++request) {
    const auto bytes = RawClient::call_bytes(call, request);
    if (client.try_send(bytes) < bytes.size()) break;
    ASSERT_LT(request, 1000U);
  }
}

TEST_F(HostileClient, FloodsWithQuickCallsAndTakesNoAnswers) {
  std::vector<RawClient> clients;
  for (int i = 0; i < 4; ++i) clients.push_back(RawClient::greeted(address()));
  BuiltCall call(1);  // ping
  std::uint64_t request = 1;
  bool full = false;
  while (!full) {
    std::vector<std::byte> bytes;
    for (int i = 0; i < 100; ++i) {
      const auto one = RawClient::call_bytes(call, request++);
      bytes.insert(bytes.end(), one.begin(), one.end());
    }
    for (RawClient& client : clients) full = client.try_send(bytes) < bytes.size() || full;
    ASSERT_LT(request, 1'000'000U);
  }
}

TEST_F(HostileClient, SendsGarbageBehindAHello) {
  RawClient client(address());
  std::vector<std::byte> bytes = wire::encode_hello({});
  bytes.resize(bytes.size() + 5000, std::byte{0x5a});
  client.send(bytes);
  EXPECT_EQ(client.receive().header.kind, wire::Kind::hello);
  EXPECT_EQ(client.receive().header.kind, wire::Kind::goodbye);
}

TEST_F(HostileClient, ConnectsAndLeavesAllTheTime) {
  const std::uint64_t clients = test::load_count(25'000);
  for (std::uint64_t i = 0; i < clients; ++i) {
    RawClient client(address());
    if (i % 3 == 1) client.try_send(wire::encode_hello({}));
    if (i % 3 == 2) {
      (void)client.greet();
      BuiltCall call = noop();
      client.call(call);
    }
  }
  std::printf("soak: come_and_go clients=%llu\n", static_cast<unsigned long long>(clients));
}

/// A process of its own that is killed: in the middle of a frame and of an upload, with calls
/// running.
TEST_F(HostileClient, IsKilledInTheMiddleOfItsWork) {
  for (int round = 0; round < 10; ++round) {
    int ready[2];
    ASSERT_EQ(::pipe(ready), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      RawClient client = RawClient::greeted(address());
      BuiltCall add(op("resource_add"));
      add.bytes(std::string(64, 'a') + " 1000000 model.pt\n").string("{}");
      add.out_scalar(VAC_U64).out_array(VAC_U32, VAC_ANY_BYTES);
      const auto added = client.run(add);
      BuiltCall part(op("resource_data"));
      part.scalar(VAC_U64, added.scalar(2)).scalar(VAC_U32, 0).scalar(VAC_U64, 0);
      part.bytes(std::string(500'000, 'x'));
      (void)client.run(part);
      BuiltCall large = noop(std::string(3'000'000, 'y'));
      const auto bytes = RawClient::call_bytes(large, client.next_request());
      client.send(std::span(bytes).first(bytes.size() / 2));
      (void)!::write(ready[1], "x", 1);
      ::pause();
      ::_exit(0);
    }
    char byte = 0;
    ASSERT_EQ(::read(ready[0], &byte, 1), 1);
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    ::close(ready[0]);
    ::close(ready[1]);
    expect_served();
  }
  // The halves of the files are gone, as soon as the agent has seen the ends.
  const auto leftovers = [&] {
    int count = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(agent_.folder())) {
      count += entry.path().filename().string().starts_with("incoming-") ? 1 : 0;
    }
    return count;
  };
  for (int i = 0; i < 10'000 && leftovers() != 0; ++i) expect_served();
  EXPECT_EQ(leftovers(), 0);
}

TEST_F(HostileClient, IsOneOfSixtyFourThatAllCallAtOnce) {
  std::atomic<int> answered{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 64; ++i) {
    threads.emplace_back([&, i] {
      RawClient client = RawClient::greeted(address());
      BuiltCall quick = noop(std::string(static_cast<std::size_t>(i) * 500, 'x'));
      BuiltCall slow(op("minmax"));
      slow.array(VAC_F64, std::vector<double>{3, 1, 2}).scalar(VAC_I32, 0).scalar(VAC_I32, 9);
      slow.out_array(VAC_F64, VAC_ANY_BYTES).out_scalar(VAC_F64).out_scalar(VAC_F64);
      for (int n = 0; n < 50; ++n) {
        if (client.run(n % 3 == 0 ? slow : quick).code() == VAC_OK) ++answered;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(answered, 64 * 50);
}

}  // namespace
}  // namespace vac
