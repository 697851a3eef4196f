// SPDX-License-Identifier: Apache-2.0
// Batches in an agent in this process. Its plugin has one slot, which the test holds until as many
// calls wait as it wants, and doubles numbers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "agent/agent.hpp"
#include "base/json_text.hpp"
#include "base/mutex.hpp"
#include "core/runtime.hpp"
#include "support/raw_client.hpp"
#include "support/raw_region.hpp"
#include "support/temp_directory.hpp"

namespace vac::agent {
namespace {

using test::BuiltCall;
using test::RawClient;
using test::RawFrame;
using test::RawReply;
using testing::ElementsAre;

std::uint32_t op(const char* name) { return find_op(name)->id; }

/// A call whose number is this stays in the plugin until open(), or until it is cancelled.
constexpr double kHeld = 1e6;
/// One that the framework throws for.
constexpr double kPoison = -1e6;

double number_of(const vac_call& call) {
  return *reinterpret_cast<const double*>(static_cast<std::uintptr_t>(call.args[0].value));
}
std::int32_t low_of(const vac_call& call) { return static_cast<std::int32_t>(call.args[1].value); }

/// What the plugin does; the test's own.
class Doubler {
 public:
  void open() {
    const MutexLock lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void wait_for_entered(int calls) {
    const MutexLock lock(mutex_);
    while (entered_ < calls) changed_.wait(mutex_);
  }
  /// Of the submits, in their order.
  std::vector<std::size_t> sizes() {
    const MutexLock lock(mutex_);
    return sizes_;
  }
  /// The keys of each submit's calls.
  std::vector<std::vector<std::int32_t>> lows() {
    const MutexLock lock(mutex_);
    return lows_;
  }

  int submit(vac_call* const* calls, std::size_t count) {
    note(calls, count);
    if (count == 1) return run(*calls[0]);
    for (std::size_t i = 0; i < count; ++i) {
      host->complete(calls[i], run(*calls[i]), nullptr);
    }
    return VAC_EINPROGRESS;
  }

  const vac_host* host = nullptr;

 private:
  void note(vac_call* const* calls, std::size_t count) {
    const MutexLock lock(mutex_);
    if (calls[0]->op != op("minmax")) return;
    sizes_.push_back(count);
    std::vector<std::int32_t>& lows = lows_.emplace_back();
    for (std::size_t i = 0; i < count; ++i) lows.push_back(low_of(*calls[i]));
  }
  int run(vac_call& call) {
    if (call.op != op("minmax")) return VAC_OK;
    const double number = number_of(call);
    if (number == kHeld && !pass(call)) return VAC_ECANCELED;
    if (number == kPoison) {
      host->error(nullptr, &call, 5, "the framework broke");
      return VAC_EINVAL;
    }
    void* const out = host->output(&call, 3, 0, sizeof(double), VAC_F64, 0, nullptr);
    if (out == nullptr) return VAC_ENOMEM;
    const double twice = 2 * number;
    std::memcpy(out, &twice, sizeof twice);
    return VAC_OK;
  }
  bool pass(const vac_call& call) {
    const MutexLock lock(mutex_);
    ++entered_;
    changed_.notify_all();
    while (!open_ && host->cancelled(&call) == 0) {
      changed_.wait_until(mutex_, std::chrono::steady_clock::now() + std::chrono::milliseconds(2));
    }
    return open_;
  }

  Mutex mutex_;
  CondVar changed_;
  bool open_ VAC_GUARDED_BY(mutex_) = false;
  int entered_ VAC_GUARDED_BY(mutex_) = 0;
  std::vector<std::size_t> sizes_ VAC_GUARDED_BY(mutex_);
  std::vector<std::vector<std::int32_t>> lows_ VAC_GUARDED_BY(mutex_);
};

Doubler* doubler = nullptr;  // of the test that runs

int open_plugin(const vac_host* host, const char* /*config*/, void** /*plugin*/) {
  doubler->host = host;
  return VAC_OK;
}
int submit(void* /*plugin*/, vac_call* const* calls, std::size_t count) {
  return doubler->submit(calls, count);
}
/// Calls of equal `low` go together.
std::uint64_t batch_key(void* /*plugin*/, const vac_call* call) {
  return call->op == op("minmax") ? static_cast<std::uint64_t>(low_of(*call)) : 0;
}

BuiltCall doubling(double number, std::int32_t low = 1) {
  BuiltCall call(op("minmax"));
  call.array(VAC_F64, std::vector<double>{number}).scalar(VAC_I32, static_cast<std::uint64_t>(low));
  call.scalar(VAC_I32, 9);
  call.out_array(VAC_F64, VAC_ANY_BYTES).out_scalar(VAC_F64).out_scalar(VAC_F64);
  return call;
}

class AgentBatches : public testing::Test {
 protected:
  AgentBatches() {
    doubler = &doubler_;
    table_.struct_size = sizeof table_;
    table_.abi_major = VAC_ABI_MAJOR;
    table_.name = "doubler";
    table_.version = "1";
    table_.ops = offers_;
    table_.op_count = std::size(offers_);
    table_.open = open_plugin;
    table_.submit = submit;
    table_.batch_key = batch_key;
    config_.cache.directory = (folder_ / "cache").string();
    for (const char* tenant : {"one", "other"}) {
      config_.listeners.push_back({"unix://" + (folder_ / tenant).string(), {}, {}, tenant, {}});
    }
  }
  ~AgentBatches() override {
    doubler_.open();
    agent_.reset();
    doubler = nullptr;
  }
  void start(const char* plugin_json = "{}") {
    auto runtime = std::make_unique<core::Runtime>(core::RuntimeOptions{{}, true, {}, {}, {}});
    ASSERT_TRUE(runtime->add_plugin(table_, plugin_json));
    auto agent = Agent::start(config_, std::move(runtime));
    ASSERT_TRUE(agent) << agent.error().message();
    agent_ = *std::move(agent);
  }
  RawClient client(std::size_t tenant = 0) {
    return RawClient::greeted(config_.listeners[tenant].address);
  }
  /// Takes the slot, for another client than those of the test.
  void hold_slot() {
    holder_.emplace(client());
    BuiltCall held = doubling(kHeld);
    holder_->call(held);
    doubler_.wait_for_entered(1);
  }
  void let_go() {
    doubler_.open();
    EXPECT_EQ(holder_->receive().code(), VAC_OK);
  }
  /// A number that the agent tells of the client's own calls.
  static std::int64_t told(RawClient& client, const char* key) {
    BuiltCall info(op("info"));
    info.out_array(VAC_CHAR, VAC_ANY_BYTES);
    const RawReply reply = client.run(info);
    const auto text = reply.data(0);
    const JsonValue json =
        parse_json({reinterpret_cast<const char*>(text.data()), text.size()}).value();
    return json.find("this_connection")->find(key)->as_i64().value();
  }
  static void wait_for_waiting(RawClient& client, std::int64_t calls) {
    while (told(client, "waiting") != calls) std::this_thread::yield();
  }
  /// Sends a call that has to wait, and returns when it does.
  static std::uint64_t queue(RawClient& client, BuiltCall call, std::uint32_t deadline_us = 0) {
    const std::int64_t before = told(client, "waiting");
    const std::uint64_t request = client.call(call, deadline_us);
    wait_for_waiting(client, before + 1);
    return request;
  }
  static void expect_result(RawClient& client, BuiltCall call, double result) {
    const RawReply reply(client.receive(), call);
    ASSERT_EQ(reply.code(), VAC_OK) << reply.text();
    ASSERT_EQ(reply.data(3).size(), sizeof result);
    EXPECT_EQ(std::memcmp(reply.data(3).data(), &result, sizeof result), 0);
  }

