// SPDX-License-Identifier: Apache-2.0
#include "simulation/traffic.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <map>
#include <memory>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "agent/agent.hpp"
#include "base/futex_word.hpp"
#include "base/mutex.hpp"
#include "base/process_number.hpp"
#include "base/sha256.hpp"
#include "core/runtime.hpp"
#include "core/visit.hpp"
#include "simulation/tally.hpp"
#include "support/built_call.hpp"
#include "support/random.hpp"
#include "support/temp_directory.hpp"

namespace vac::simulation {
namespace {

using test::BuiltCall;
using test::Random;

constexpr std::uint64_t kMemory = std::uint64_t{32} << 20;
constexpr std::size_t kLargest = std::size_t{5} << 20;  // more than a frame carries itself

constexpr std::size_t kMostSessions = 8;
constexpr unsigned kMostSubmitted = 8;  // by a thread at once
constexpr std::size_t kLargestOfMany = 65'536;
constexpr std::chrono::seconds kPatience{60};

std::int64_t now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

std::uint32_t op(std::string_view name) { return find_op(name)->id; }

/// Shuts some socket of this process down that is no listener; false where there is none.
bool cut_some_connection(Random& random) {
  constexpr int kMostDescriptors = 256;
  std::vector<int> sockets;
  for (int fd = 3; fd < kMostDescriptors; ++fd) {
    int listens = 0;
    socklen_t size = sizeof listens;
    if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens == 0) {
      sockets.push_back(fd);
    }
  }
  if (sockets.empty()) return false;
  ::shutdown(sockets[random.below(sockets.size())], SHUT_RDWR);
  return true;
}

class Outputs final : public core::OutputSink {
 public:
  void* output(vac_call& /*call*/, std::uint32_t arg, std::uint32_t /*child*/, std::uint64_t bytes,
               std::uint8_t /*type*/, std::uint8_t /*rank*/,
               const std::int64_t* /*dims*/) noexcept override {
    std::vector<std::byte>& memory = made_[arg];
    memory.assign(bytes, std::byte{0});
    return memory.data();
  }
  std::span<const std::byte> of(std::uint32_t arg) { return made_[arg]; }

 private:
  std::map<std::uint32_t, std::vector<std::byte>> made_;
};

/// What a thread asks for next.
struct Question {
  explicit Question(std::uint32_t id) : call(id) {}

  BuiltCall call;
  std::uint64_t tag = 0;  ///< 0: the plugin does not count it
  std::vector<std::byte> content;
  std::uint32_t answer_arg = 0;  ///< 0: no answer to compare
  std::vector<std::byte> answer;
  bool has_resource = false;
};

/// A question on its way, with what is there for its answer.
struct Asked final : core::TakenCall {
  explicit Asked(Question asked) : question(std::move(asked)) {}

  void on_end(int code) noexcept override {
    code_ = code;
    const FutexWord& ended = ended_;
    ended_.store(1);
    ended.wake_all();
  }
  int wait() const {
    while (ended_.load() == 0) ended_.wait(0);
    return code_;
  }

  Question question;
  vac_call* call = nullptr;
  Outputs outputs;
  core::CallContext context;
  std::unique_ptr<core::Resource> resource;
  std::array<core::Resource*, 1> resources{};

