// SPDX-License-Identifier: Apache-2.0
// An agent in this process, with a plugin whose calls wait until the test lets them go.
#include "agent/agent.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include <array>
#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "agent/clock.hpp"
#include "base/json_text.hpp"
#include "base/mutex.hpp"
#include "core/runtime.hpp"
#include "support/raw_client.hpp"
#include "support/temp_directory.hpp"

namespace vac::agent {
namespace {

using test::BuiltCall;
using test::RawClient;
using test::RawFrame;
using test::RawReply;
using testing::HasSubstr;

std::uint32_t op(const char* name) { return find_op(name)->id; }

/// Holds calls of minmax, of which four may run, until open() or their cancel, and counts them.
class Gate {
 public:
  void open() {
    const MutexLock lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void close() {
    const MutexLock lock(mutex_);
    open_ = false;
  }
  /// Calls do not end when they are cancelled.
  void be_deaf() {
    const MutexLock lock(mutex_);
    deaf_ = true;
  }
  int pass(const vac_call& call) {
    const MutexLock lock(mutex_);
    ++entered_;
    changed_.notify_all();
    while (!open_ && (deaf_ || host()->cancelled(&call) == 0)) {
      changed_.wait_until(mutex_, std::chrono::steady_clock::now() + std::chrono::milliseconds(2));
    }
    return open_ ? VAC_OK : VAC_ECANCELED;
  }
  /// Waits until so many calls have come to the gate, since the start.
  void wait_for(int calls) {
    const MutexLock lock(mutex_);
    while (entered_ < calls) changed_.wait(mutex_);
  }
  int entered() {
    const MutexLock lock(mutex_);
    return entered_;
  }
  void set_host(const vac_host* host) { host_ = host; }
  const vac_host* host() const { return host_; }

 private:
  Mutex mutex_;
  CondVar changed_;
  bool open_ VAC_GUARDED_BY(mutex_) = false;
  bool deaf_ VAC_GUARDED_BY(mutex_) = false;
  int entered_ VAC_GUARDED_BY(mutex_) = 0;
  std::atomic<const vac_host*> host_{nullptr};
};

Gate* gate = nullptr;  // of the test that runs

int copy_first(vac_call& call) {
  const vac_arg& in = call.args[0];
  void* out = gate->host()->output(&call, 1, 0, in.bytes, VAC_I32, 0, nullptr);
  if (out == nullptr) return VAC_ENOMEM;
  if (in.bytes != 0) std::memcpy(out, reinterpret_cast<const void*>(in.value), in.bytes);
  return VAC_OK;
}

int submit(void* /*plugin*/, vac_call* const* calls, std::size_t /*count*/) {
  vac_call& call = *calls[0];
  if (call.op == op("minmax")) {
    if (const int code = gate->pass(call); code != VAC_OK) return code;
    return gate->host()->output(&call, 3, 0, 8, VAC_F64, 0, nullptr) != nullptr ? VAC_OK
                                                                                : VAC_ENOMEM;
  }
  if (call.op == op("fpga_arraycopy")) return copy_first(call);
  if (call.op == op("model_load")) {
    gate->host()->error(nullptr, &call, 42, static_cast<const char*>(call.resource_states[0]));
    return VAC_EINVAL;
  }
  return VAC_OK;
}

/// Its state is the path that it got, which its messages repeat.
int attach(void* /*plugin*/, void* /*session*/, const vac_resource_view* view, void** state) {
  *state = const_cast<char*>(view->paths[0]);
  return VAC_OK;
}

int open_plugin(const vac_host* host, const char* /*config*/, void** /*plugin*/) {
  gate->set_host(host);
  return VAC_OK;
}

class AgentTest : public testing::Test {
 protected:
  AgentTest() {
    gate = &gate_;
    offers_ = {{{op("noop"), 1, 0, VAC_OFFER_QUICK},
                {op("minmax"), 1, 4, 0},
                {op("fpga_arraycopy"), 1, 0, 0},
                {op("model_load"), 1, 0, 0}}};
    table_.struct_size = sizeof table_;
    table_.abi_major = VAC_ABI_MAJOR;
    table_.name = "gate";
    table_.version = "1";
    table_.ops = offers_.data();
    table_.op_count = offers_.size();
    table_.open = open_plugin;
    table_.resource_attach = attach;
    table_.submit = submit;
    config_.cache.directory = (folder_ / "cache").string();
    config_.models_directory = (folder_ / "models").string();
    std::filesystem::create_directory(folder_ / "models");
    config_.listeners.push_back({"unix://" + (folder_ / "agent.sock").string(), {}, {}, {}});
  }
  ~AgentTest() override {
    gate_.open();
    agent_.reset();
    gate = nullptr;
  }
  void start() {
    auto runtime = std::make_unique<core::Runtime>(core::RuntimeOptions{{}, true, {}, {}, {}});
    ASSERT_TRUE(runtime->add_plugin(table_, plugin_json_));
    auto agent = Agent::start(config_, std::move(runtime));
    ASSERT_TRUE(agent) << agent.error().message();
    agent_ = *std::move(agent);
  }
  RawClient client() { return RawClient::greeted(config_.listeners[0].address); }
  /// A number that the agent tells of the client's own calls.
  static std::int64_t times(RawClient& client, const char* key) {
    BuiltCall info(op("info"));
    info.out_array(VAC_CHAR, VAC_ANY_BYTES);
    const RawReply reply = client.run(info);
    const auto text = reply.data(0);
    const JsonValue json =
        parse_json({reinterpret_cast<const char*>(text.data()), text.size()}).value();
    return json.find("this_connection")->find(key)->as_i64().value();
  }
  static BuiltCall quick() {
    BuiltCall call(op("noop"));
    call.bytes("hello");
    return call;
  }
  static BuiltCall gated() {
    BuiltCall call(op("minmax"));
    call.array(VAC_F64, std::vector<double>{1, 2}).scalar(VAC_I32, 0).scalar(VAC_I32, 9);
    call.out_array(VAC_F64, VAC_ANY_BYTES).out_scalar(VAC_F64).out_scalar(VAC_F64);
    return call;
  }
  static BuiltCall copying(std::size_t bytes) {
    BuiltCall call(op("fpga_arraycopy"));
    call.array(VAC_I32, std::vector<std::int32_t>(bytes / 4, 7)).out_array(VAC_I32, VAC_ANY_BYTES);
    return call;
  }