  test::TempDirectory folder_;
  Doubler doubler_;
  const vac_op_offer offers_[2] = {{op("minmax"), 8, 1, 0}, {op("noop"), 1, 0, 0}};
  vac_plugin table_{};
  AgentConfig config_;
  std::unique_ptr<Agent> agent_;
  std::optional<RawClient> holder_;
};

TEST_F(AgentBatches, FormOfCallsThatWaitForASlot) {
  start();
  hold_slot();
  RawClient one = client(), other = client();
  for (int i = 0; i < 5; ++i) {
    queue(one, doubling(i));
    queue(other, doubling(10 + i));
  }
  let_go();
  for (int i = 0; i < 5; ++i) {
    expect_result(one, doubling(i), 2 * i);
    expect_result(other, doubling(10 + i), 20 + 2 * i);
  }
  EXPECT_THAT(doubler_.sizes(), ElementsAre(1U, 8U, 2U)) << "as many as the plugin takes";
  EXPECT_EQ(told(one, "batched"), 5);
  EXPECT_EQ(told(one, "waiting"), 0);
}

/// A call whose number and result lie in a region, and what is known of it while it is under way.
class SharedDoubling {
 public:
  SharedDoubling(RawClient& client, test::RawRegion& region, std::size_t at, double number)
      : call_(op("minmax")), result_(region.bytes().data() + at + 64) {
    std::byte* const input = region.bytes().data() + at;
    std::memcpy(input, &number, sizeof number);
    call_.array(VAC_F64, std::vector<double>{}).scalar(VAC_I32, 1).scalar(VAC_I32, 9);
    call_.out_array_in_place(VAC_F64, 1).out_scalar(VAC_F64).out_scalar(VAC_F64);
    for (const auto& [record, data] : {std::pair(0U, input), std::pair(3U, result_)}) {
      call_.records().at(record).value = reinterpret_cast<std::uintptr_t>(data);
      call_.records().at(record).bytes = sizeof number;
    }
    client.send(RawClient::call_bytes(call_, client.next_request(), 0, &region, &placed_));
    client.skip_request();
  }
  void expect_result(RawClient& client, double result) {
    const RawReply reply(client.receive(), call_, placed_);
    ASSERT_EQ(reply.code(), VAC_OK) << reply.text();
    EXPECT_EQ(reply.header().payload_bytes, 0U);
    EXPECT_EQ(std::memcmp(result_, &result, sizeof result), 0);
  }