 private:
  int code_ = VAC_OK;
  FutexWord ended_;
};

std::size_t size_of_next(Random& random) {
  if (random.one_in(100)) return kLargest - random.below(4096) * 8;
  if (random.one_in(10)) return random.below(300'000) / 8 * 8 + 8;
  if (random.one_in(4)) return random.below(20'000) / 8 * 8 + 8;
  return random.below(64) / 8 * 8 + 8;
}

class Traffic {
 public:
  explicit Traffic(const TrafficPlan& plan) : plan_(plan) {
    auto runtime = std::make_unique<core::Runtime>(core::RuntimeOptions{{}, true, {}, {}, {}});
    EXPECT_TRUE(runtime->add_plugin(tally_.table()));
    agent::AgentConfig config;
    config.listeners.push_back({plan.address, {}, {}, {}});
    config.cache.directory = (folder_ / "cache").string();
    config.limits.memory = config.limits.frame = kMemory;
    config.executors = 2;
    auto agent = agent::Agent::start(std::move(config), std::move(runtime));
    EXPECT_TRUE(agent) << agent.error().message();
    agent_ = *std::move(agent);
    EXPECT_TRUE(clients_.add_plugin(*vac_plugin_entry(VAC_ABI_MAJOR, VAC_ABI_MINOR)));
    core::prepare_visits();
  }
  ~Traffic() {
    for (std::atomic<core::Session*>& place : sessions_) delete place.load();
  }
  Traffic(const Traffic&) = delete;
  Traffic& operator=(const Traffic&) = delete;

  TrafficReport run() {
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < plan_.threads; ++i) {
      threads.emplace_back([this, i] { ask_all(i); });
    }
    for (std::thread& thread : threads) thread.join();
    for (std::atomic<core::Session*>& place : sessions_) delete place.exchange(nullptr);
    check_nothing_is_left();
    EXPECT_TRUE(agent_->stop(std::chrono::seconds(60)));
    agent_.reset();
    EXPECT_EQ(tally_.open_sessions(), 0);
    EXPECT_EQ(tally_.open_resources(), 0);
    const MutexLock lock(mutex_);
    report_.plugin_cancels = tally_.cancels();
    return report_;
  }

 private:
  void ask_all(unsigned thread) {
    Random random(plan_.seed * 1000 + thread);
    const unsigned calls =
        plan_.calls / plan_.threads + (thread < plan_.calls % plan_.threads ? 1 : 0);
    for (unsigned asked = 0; asked < calls;) {
      if (plan_.cuts && random.one_in(30) && cut_some_connection(random)) {
        const MutexLock lock(mutex_);
        ++report_.cuts;
      }
      const std::size_t which = random.below(plan_.sessions);
      core::Session* const seen = sessions_[which].load();
      if (seen == nullptr || random.one_in(20)) replace(which, seen);
      const unsigned most = std::min(kMostSubmitted, calls - asked);
      asked += ask(which, random, (std::uint64_t{thread} + 1) << 32 | (asked + 1), most);
    }
  }

  /// Closes a session, though others may be calling in it, and opens another instead. Without
  /// effect where somebody else does.
  void replace(std::size_t which, core::Session* old) {
    std::atomic<core::Session*>& place = sessions_[which];
    if (old != nullptr) {
      if (!place.compare_exchange_strong(old, nullptr)) return;
      EXPECT_TRUE(core::end_visits(*old, kPatience)) << "seed " << plan_.seed;
      delete old;
    }
    core::SessionOptions options;
    options.address = plan_.address;
    auto opened = clients_.open_session(std::move(options));
    if (!opened) {
      EXPECT_TRUE(plan_.cuts || opened.error().code() == Errc::timed_out)
          << opened.error().message() << ", seed " << plan_.seed;
      return;
    }
    core::Session* none = nullptr;
    core::Session* const session = opened->release();
    if (!place.compare_exchange_strong(none, session)) delete session;
  }

  static Question next_question(Random& random, std::uint64_t tag, std::size_t most_bytes) {
    const auto kind = random.below(10);
    std::vector<std::byte> data(kind < 4 ? std::min(size_of_next(random), most_bytes) : 8);
    std::memcpy(data.data(), &tag, sizeof tag);
    if (kind == 9) {
      Question question(op("model_describe"));
      question.content.resize(random.below(std::size_t{3} << 20) + 1);
      random.fill(
          std::span(question.content).first(std::min<std::size_t>(100, question.content.size())));
      question.has_resource = true;
      question.call.resource(0).out_array(VAC_CHAR, VAC_ANY_BYTES);
      const std::string digest = sha256_hex(question.content);
      question.answer_arg = 1;
      question.answer.resize(digest.size());
      std::memcpy(question.answer.data(), digest.data(), digest.size());
      return question;
    }
    if (kind < 4) {
      Question question(op("fpga_arraycopy"));
      question.call.array(VAC_I32, data).out_array(VAC_I32, VAC_ANY_BYTES);
      question.answer_arg = 1;
      question.answer = std::move(data);
      question.tag = tag;
      return question;
    }
    if (kind < 7) {
      Question question(op("noop"));
      question.call.array(VAC_BYTE, data);
      question.tag = tag;
      return question;
    }
    Question question(op("minmax"));
    question.call.array(VAC_F64, data).scalar(VAC_I32, 0).scalar(VAC_I32, 9);
    question.call.out_array(VAC_F64, VAC_ANY_BYTES).out_scalar(VAC_F64).out_scalar(VAC_F64);
    question.answer_arg = 3;
    question.answer = std::move(data);
    question.tag = tag;
    return question;
  }

  /// How many questions were asked, one that is waited for in the call or several that are
  /// submitted; 0: there is no session.
  unsigned ask(std::size_t which, Random& random, std::uint64_t tag, unsigned most) {
    core::Session* lost = nullptr;
    unsigned count = 0;
    {
      core::Visit visit(sessions_[which], process_number());
      if (visit.session() == nullptr) return 0;
      count = random.one_in(2) ? 1 : 1 + static_cast<unsigned>(random.below(most));
      const bool submits = random.one_in(2);
      std::vector<std::unique_ptr<Asked>> asked;
      for (unsigned i = 0; i < count; ++i) {
        // All that are on their way at once have room in the agent.
        asked.push_back(std::make_unique<Asked>(
            next_question(random, tag + i, i == 0 ? kLargest : kLargestOfMany)));
        prepare(*asked.back(), visit, random);
        if (submits && submit(*visit.session(), *asked.back()) && random.one_in(10)) {
          cancel(*visit.session(), *asked.back());
        }
      }
      for (const auto& one : asked) {
        const int code = submits ? one->wait() : dispatch(*visit.session(), *one);
        check_result(one->question, one->outputs, code);
        if (code == VAC_EREMOTEIO) lost = visit.session();
        const MutexLock lock(mutex_);
        count_outcome(*one, code, sessions_[which] != visit.session());
      }
    }
    if (lost != nullptr) replace(which, lost);
    return count;
  }

  static void prepare(Asked& asked, core::Visit& visit, Random& random) {
    asked.context.sink = &asked.outputs;
    asked.context.visit = &visit;
    if (asked.question.has_resource) {
      asked.resource = visit.session()->add_resource(
          core::ResourceData::from_bytes(asked.question.content, "{}").value());
      asked.resources[0] = asked.resource.get();
      asked.context.resources = asked.resources;
    }
    vac_call& call = asked.question.call.call();
    asked.call = &call;
    call.flags = random.one_in(4) ? VAC_CALL_INTERRUPTIBLE : 0;
    if (random.one_in(3)) {
      const std::int64_t patience = random.one_in(2) ? 300'000 : 5'000'000;
      call.deadline_ns = now_ns() + static_cast<std::int64_t>(random.below(patience));
    }
  }

  static int dispatch(core::Session& session, Asked& asked) {
    return session.dispatch(*asked.call, asked.context);
  }

  /// As the C interface does it, but that this thread runs what no plugin takes.
  static bool submit(core::Session& session, Asked& asked) {
    if (session.start(*asked.call, asked.context, asked)) return true;
    asked.on_end(dispatch(session, asked));
    return false;
  }

  static void cancel(core::Session& session, Asked& asked) {
    asked.context.cancel();
    session.cancel_taken(*asked.call);
  }

  void check_result(const Question& question, Outputs& outputs, int code) {
    if (question.tag != 0) {
      const Tally::Count count = tally_.count(question.tag);
      EXPECT_LE(count.started, 1U) << "seed " << plan_.seed;
      EXPECT_EQ(count.ended, code == VAC_OK ? 1U : count.ended) << "seed " << plan_.seed;
    }
    if (code != VAC_OK || question.answer_arg == 0) return;
    const auto answer = outputs.of(question.answer_arg);
    EXPECT_TRUE(answer.size() == question.answer.size() &&
                std::memcmp(answer.data(), question.answer.data(), answer.size()) == 0)
        << "seed " << plan_.seed;
  }

  void count_outcome(const Asked& asked, int code, bool closed) VAC_REQUIRES(mutex_) {
    const vac_call& call = *asked.call;
    const std::string& message = asked.context.message;
    ++report_.calls;
    if (code == VAC_OK) {
      ++report_.succeeded;
    } else if (code == VAC_ETIMEDOUT) {
      EXPECT_NE(call.deadline_ns, 0) << message << ", seed " << plan_.seed;
      ++report_.timed_out;
    } else if (code == VAC_EINTR) {
      EXPECT_NE(call.flags & VAC_CALL_INTERRUPTIBLE, 0U) << message << ", seed " << plan_.seed;
      ++report_.interrupted;
    } else if (code == VAC_ECANCELED) {
      EXPECT_TRUE(closed || call.deadline_ns != 0 || asked.context.cancelled)
          << message << ", seed " << plan_.seed;
      ++report_.cancelled;
    } else {
      EXPECT_EQ(code, VAC_EREMOTEIO) << message << ", seed " << plan_.seed;
      EXPECT_TRUE(plan_.cuts) << message << ", seed " << plan_.seed;
      ++report_.lost;
    }
  }

  /// A call that takes nearly all memory of the tenant is served, so nobody else has any.
  void check_nothing_is_left() {
    constexpr int kPatience = 1000;
    for (int i = 0; i < kPatience && (tally_.open_calls() != 0 || tally_.open_sessions() != 0);
         ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    EXPECT_EQ(tally_.open_calls(), 0U) << "seed " << plan_.seed;
    EXPECT_EQ(tally_.open_sessions(), 0) << "seed " << plan_.seed;
    core::SessionOptions options;
    options.address = plan_.address;
    auto session = clients_.open_session(std::move(options));
    ASSERT_TRUE(session) << session.error().message() << ", seed " << plan_.seed;
    std::vector<std::byte> data(kMemory - (std::size_t{1} << 20));
    BuiltCall big(op("noop"));
    big.array(VAC_BYTE, data);
    core::CallContext context;
    EXPECT_EQ((*session)->dispatch(big.call(), context), VAC_OK)
        << context.message << ", seed " << plan_.seed;
  }

  const TrafficPlan plan_;
  test::TempDirectory folder_;
  Tally tally_;
  std::unique_ptr<agent::Agent> agent_;
  core::Runtime clients_{core::RuntimeOptions{{}, true, {}, {}, {}}};
  std::array<std::atomic<core::Session*>, kMostSessions> sessions_{};
  Mutex mutex_;
  TrafficReport report_ VAC_GUARDED_BY(mutex_);
};

}  // namespace

TrafficReport& TrafficReport::operator+=(const TrafficReport& other) {
  calls += other.calls;
  succeeded += other.succeeded;
  timed_out += other.timed_out;
  cancelled += other.cancelled;
  interrupted += other.interrupted;
  lost += other.lost;
  cuts += other.cuts;
  plugin_cancels += other.plugin_cancels;
  return *this;
}

std::ostream& operator<<(std::ostream& out, const TrafficReport& report) {
  return out << "calls=" << report.calls << " succeeded=" << report.succeeded
             << " timed_out=" << report.timed_out << " cancelled=" << report.cancelled
             << " interrupted=" << report.interrupted << " lost=" << report.lost
             << " cuts=" << report.cuts << " plugin_cancels=" << report.plugin_cancels;
}

TrafficReport run_traffic(const TrafficPlan& plan) { return Traffic(plan).run(); }

}  // namespace vac::simulation