  test::TempDirectory folder_;
  Gate gate_;
  std::array<vac_op_offer, 4> offers_;
  vac_plugin table_{};
  std::string plugin_json_ = "{}";
  AgentConfig config_;
  std::unique_ptr<Agent> agent_;
};

TEST_F(AgentTest, CountsTheCallsOfEachConnectionThatSucceed) {
  start();
  RawClient one = client(), other = client();
  BuiltCall short_call = quick(), long_call = copying(100), large = copying(1 << 20);
  BuiltCall unknown_model(op("model_load")), ping(op("ping"));
  unknown_model.resource(99);
  for (BuiltCall* call : {&short_call, &short_call, &long_call, &large, &ping}) {
    EXPECT_EQ(one.run(*call).code(), VAC_OK);
  }
  EXPECT_NE(one.run(unknown_model).code(), VAC_OK);
  EXPECT_EQ(times(one, "calls"), 4);
  EXPECT_EQ(times(one, "calls"), 4) << "info is none of them";
  EXPECT_GT(times(one, "plugin_ns"), 0);
  EXPECT_GE(times(one, "agent_ns"), times(one, "queue_ns") + times(one, "plugin_ns"));
  for (const char* key : {"calls", "queue_ns", "plugin_ns", "agent_ns"}) {
    EXPECT_EQ(times(other, key), 0) << key;
  }
}

TEST_F(AgentTest, TellsWaitingFromRunning) {
  start();
  RawClient busy = client(), waiting = client();
  BuiltCall slow = gated(), ping(op("ping"));
  for (int i = 0; i < 4; ++i) busy.call(slow);
  gate_.wait_for(4);
  waiting.call(slow);
  waiting.call(ping);
  EXPECT_EQ(waiting.receive().code(), VAC_OK) << "the slow call was read before";
  const std::int64_t before = now_ns();
  for (int i = 0; i < 20; ++i) EXPECT_EQ(client().run(ping).code(), VAC_OK);
  const std::int64_t least = now_ns() - before;
  gate_.open();
  for (int i = 0; i < 4; ++i) EXPECT_EQ(busy.receive().code(), VAC_OK);
  EXPECT_EQ(waiting.receive().code(), VAC_OK);
  EXPECT_GE(times(busy, "plugin_ns"), 4 * least);
  EXPECT_GE(times(waiting, "queue_ns"), least);
  EXPECT_EQ(times(waiting, "calls"), 1);
}

TEST_F(AgentTest, AnswersQuickCallsWhileOthersRun) {
  start();
  RawClient busy = client();
  BuiltCall slow = gated();
  for (int i = 0; i < 4; ++i) busy.call(slow);
  gate_.wait_for(4);
  RawClient other = client();
  BuiltCall call = quick();
  for (RawClient* asks : {&other, &busy}) {
    const std::uint64_t request = asks->call(call);
    EXPECT_EQ(asks->receive().header.request, request);
  }
  gate_.open();
  for (int i = 0; i < 4; ++i) EXPECT_EQ(busy.receive().code(), VAC_OK);
}

TEST_F(AgentTest, RunsOtherOperationsWhileThePluginHasNoSlotForOne) {
  config_.executors = 6;
  start();
  RawClient busy = client();
  BuiltCall slow = gated();
  for (int i = 0; i < 20; ++i) busy.call(slow);  // four run
  gate_.wait_for(4);
  RawClient other = client();
  BuiltCall copy = copying(1000);
  EXPECT_EQ(other.run(copy).code(), VAC_OK);
  EXPECT_EQ(gate_.entered(), 4);
  gate_.open();
  for (int i = 0; i < 20; ++i) EXPECT_EQ(busy.receive().code(), VAC_OK);
}

TEST_F(AgentTest, RunsAsManyCallsAtOnceAsTheConfigurationSays) {
  plugin_json_ = R"({"slots": 2})";
  start();
  RawClient client = this->client();
  BuiltCall slow = gated();
  for (int i = 0; i < 6; ++i) client.call(slow);
  gate_.wait_for(2);
  BuiltCall call = quick();  // not any more: it needs a slot
  client.call(call);
  BuiltCall ping(1);
  const std::uint64_t last = client.call(ping);
  std::vector<std::uint64_t> answered;
  while (answered.empty() || answered.back() != last) {
    answered.push_back(client.receive().header.request);
  }
  EXPECT_EQ(gate_.entered(), 2);
  gate_.open();
  while (answered.size() < 8) answered.push_back(client.receive().header.request);
}

TEST_F(AgentTest, ClosesAConnectionWithMoreCallsInFlightThanAgreed) {
  start();
  RawClient busy = client();
  BuiltCall slow = gated();
  for (int i = 0; i < 65; ++i) busy.call(slow);
  const RawFrame goodbye = busy.receive();
  EXPECT_EQ(goodbye.header.kind, wire::Kind::goodbye);
  EXPECT_THAT(goodbye.text(), HasSubstr("64"));
  EXPECT_FALSE(busy.receive_or_end());
}

TEST_F(AgentTest, AgreesOnTheLowerLimits) {
  config_.limits.calls_in_flight = 2;
  config_.limits.frame = 1 << 20;
  start();
  RawClient modest = client();
  BuiltCall large = copying(2 << 20);
  const RawReply refused = modest.run(large);
  EXPECT_EQ(refused.code(), VAC_EMSGSIZE);
  BuiltCall huge = copying(6 << 20);
  EXPECT_EQ(modest.run(huge).code(), VAC_EMSGSIZE);
  BuiltCall call = quick();
  EXPECT_EQ(modest.run(call).code(), VAC_OK);
  BuiltCall slow = gated();
  for (int i = 0; i < 3; ++i) modest.call(slow);
  EXPECT_EQ(modest.receive().header.kind, wire::Kind::goodbye);
}

TEST_F(AgentTest, CancelsCallsThatWaitAndCallsThatRun) {
  start();
  RawClient client = this->client();
  BuiltCall slow = gated();
  std::vector<std::uint64_t> requests;
  for (int i = 0; i < 4; ++i) requests.push_back(client.call(slow));
  gate_.wait_for(4);  // calls may overtake each other until they run
  requests.push_back(client.call(slow));
  client.cancel(requests[4]);  // waits for a slot
  RawFrame reply = client.receive();
  EXPECT_EQ(reply.header.request, requests[4]);
  EXPECT_EQ(reply.code(), VAC_ECANCELED);
  client.cancel(requests[0]);  // runs
  reply = client.receive();
  EXPECT_EQ(reply.header.request, requests[0]);
  EXPECT_EQ(reply.code(), VAC_ECANCELED);
  gate_.open();
  for (int i = 1; i < 4; ++i) EXPECT_EQ(client.receive().code(), VAC_OK);
  EXPECT_EQ(gate_.entered(), 4);
}

TEST_F(AgentTest, DoesNotStartACallWhoseTimeIsOver) {
  config_.executors = 4;
  start();
  RawClient client = this->client();
  BuiltCall slow = gated();
  for (int i = 0; i < 4; ++i) client.call(slow);
  gate_.wait_for(4);
  const std::uint64_t late = client.call(slow, 1);
  gate_.open();
  bool seen = false;
  for (int i = 0; i < 5; ++i) {
    const RawFrame reply = client.receive();
    if (reply.header.request != late) continue;
    seen = true;
    EXPECT_EQ(reply.code(), VAC_ETIMEDOUT);
  }
  EXPECT_TRUE(seen);
  EXPECT_EQ(gate_.entered(), 4);
}

TEST_F(AgentTest, CancelsTheCallsOfAClientThatIsGone) {
  start();
  {
    RawClient gone = client();
    BuiltCall slow = gated();
    for (int i = 0; i < 10; ++i) gone.call(slow);
    gate_.wait_for(4);
  }
  // The gate is closed: only cancelled calls make room.
  RawClient next = client();
  BuiltCall slow = gated();
  next.call(slow);
  gate_.wait_for(5);
  gate_.open();
  EXPECT_EQ(next.receive().code(), VAC_OK);
  EXPECT_EQ(gate_.entered(), 5) << "those that waited were never started";
}

TEST_F(AgentTest, DoesNotStartCallsOfAClientThatTakesNoAnswers) {
  start();
  RawClient greedy = client();
  constexpr int kCalls = 40;
  BuiltCall copy = copying(1 << 20);
  std::thread sender([&] {
    for (int i = 0; i < kCalls; ++i) greedy.call(copy);
  });
  RawClient other = client();
  BuiltCall call = quick();
  for (int i = 0; i < 200; ++i) EXPECT_EQ(other.run(call).code(), VAC_OK);
  sender.join();
  for (int i = 0; i < kCalls; ++i) EXPECT_EQ(greedy.receive().code(), VAC_OK);
}

/// Returns when the agent has received all that the client has sent.
void wait_until_taken(RawClient& client) {
  for (int left = 1; left != 0; std::this_thread::yield()) {
    ASSERT_EQ(::ioctl(client.channel().descriptor(), SIOCOUTQ, &left), 0);
  }
}

TEST_F(AgentTest, SendsLongRepliesInTurnsWithShortOnes) {
  start();
  RawClient client = this->client();
  BuiltCall copy = copying(24 << 20);
  BuiltCall call = quick();
  const std::uint64_t large = client.call(copy);
  std::vector<std::uint64_t> order;
  bool announced = false;
  std::uint64_t left = 0;
  std::uint64_t small = 0;
  do {
    const RawFrame frame = *client.receive_or_end();
    ASSERT_EQ(frame.code(), VAC_OK) << frame.text();
    if (frame.header.kind == wire::Kind::reply && frame.header.request == large) {
      announced = true;
      left = frame.header.payload_bytes;
      small = client.call(call);
      wait_until_taken(client);
    } else if (frame.header.kind == wire::Kind::data) {
      left -= frame.header.payload_bytes;
    } else {
      EXPECT_EQ(frame.header.request, small);
      EXPECT_GT(left, 0U) << "the short reply waited for the long one";
      small = 0;
    }
  } while (!announced || left != 0 || small != 0);
}

TEST_F(AgentTest, KeepsItsPathsToItself) {
  std::ofstream(folder_ / "models" / "lite0.pt") << "weights";
  start();
  RawClient client = this->client();
  BuiltCall open(op("resource_open"));
  open.string("model://lite0").string("{}").out_scalar(VAC_U64).out_array(VAC_CHAR, VAC_ANY_BYTES);
  const RawReply opened = client.run(open);
  ASSERT_EQ(opened.code(), VAC_OK) << opened.text();
  BuiltCall load(op("model_load"));
  load.resource(opened.scalar(2));
  const RawReply loaded = client.run(load);
  EXPECT_EQ(loaded.code(), VAC_EINVAL);
  EXPECT_EQ(loaded.header().detail, 42U);
  EXPECT_THAT(loaded.text(), HasSubstr("lite0.pt"));
  EXPECT_THAT(loaded.text(), testing::Not(HasSubstr(folder_.path().string())));
}

TEST_F(AgentTest, FinishesRunningCallsWhenItStops) {
  start();
  RawClient client = this->client();
  BuiltCall slow = gated();
  for (int i = 0; i < 4; ++i) client.call(slow);
  gate_.wait_for(4);
  std::thread stopper([&] { EXPECT_TRUE(agent_->stop(std::chrono::seconds(20))); });
  gate_.open();
  for (int i = 0; i < 4; ++i) {
    const RawFrame reply = client.receive();
    EXPECT_EQ(reply.header.kind, wire::Kind::reply);
    EXPECT_EQ(reply.code(), VAC_OK);
  }
  EXPECT_EQ(client.receive().header.kind, wire::Kind::goodbye);
  EXPECT_FALSE(client.receive_or_end());
  stopper.join();
  EXPECT_FALSE(std::filesystem::exists(folder_ / "agent.sock"));
}

TEST_F(AgentTest, TellsWhenACallDoesNotEnd) {
  start();
  RawClient client = this->client();
  BuiltCall slow = gated();
  client.call(slow);
  gate_.wait_for(1);
  gate_.be_deaf();
  EXPECT_FALSE(agent_->stop(std::chrono::milliseconds(10)));
}

TEST_F(AgentTest, ServesSixtyFourClientsOfAllKindsAtOnce) {
  gate_.open();
  start();
  std::atomic<int> right{0};
  std::vector<std::thread> threads;
  constexpr int kRounds = 20;
  for (int i = 0; i < 64; ++i) {
    threads.emplace_back([&, i] {
      RawClient client = this->client();
      BuiltCall calls[] = {quick(), gated(), copying(1000),
                           copying(static_cast<std::size_t>(i) * 4000)};
      for (int round = 0; round < kRounds; ++round) {
        // Several in flight; each is answered exactly once.
        std::vector<std::uint64_t> open;
        for (BuiltCall& call : calls) open.push_back(client.call(call));
        while (!open.empty()) {
          const RawFrame reply = client.receive();
          if (std::erase(open, reply.header.request) != 1 || reply.code() != VAC_OK) return;
        }
        ++right;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, 64 * kRounds);
}

/// Everything at once, and the agent is stopped in the middle of it.
TEST_F(AgentTest, StopsWhileClientsComeAndGo) {
  gate_.open();
  for (int round = 0; round < 5; ++round) {
    start();
    std::atomic<bool> over{false};
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&, i] {
        while (!over) {
          try {
            RawClient client = this->client();
            for (int n = 0; n < 30; ++n) {
              BuiltCall call = n % 5 == 0 ? gated() : n % 7 == 0 ? copying(300'000) : quick();
              if (i % 4 == 3 && n == 20) {
                client.call(call);
                break;
              }
              (void)client.run(call);
            }
          } catch (const std::exception&) {  // the agent is stopping
            return;
          }
        }
      });
    }
    gate_.wait_for(gate_.entered() + 10);
    EXPECT_TRUE(agent_->stop(std::chrono::seconds(20)));
    agent_.reset();
    over = true;
    for (std::thread& thread : threads) thread.join();
  }
}

}  // namespace
}  // namespace vac::agent
