// SPDX-License-Identifier: Apache-2.0
// Clients and agents that are killed at any moment: those who are left lose nothing but the killed
// one's part.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <atomic>
#include <cstdio>
#include <deque>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "as_before.hpp"
#include "base/sha256.hpp"
#include "child_process.hpp"
#include "random_work.hpp"
#include "support/agent_process.hpp"
#include "support/load.hpp"
#include "support/process_state.hpp"
#include "support/temp_directory.hpp"
#include "support/test_paths.hpp"

namespace vac {
namespace {

namespace fs = std::filesystem;
using test::AgentProcess;
using test::ChildProcess;
using test::ProcessState;
using test::Random;
using test::RandomWork;

constexpr std::uint64_t kSeed = 20261122;

/// VAC_SEED replays a run.
std::uint64_t seed() {
  const char* const text = ::getenv("VAC_SEED");
  const std::uint64_t seed = text == nullptr ? kSeed : std::stoull(text);
  std::printf("seed %llu (VAC_SEED)\n", static_cast<unsigned long long>(seed));
  return seed;
}

/// A small cache that outlives its agents.
class Killed : public testing::Test {
 protected:
  Killed() {
    ::setenv("VAC_PLUGINS", "noop", 1);
    std::ofstream(folder_ / "agent.toml")
        << "[cache]\ndirectory = \"" << cache().string() << "\"\nsize = \"256MiB\"\n";
  }
  fs::path cache() const { return folder_ / "cache"; }
  /// Listens at address() too, which is always the same.
  std::unique_ptr<AgentProcess> start_agent() {
    return std::make_unique<AgentProcess>(std::vector<std::string>{
        "--plugin", "noop", "--config", (folder_ / "agent.toml").string(), "--listen", address()});
  }
  std::string address() const { return "unix://" + (folder_ / "agent.sock").string(); }

  /// Every file that is in the cache under a digest has it, and none is there by half.
  void expect_whole_cache() {
    std::size_t files = 0;
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(cache())) {
      const std::string name = entry.path().filename().string();
      if (!entry.is_regular_file() || name == "lock") continue;
      EXPECT_FALSE(name.starts_with("incoming-")) << entry.path();
      const Fd file(::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC));
      EXPECT_EQ(sha256_fd(file.get(), name).value(), name);
      ++files;
    }
    EXPECT_GT(files, 0U) << "nothing was ever uploaded";
  }

  test::TempDirectory folder_;
};

/// Threads that work as long as they are let, and count.
class Witnesses {
 public:
  Witnesses(const std::string& address, std::size_t count, bool may_lose_agent) {
    for (std::size_t i = 0; i < count; ++i) {
      threads_.emplace_back([=, this] { work(address, i, may_lose_agent); });
    }
  }
  ~Witnesses() { stop(); }
  Witnesses(const Witnesses&) = delete;
  Witnesses& operator=(const Witnesses&) = delete;

  void stop() {
    over_ = true;
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }
  std::uint64_t steps() const { return steps_; }
  std::uint64_t lost() const { return lost_; }
  std::uint64_t refused() const { return refused_; }
  bool failed() const { return failed_; }

 private:
  void work(const std::string& address, std::uint64_t number, bool may_lose_agent) {
    RandomWork work(address, number);
    while (!over_ && !failed_) {
      const bool was_open = work.is_open();
      const Status done = was_open ? work.step() : work.open();
      if (done) {
        steps_ += was_open ? 1 : 0;
        continue;
      }
      EXPECT_TRUE(may_lose_agent) << done.error().message();
      if (work.is_open()) {
        expect_lost(done.error());
        ++lost_;
      } else {  // its own step may have been to open another session
        expect_not_there(done.error());
        ++refused_;
      }
      work.close();
    }
  }
  void expect_lost(const Error& error) {
    EXPECT_EQ(error.code(), Errc::remote_io) << error.message();
    EXPECT_THAT(error.text(), testing::HasSubstr("was lost (the agent ended or was killed)"));
    EXPECT_THAT(error.text(), testing::HasSubstr("open the session again"));
    if (error.code() != Errc::remote_io) failed_ = true;
  }
  void expect_not_there(const Error& error) {
    const bool refused = error.code() == Errc::connection_refused;
    EXPECT_TRUE(refused || error.code() == Errc::connection_reset) << error.message();
    if (!refused && error.code() != Errc::connection_reset) failed_ = true;
  }

  std::atomic<bool> over_{false}, failed_{false};
  std::atomic<std::uint64_t> steps_{0}, lost_{0}, refused_{0};
  std::vector<std::thread> threads_;
};

/// Starts clients, so many at a time, and kills each after a random part of its work.
class Storm {
 public:
  Storm(std::string address, std::uint64_t seed) : address_(std::move(address)), random_(seed) {}