 private:
  BuiltCall call_;
  std::byte* result_;
  std::vector<wire::RegionResult> placed_;
};

class AgentBatchesShare : public AgentBatches, public testing::WithParamInterface<SharedInput> {};

/// Input and result of each call are its own part of its client's region.
TEST_P(AgentBatchesShare, CallsOfTwoClients) {
  config_.listeners.front().shared_input = GetParam();
  start();
  hold_slot();
  RawClient one = test::sharing_client(config_.listeners.front().address);
  RawClient other = test::sharing_client(config_.listeners.front().address);
  test::RawRegion of_one(one, 4096), of_other(other, 4096);
  std::vector<SharedDoubling> calls;
  for (int i = 0; i < 3; ++i) {
    const auto at = static_cast<std::size_t>(i) * 1024;
    calls.emplace_back(one, of_one, at, i);
    wait_for_waiting(one, i + 1);
    calls.emplace_back(other, of_other, at, 10 + i);
    wait_for_waiting(other, i + 1);
  }
  let_go();
  for (std::size_t i = 0; i < 3; ++i) {
    calls[2 * i].expect_result(one, 2.0 * static_cast<double>(i));
    calls[2 * i + 1].expect_result(other, 20 + 2.0 * static_cast<double>(i));
  }
  EXPECT_THAT(doubler_.sizes(), ElementsAre(1U, 6U));
}

INSTANTIATE_TEST_SUITE_P(Ways, AgentBatchesShare,
                         testing::Values(SharedInput::copy, SharedInput::in_place),
                         [](const auto& info) {
                           return info.param == SharedInput::copy ? "Copied" : "InPlace";
                         });

TEST_F(AgentBatches, AreNotWaitedFor) {
  start();
  RawClient one = client();
  for (int i = 0; i < 3; ++i) {
    BuiltCall call = doubling(i);
    EXPECT_EQ(one.run(call).code(), VAC_OK);
  }
  EXPECT_THAT(doubler_.sizes(), ElementsAre(1U, 1U, 1U));
  EXPECT_EQ(told(one, "batched"), 0);
}

TEST_F(AgentBatches, HaveAsManyCallsAsTheConfigurationSays) {
  start(R"({"max_batch":3})");
  hold_slot();
  RawClient one = client();
  for (int i = 0; i < 7; ++i) queue(one, doubling(i));
  let_go();
  for (int i = 0; i < 7; ++i) EXPECT_EQ(one.receive().code(), VAC_OK);
  EXPECT_THAT(doubler_.sizes(), ElementsAre(1U, 3U, 3U, 1U));
}

TEST_F(AgentBatches, HaveCallsOfOneKey) {
  start();
  hold_slot();
  RawClient one = client();
  for (const std::int32_t low : {1, 2, 1, 0, 2, 0}) queue(one, doubling(3, low));
  let_go();
  for (int i = 0; i < 6; ++i) EXPECT_EQ(one.receive().code(), VAC_OK);
  EXPECT_THAT(doubler_.lows(), ElementsAre(ElementsAre(1), ElementsAre(1, 1), ElementsAre(2, 2),
                                           ElementsAre(0), ElementsAre(0)));
}

TEST_F(AgentBatches, HaveCallsOfOneTenant) {
  start();
  hold_slot();
  RawClient one = client(0), same = client(0), other = client(1);
  queue(one, doubling(1));
  queue(other, doubling(2));
  queue(same, doubling(3));
  queue(other, doubling(4));
  let_go();
  expect_result(one, doubling(1), 2);
  expect_result(same, doubling(3), 6);
  expect_result(other, doubling(2), 4);
  expect_result(other, doubling(4), 8);
  EXPECT_THAT(doubler_.sizes(), ElementsAre(1U, 2U, 2U));
}

TEST_F(AgentBatches, APoisonedCallFailsAlone) {
  start();
  hold_slot();
  RawClient one = client(), guilty = client(), other = client();
  queue(one, doubling(1));
  queue(guilty, doubling(kPoison));
  queue(other, doubling(3));
  let_go();
  expect_result(one, doubling(1), 2);
  const RawFrame failure = guilty.receive();
  EXPECT_EQ(failure.code(), VAC_EINVAL);
  EXPECT_EQ(failure.header.detail, 5U);
  EXPECT_EQ(failure.text(), "minmax: the framework broke");
  expect_result(other, doubling(3), 6);
  EXPECT_THAT(doubler_.sizes(), ElementsAre(1U, 3U));
}

TEST_F(AgentBatches, ACallThatIsCancelledInTheQueueIsNotInOne) {
  start();
  hold_slot();
  RawClient one = client();
  queue(one, doubling(1));
  const std::uint64_t cancelled = queue(one, doubling(2));
  queue(one, doubling(3));
  one.cancel(cancelled);
  EXPECT_EQ(one.receive().code(), VAC_ECANCELED);
  let_go();
  expect_result(one, doubling(1), 2);
  expect_result(one, doubling(3), 6);
  EXPECT_THAT(doubler_.sizes(), ElementsAre(1U, 2U));
}

TEST_F(AgentBatches, ACallThatIsCancelledInOneEndsAlone) {
  start();
  hold_slot();
  RawClient one = client(), other = client();
  queue(one, doubling(1));
  const std::uint64_t cancelled = queue(other, doubling(kHeld));
  queue(one, doubling(3));
  holder_->cancel(1);  // frees the slot; the gate stays closed
  EXPECT_EQ(holder_->receive().code(), VAC_ECANCELED);
  doubler_.wait_for_entered(2);
  other.cancel(cancelled);
  EXPECT_EQ(other.receive().code(), VAC_ECANCELED);
  expect_result(one, doubling(1), 2);
  expect_result(one, doubling(3), 6);
  EXPECT_THAT(doubler_.sizes(), ElementsAre(1U, 3U));
}

TEST_F(AgentBatches, ACallWhoseTimeIsOverIsNotInOne) {
  start();
  hold_slot();
  RawClient one = client(), late = client();
  queue(one, doubling(1));
  queue(late, doubling(2), 1);  // a microsecond
  queue(one, doubling(3));
  let_go();
  EXPECT_EQ(late.receive().code(), VAC_ETIMEDOUT);
  expect_result(one, doubling(1), 2);
  expect_result(one, doubling(3), 6);
  EXPECT_THAT(doubler_.sizes(), ElementsAre(1U, 2U));
}

TEST_F(AgentBatches, AClientThatGoesTakesItsOwnCallsAlone) {
  start();
  hold_slot();
  RawClient one = client(), running = client();
  queue(one, doubling(1));
  queue(running, doubling(kHeld));
  queue(one, doubling(3));
  {
    RawClient queued = client();
    queue(queued, doubling(4));
  }
  holder_->cancel(1);
  EXPECT_EQ(holder_->receive().code(), VAC_ECANCELED);
  doubler_.wait_for_entered(2);
  running.close();
  expect_result(one, doubling(1), 2);
  expect_result(one, doubling(3), 6);
}

TEST_F(AgentBatches, DoNotHoldUpOtherOperations) {
  start();
  hold_slot();
  RawClient busy = client(), other = client();
  for (int i = 0; i < 20; ++i) queue(busy, doubling(i));
  BuiltCall noop(op("noop"));
  noop.bytes("not offered as quick");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(other.run(noop).code(), VAC_OK);
  EXPECT_THAT(doubler_.sizes(), ElementsAre(1U)) << "nothing of the slow operation has run";
  let_go();
  for (int i = 0; i < 20; ++i) EXPECT_EQ(busy.receive().code(), VAC_OK);
}

/// Many clients, and batches of whatever size comes of it.
TEST_F(AgentBatches, GiveEachClientItsOwnResults) {
  start(R"({"max_batch":4,"max_delay_us":100})");
  std::vector<std::thread> threads;
  for (int i = 0; i < 16; ++i) {
    threads.emplace_back([this, i] {
      RawClient client = this->client(i % 2 == 0 ? 0 : 1);
      for (int n = 0; n < 50; ++n) {
        const double number = i * 1000 + n;
        BuiltCall call = doubling(number, 1 + n % 2);
        client.call(call);
        expect_result(client, doubling(number, 1 + n % 2), 2 * number);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

/// Whatever becomes of the others, a call ends once, and with a code that is its own.
TEST_F(AgentBatches, HoldWhileCallsAreCancelledLateAndLeftBehind) {
  start(R"({"max_batch":4,"max_delay_us":200})");
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < 8; ++i) {
    threads.emplace_back([this, i] {
      for (unsigned round = 0; round < 20; ++round) {
        RawClient client = this->client(i % 2);
        std::vector<std::uint64_t> open;
        for (unsigned n = 0; n < 5; ++n) {
          BuiltCall call = doubling(n == 2 ? kPoison : n);
          open.push_back(client.call(call, n == 3 ? 150 : 0));
        }
        client.cancel(open[4]);
        if (round % 4 == i % 4) continue;  // leaves them behind
        while (!open.empty()) {
          const RawFrame reply = client.receive();
          const std::uint64_t request = reply.header.request;
          ASSERT_EQ(std::erase(open, request), 1U);
          // What becomes of each where it is not simply done.
          const int special[] = {VAC_OK, VAC_OK, VAC_EINVAL, VAC_ETIMEDOUT, VAC_ECANCELED};
          const int code = reply.code();
          EXPECT_TRUE(code == special[request - 1] || (code == VAC_OK && request != 3)) << code;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(agent_->stop(std::chrono::seconds(20)));
}

}  // namespace
}  // namespace vac::agent
