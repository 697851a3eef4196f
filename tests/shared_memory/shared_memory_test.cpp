// SPDX-License-Identifier: Apache-2.0
// What a program gains by buffers: its data is where the agent has it, and nothing else changes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <vac/vac.hpp>

#include <algorithm>
#include <cstdint>
#include <list>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "is_shared.hpp"
#include "support/agent_process.hpp"
#include "support/process_state.hpp"
#include "support/test_paths.hpp"

namespace vac {
namespace {

using test::is_shared;

constexpr std::size_t kInts = 10'000;
constexpr std::size_t kBytes = kInts * sizeof(std::int32_t);

std::span<std::int32_t> ints(const Buffer& buffer) {
  return {reinterpret_cast<std::int32_t*>(buffer.bytes().data()),
          buffer.bytes().size() / sizeof(std::int32_t)};
}

class SharedMemory : public testing::Test {
 protected:
  void start(const std::string& listen, const std::string& limits = "") {
    agent_ = std::make_unique<test::AgentProcess>(
        std::vector<std::string>{"--plugin",
                                 (test::build_directory() / "test/plugins/witness.so").string()},
        "[[listen]]\naddress = \"ADDRESS\"\n" + listen + "\n[limits]\n" + limits + "\n");
    session_ = Session::open(agent_->address()).value();
  }
  ~SharedMemory() override {
    if (agent_ != nullptr && agent_->pid() > 0) {
      EXPECT_EQ(agent_->stop(), 0) << agent_->log();
    }
  }
  nlohmann::json agent_says() const {
    return nlohmann::json::parse(session_.describe().value()).at("shared_memory");
  }
  /// Runs the witness on 0, 1, 2, ... and expects them back; whether it was given shared memory for
  /// the input, and for the result.
  std::pair<bool, bool> witness(std::span<std::int32_t> in, std::span<std::int32_t> out) {
    std::iota(in.begin(), in.end(), 0);
    std::ranges::fill(out, -1);
    const Result<std::size_t> copied = session_.fpga_arraycopy(in, out);
    EXPECT_TRUE(copied) << copied.error().message();
    EXPECT_TRUE(std::equal(in.begin() + 2, in.end(), out.begin() + 2));
    return {out[0] == 1, out[1] == 1};
  }