  void run(std::uint64_t clients) {
    constexpr std::size_t kAtATime = 6;
    for (std::uint64_t started = 0; killed_ < clients && failed_ == 0;) {
      while (started < clients && running_.size() < kAtATime) {
        start();
        ++started;
      }
      watch();
    }
  }
  std::uint64_t killed() const { return killed_; }
  std::uint64_t failed() const { return failed_; }

 private:
  struct Running {
    std::unique_ptr<ChildProcess> process;
    std::int64_t left;  // bytes of its output until it is killed
  };

  void start() {
    const char* const what = random_.pick({"work", "work", "work", "work", "hello", "frame"});
    auto process = std::make_unique<ChildProcess>(
        std::vector<std::string>{(test::build_directory() / "test" / "busy_client").string(),
                                 address_, what, std::to_string(random_.next() >> 1U)});
    // One who stays in the middle of something says only so much.
    const auto most = what == std::string("work") ? 24U : 3U;
    running_.push_back({std::move(process), static_cast<std::int64_t>(random_.below(most))});
  }
  /// Waits for output of any, and kills those who have said enough.
  void watch() {
    std::vector<pollfd> polled;
    for (const Running& client : running_) {
      polled.push_back({client.process->output(), POLLIN, 0});
    }
    const bool waits = std::ranges::none_of(running_, [](const Running& c) { return c.left <= 0; });
    if (::poll(polled.data(), polled.size(), waits ? kPatienceMs : 0) == 0 && waits) {
      ADD_FAILURE() << "no client gets on";
      ++failed_;
      return;
    }
    for (std::size_t i = 0; i < polled.size(); ++i) {
      if (polled[i].revents == 0) continue;
      const ssize_t said = running_[i].process->read_output();
      running_[i].left = said < 0 ? 0 : running_[i].left - said;
    }
    std::erase_if(running_, [this](Running& client) {
      if (client.left > 0) return false;
      const bool killed = client.process->kill();
      EXPECT_TRUE(killed) << "a client ended by itself";
      ++(killed ? killed_ : failed_);
      return true;
    });
  }

  static constexpr int kPatienceMs = 300'000;
  const std::string address_;
  Random random_;
  std::vector<Running> running_;
  std::uint64_t killed_ = 0, failed_ = 0;
};

TEST_F(Killed, ClientsLeaveNothingBehindInTheAgent) {
  const std::uint64_t clients = test::load_count(1000);
  const auto agent = start_agent();
  const ProcessState before = test::state_of(agent->pid());
  std::uint64_t steps = 0;
  {
    Witnesses witnesses(address(), 2, false);
    Storm storm(address(), seed());
    storm.run(clients);
    EXPECT_EQ(storm.killed(), clients);
    EXPECT_EQ(storm.failed(), 0U) << agent->log();
    witnesses.stop();
    steps = witnesses.steps();
  }
  EXPECT_GT(steps, 0U);
  // The idle trim comes 10 s after the last call.
  ProcessState after;
  const bool trimmed = test::eventually([&] {
    after = test::state_of(agent->pid());
    return test::trimmed_as_before(after, before);
  });
  std::printf("soak: clients_killed count=%llu witness_steps=%llu rss_growth_kib=%lld\n",
              static_cast<unsigned long long>(clients), static_cast<unsigned long long>(steps),
              static_cast<long long>(after.resident_bytes - before.resident_bytes) / 1024);
  EXPECT_TRUE(trimmed) << "before: " << before << "\nafter:  " << after;
  EXPECT_EQ(agent->stop(), 0) << agent->log();
  expect_whole_cache();
}

TEST_F(Killed, AgentsLeaveTheirClientsAbleToGoOn) {
  const std::uint64_t agents = test::load_count(200);
  Random random(seed());
  auto agent = start_agent();
  Witnesses witnesses(address(), 4, true);
  const auto wait_for_steps = [&](std::uint64_t more) {
    const std::uint64_t goal = witnesses.steps() + more;
    return test::eventually([&] { return witnesses.steps() >= goal || witnesses.failed(); }, 300);
  };
  for (std::uint64_t i = 0; i < agents && !witnesses.failed(); ++i) {
    ASSERT_TRUE(wait_for_steps(random.below(40))) << "clients hang";
    agent->kill();
    agent = start_agent();
  }
  ASSERT_TRUE(wait_for_steps(100)) << "clients hang";
  witnesses.stop();
  EXPECT_GT(witnesses.lost(), 0U);
  std::printf("soak: agents_killed count=%llu steps=%llu lost=%llu refused=%llu\n",
              static_cast<unsigned long long>(agents),
              static_cast<unsigned long long>(witnesses.steps()),
              static_cast<unsigned long long>(witnesses.lost()),
              static_cast<unsigned long long>(witnesses.refused()));
  EXPECT_EQ(agent->stop(), 0) << agent->log();
  expect_whole_cache();
}

}  // namespace
}  // namespace vac
