// SPDX-License-Identifier: Apache-2.0
// Calls that are submitted by many threads, and cancelled, late, closed under, or cut off by the
// agent's death: each ends once, with the right result or a reason that it can have.
#include <gtest/gtest.h>
#include <stdlib.h>
#include <vac/vac.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "support/agent_process.hpp"
#include "support/load.hpp"
#include "support/process_state.hpp"
#include "support/random.hpp"
#include "support/temp_directory.hpp"

namespace vac {
namespace {

using test::AgentProcess;
using test::Random;

constexpr std::uint64_t kSeed = 20261128;
constexpr std::uint64_t kCalls = 1'000'000;
constexpr std::uint64_t kAgents = 200;
constexpr unsigned kThreads = 4;
constexpr std::size_t kMostAtOnce = 400;

/// VAC_SEED replays a run, as far as threads and processes can be replayed.
std::uint64_t seed() {
  const char* const text = ::getenv("VAC_SEED");
  const std::uint64_t seed = text == nullptr ? kSeed : std::stoull(text);
  std::printf("seed %llu (VAC_SEED)\n", static_cast<unsigned long long>(seed));
  return seed;
}

struct Counts {
  std::atomic<std::uint64_t> submitted{0}, succeeded{0}, cancelled{0}, timed_out{0}, lost{0};
};

/// One call, which must stay until it is finished.
struct Job {
  std::uint64_t microseconds = 0;
  std::vector<std::int32_t> input, output;
  std::size_t count = 0;
  std::atomic<unsigned> told{0};
  bool timed = false, cancelled = false;
  vac_call_handle* call = nullptr;
};

void on_done(void* user, vac_call_handle* /*call*/, int /*code*/) {
  static_cast<Job*>(user)->told.fetch_add(1);
}

/// One thread's sessions and calls. Confined to it.
class Client {
 public:
  Client(std::string address, std::uint64_t seed, Counts& counts)
      : address_(std::move(address)), random_(seed), counts_(counts) {}
  ~Client() { vac_session_close(session_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// Submits up to so many calls, does something to them, and finishes them all. Returns how many
  /// there were; none while there is no agent.
  std::size_t round(std::uint64_t most) {
    if (session_ == nullptr && !open()) return 0;
    jobs_.clear();
    const std::uint64_t count = 1 + random_.below(std::min<std::uint64_t>(most, kMostAtOnce));
    const bool closed = random_.one_in(20);
    std::thread closer;
    if (closed) closer = std::thread([this, rest = random_.below(200)] { close_after(rest); });
    for (std::uint64_t i = 0; i < count && submit(closed); ++i) {
    }
    for (const std::unique_ptr<Job>& job : jobs_) {
      if (!random_.one_in(16)) continue;
      job->cancelled = true;
      vac_call_cancel(job->call);
    }
    if (closed) closer.join();
    bool lost = false;
    while (!jobs_.empty()) {
      const auto chosen = jobs_.begin() + static_cast<std::ptrdiff_t>(
                                              random_.one_in(4) ? random_.below(jobs_.size()) : 0);
      lost = finish(**chosen, closed) == VAC_EREMOTEIO || lost;
      jobs_.erase(chosen);
    }
    if (closed) session_ = nullptr;
    if (lost) close();
    return count;
  }

 private:
  bool open() {
    const int code = vac_session_open(address_.c_str(), nullptr, &session_);
    if (code == VAC_OK) return true;
    session_ = nullptr;
    EXPECT_TRUE(code == VAC_ECONNREFUSED || code == VAC_ECONNRESET || code == VAC_ETIMEDOUT)
        << vac_error_message();
    return false;
  }
  void close() {
    vac_session_close(session_);
    session_ = nullptr;
  }

  /// While the client's thread is submitting.
  void close_after(std::uint64_t yields) {
    for (std::uint64_t i = 0; i < yields; ++i) std::this_thread::yield();
    vac_session_close(session_);
  }

  /// False: the session takes no more.
  bool submit(bool closed) {
    auto job = std::make_unique<Job>();
    vac_call_options options{};
    options.struct_size = sizeof options;
    options.done = on_done;
    options.user = job.get();
    if (random_.one_in(8)) {
      job->timed = true;
      options.timeout_ms = 1 + static_cast<std::uint32_t>(random_.below(20));
    }
    int code = VAC_OK;
    if (random_.one_in(3)) {
      job->input.resize(next_size());
      random_.fill(std::as_writable_bytes(std::span(job->input)));
      job->output.resize(job->input.size());
      code = vac_fpga_arraycopy_submit(session_, &options, job->input.data(), job->input.size(),
                                       job->output.data(), job->output.size(), &job->count,
                                       &job->call);
    } else {
      if (random_.one_in(50)) job->microseconds = random_.below(2000);
      code = vac_noop_submit(session_, &options, &job->microseconds, sizeof job->microseconds,
                             &job->call);
    }
    if (code != VAC_OK) {
      EXPECT_TRUE(code == VAC_EREMOTEIO || (closed && code == VAC_EBADF)) << vac_error_message();
      EXPECT_EQ(job->told, 0U);
      return false;
    }
    jobs_.push_back(std::move(job));
    return true;
  }

  /// In integers: now and then more than a socket takes at once, or a frame.
  std::size_t next_size() {
    if (random_.one_in(500)) return 1 + random_.below(1'000'000);
    if (random_.one_in(50)) return 1 + random_.below(80'000);
    return 1 + random_.below(64);
  }

  int finish(Job& job, bool closed) {
    const int code = vac_call_finish(job.call);
    EXPECT_EQ(job.told, 1U) << "told of a call more or less often than once";
    ++counts_.submitted;
    switch (code) {
      case VAC_OK:
        ++counts_.succeeded;
        EXPECT_EQ(job.count, job.input.size());
        EXPECT_EQ(job.output, job.input);
        break;
      case VAC_ECANCELED:
        ++counts_.cancelled;
        EXPECT_TRUE(job.cancelled || closed) << vac_error_message();
        break;
      case VAC_ETIMEDOUT:
        ++counts_.timed_out;
        EXPECT_TRUE(job.timed) << vac_error_message();
        break;
      default:
        ++counts_.lost;
        EXPECT_EQ(code, VAC_EREMOTEIO) << vac_error_message();
    }
    return code;
  }

  const std::string address_;
  Random random_;
  Counts& counts_;
  vac_session* session_ = nullptr;
  std::vector<std::unique_ptr<Job>> jobs_;
};

TEST(Submitted, CallsEndOnceWhateverHappensToThemAndTheirAgent) {
  ::setenv("VAC_PLUGINS", "noop", 1);
  const std::uint64_t calls = test::load_count(kCalls);
  const std::uint64_t agents = test::load_count(kAgents);
  const test::TempDirectory folder;
  const std::string address = "unix://" + (folder / "agent.sock").string();
  const auto start_agent = [&] {
    return std::make_unique<AgentProcess>(
        std::vector<std::string>{"--plugin", "mbench,reference", "--listen", address});
  };
  Random random(seed());
  auto agent = start_agent();
  Counts counts;
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, number = random.next()] {
      Client client(address, number, counts);
      while (!testing::Test::HasFailure() && counts.submitted < calls) {
        if (client.round(calls) == 0) std::this_thread::yield();
      }
    });
  }
  std::uint64_t killed = 0;
  while (!testing::Test::HasFailure() && counts.submitted < calls) {
    const std::uint64_t goal = counts.submitted + random.below(2 * calls / agents);
    const auto there = [&] {
      return counts.submitted >= std::min(goal, calls) || testing::Test::HasFailure();
    };
    ASSERT_TRUE(test::eventually(there, 300)) << "calls hang";
    if (counts.submitted >= calls) break;
    agent->kill();
    agent = start_agent();
    ++killed;
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(counts.succeeded, 0U);
  EXPECT_EQ(counts.submitted, counts.succeeded + counts.cancelled + counts.timed_out + counts.lost);
  std::printf(
      "soak: submitted calls=%llu succeeded=%llu cancelled=%llu timed_out=%llu lost=%llu "
      "agents_killed=%llu\n",
      static_cast<unsigned long long>(counts.submitted),
      static_cast<unsigned long long>(counts.succeeded),
      static_cast<unsigned long long>(counts.cancelled),
      static_cast<unsigned long long>(counts.timed_out),
      static_cast<unsigned long long>(counts.lost), static_cast<unsigned long long>(killed));
  EXPECT_EQ(agent->stop(), 0) << agent->log();
}

}  // namespace
}  // namespace vac