  std::unique_ptr<test::AgentProcess> agent_;
  Session session_;
};

using Seen = std::pair<bool, bool>;

TEST_F(SharedMemory, IsWhatThePluginWorksOnInPlace) {
  start("shared_input = \"in_place\"");
  const Buffer in = session_.buffer(kBytes).value(), out = session_.buffer(kBytes).value();
  EXPECT_TRUE(is_shared(in.bytes().data()));
  EXPECT_EQ(witness(ints(in), ints(out)), Seen(true, true));
  EXPECT_EQ(agent_says().at("copied_inputs"), 0);
  EXPECT_EQ(agent_says().at("copied_results"), 0);
}

TEST_F(SharedMemory, IsCopiedOnceForThePluginByDefault) {
  start("");
  const Buffer in = session_.buffer(kBytes).value(), out = session_.buffer(kBytes).value();
  EXPECT_TRUE(is_shared(in.bytes().data()));
  EXPECT_EQ(witness(ints(in), ints(out)), Seen(false, false));
  EXPECT_EQ(agent_says().at("copied_inputs"), 1);
  EXPECT_EQ(agent_says().at("copied_results"), 1);
}

TEST_F(SharedMemory, MixesWithOrdinaryMemory) {
  start("shared_input = \"in_place\"");
  const Buffer buffer = session_.buffer(kBytes).value();
  std::vector<std::int32_t> ordinary(kInts);
  EXPECT_EQ(witness(ints(buffer), ordinary), Seen(true, false));
  EXPECT_EQ(witness(ordinary, ints(buffer)), Seen(false, true));
  std::vector<std::int32_t> other(kInts);
  EXPECT_EQ(witness(ordinary, other), Seen(false, false));
}

TEST_F(SharedMemory, IsWhereLargeTensorsLie) {
  start("");
  EXPECT_TRUE(is_shared(session_.tensor<float>({1, 3, 224, 224}).bytes().data()));
  EXPECT_FALSE(is_shared(session_.tensor<float>({4}).bytes().data()));
}

/// Two tensors in one buffer, and parts of one.
TEST_F(SharedMemory, CanBeUsedInParts) {
  start("shared_input = \"in_place\"");
  const Buffer buffer = session_.buffer(2 * kBytes).value();
  const auto both = ints(buffer);
  EXPECT_EQ(witness(both.first(kInts), both.subspan(kInts)), Seen(true, true));
  // 4 bytes beyond a cache line: copied for the plugin.
  EXPECT_EQ(witness(both.subspan(1, 100), both.subspan(kInts + 1, 100)), Seen(false, false));
}

class SharedTensors : public SharedMemory {
 protected:
  /// Runs the witness's model into a tensor in shared memory, or beside it; what it tells.
  Seen seen(const Tensor& input, const Tensor& output) {
    std::ranges::fill(input.span<float>(), 7);
    std::ranges::fill(output.span<float>(), -1);
    const Status ran = model().run_into({input}, {output});
    EXPECT_TRUE(ran) << ran.error().message();
    const std::span<float> values = output.span<float>();
    EXPECT_TRUE(std::all_of(values.begin() + 2, values.end(), [](float x) { return x == 7; }));
    return {values[0] == 1, values[1] == 1};
  }
  Model model() const {
    static constexpr std::byte kFile[] = {std::byte{1}};
    return {session_.handle(), session_.resource_bytes(kFile).value()};
  }
  Tensor shared() const { return session_.tensor<float>({1, 3, 32, 32}); }
  /// Ordinary memory.
  Tensor wrapped() {
    memory_.emplace_back(3 * 32 * 32);
    const std::int64_t shape[] = {1, 3, 32, 32};
    return session_.wrap<float>(memory_.back(), shape).value();
  }
  std::list<std::vector<float>> memory_;
};

TEST_F(SharedTensors, AreFilledInPlace) {
  start("shared_input = \"in_place\"");
  EXPECT_EQ(seen(shared(), shared()), Seen(true, true));
  EXPECT_EQ(seen(wrapped(), shared()), Seen(false, true));
  EXPECT_EQ(seen(shared(), wrapped()), Seen(true, false));
  EXPECT_EQ(agent_says().at("copied_inputs"), 0);
  EXPECT_EQ(agent_says().at("copied_results"), 0);
}

TEST_F(SharedTensors, AreCopiedOnceByDefault) {
  start("");
  EXPECT_EQ(seen(shared(), shared()), Seen(false, false));
  EXPECT_EQ(agent_says().at("copied_inputs"), 1);
  EXPECT_EQ(agent_says().at("copied_results"), 1);
}

TEST_F(SharedTensors, AreRefusedWhereTheyAreNoOutputsOfTheModel) {
  start("shared_input = \"in_place\"");
  const Tensor input = shared(), output = shared(), spare = shared();
  const auto refusal = [&](const Tensors& inputs, const Tensors& outputs) {
    const Status ran = model().run_into(inputs, outputs);
    return ran ? "(it did not fail)" : ran.error().message();
  };
  EXPECT_EQ(refusal({input}, {session_.tensor<float>({1, 3, 16, 64})}),
            "model_run: output 0 is f32 [1,3,32,32], the tensor given for it is f32 [1,3,16,64]: "
            "give one of that type and shape, or none (VAC_EINVAL)");
  EXPECT_EQ(refusal({input}, {output, spare}),
            "model_run: 2 tensors were given for outputs, the model has 1: give one for each "
            "(VAC_EINVAL)");
  EXPECT_EQ(refusal({input, input}, {output}),
            "model_run: argument 'outputs' has 2 items, room for 1 was given (VAC_ENOSPC)");
}

TEST_F(SharedMemory, BeyondTheTenantsLimitIsOrdinary) {
  start("shared_input = \"in_place\"", "regions = \"2MiB\"");
  const Buffer in = session_.buffer(kBytes).value();
  const Buffer large = session_.buffer(4 << 20).value();
  EXPECT_TRUE(is_shared(in.bytes().data()));
  EXPECT_FALSE(is_shared(large.bytes().data()));
  EXPECT_EQ(witness(ints(in), ints(large).first(kInts)), Seen(true, false));
}

TEST_F(SharedMemory, MayBeTurnedOff) {
  start("", "regions = 0");
  const Buffer in = session_.buffer(kBytes).value(), out = session_.buffer(kBytes).value();
  EXPECT_FALSE(is_shared(in.bytes().data()));
  EXPECT_EQ(witness(ints(in), ints(out)), Seen(false, false));
  EXPECT_FALSE(agent_says().at("offered"));
}

TEST_F(SharedMemory, GrowsToWhatIsNeeded) {
  start("shared_input = \"in_place\"");
  std::vector<Buffer> buffers;
  for (int i = 0; i < 40; ++i) {
    buffers.push_back(session_.buffer(1 << 20).value());
    EXPECT_TRUE(is_shared(buffers.back().bytes().data())) << i;
    std::ranges::fill(ints(buffers.back()), i);
  }
  for (int i = 0; i < 40; ++i) EXPECT_EQ(ints(buffers[static_cast<std::size_t>(i)])[77], i);
  EXPECT_EQ(witness(ints(buffers.front()), ints(buffers.back())), Seen(true, true));
  EXPECT_FALSE(is_shared(session_.buffer(65 << 20).value().bytes().data())) << "too large for any";
}

TEST_F(SharedMemory, ShrinksToTheLargestRegionWhenItIsNeededNoMore) {
  start("");
  std::vector<Buffer> buffers;
  for (int i = 0; i < 20; ++i) buffers.push_back(session_.buffer(1 << 20).value());
  constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
  EXPECT_EQ(agent_says().at("bytes"), (2 + 4 + 8 + 16) * kMiB);
  std::vector<std::int32_t> results(kInts);
  for (Buffer& buffer : buffers) {
    EXPECT_EQ(witness(ints(buffer).first(kInts), results), Seen(false, false));
    buffer = {};
  }
  // They stay for a while, and then it is the end of a call that returns them.
  EXPECT_TRUE(test::eventually([&] { return agent_says().at("bytes") == 16 * kMiB; }));
  EXPECT_TRUE(is_shared(session_.buffer(16 * kMiB).value().bytes().data()));
  EXPECT_EQ(agent_says().at("bytes"), 16 * kMiB);
}

TEST_F(SharedMemory, IsZeroHoweverOftenItIsUsedAgain) {
  start("");
  for (int i = 0; i < 20; ++i) {
    const Buffer buffer = session_.buffer(kBytes).value();
    EXPECT_TRUE(std::ranges::all_of(ints(buffer), [](std::int32_t value) { return value == 0; }));
    std::ranges::fill(ints(buffer), 0x5a5a5a5a);
  }
}

TEST_F(SharedMemory, StaysWhenTheAgentIsGone) {
  start("shared_input = \"in_place\"");
  const Buffer in = session_.buffer(kBytes).value(), out = session_.buffer(kBytes).value();
  EXPECT_EQ(witness(ints(in), ints(out)), Seen(true, true));
  agent_->kill();
  const auto lost = session_.fpga_arraycopy(ints(in), ints(out));
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().code(), Errc::remote_io);
  EXPECT_EQ(ints(in)[kInts - 1], static_cast<std::int32_t>(kInts) - 1);
  std::ranges::fill(ints(out), 1);

  // In another session it is memory as any other.
  start("shared_input = \"in_place\"");
  EXPECT_EQ(witness(ints(in), ints(out)), Seen(false, false));
}

TEST_F(SharedMemory, OfOneSessionIsOrdinaryInAnother) {
  start("shared_input = \"in_place\"");
  const Session other = Session::open(agent_->address()).value();
  const Buffer in = other.buffer(kBytes).value(), out = session_.buffer(kBytes).value();
  EXPECT_TRUE(is_shared(in.bytes().data()));
  EXPECT_EQ(witness(ints(in), ints(out)), Seen(false, true));
}

TEST_F(SharedMemory, IsForManyThreads) {
  start("shared_input = \"in_place\"");
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 8; ++thread) {
    threads.emplace_back([&] {
      for (int i = 0; i < 50; ++i) {
        const Buffer in = session_.buffer(kBytes).value(), out = session_.buffer(kBytes).value();
        EXPECT_EQ(witness(ints(in), ints(out)), Seen(true, true));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace vac
