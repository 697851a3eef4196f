// SPDX-License-Identifier: Apache-2.0
#include "driver.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <iostream>
#include <optional>
#include <sstream>
#include <thread>

#include "base/text.hpp"
#include "vaccel/bench_clients.hpp"

namespace vac::bench {
namespace {

using cli::Json;
constexpr std::size_t kMostCalls = 50000;

Json block_json(const cli::Block& block, std::size_t calls) {
  return {{"p50_us", block.p50_us},
          {"p90_us", block.p90_us},
          {"p99_us", block.p99_us},
          {"calls_per_s", block.calls_per_s},
          {"calls", calls}};
}

/// Calls of all subjects in the background.
class Busy {
 public:
  explicit Busy(const Subjects& subjects) : subjects_(subjects) {}
  ~Busy() { stop(); }
  Busy(const Busy&) = delete;
  Busy& operator=(const Busy&) = delete;

  void start() {
    if (!threads_.empty()) return;
    wanted_ = true;
    for (const auto& subject : subjects_) {
      threads_.emplace_back([this, &subject] {
        while (wanted_ && subject->call()) calls_.fetch_add(1);
      });
    }
  }
  std::size_t stop() {
    wanted_ = false;
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    return calls_.exchange(0);
  }

 private:
  const Subjects& subjects_;
  std::vector<std::thread> threads_;
  std::atomic<bool> wanted_{false};
  std::atomic<std::size_t> calls_{0};
};

class Driver {
 public:
  Driver(const Subjects& subjects, const Commands& commands)
      : commands_(commands),
        subjects_(subjects),
        busy_(subjects),
        calls_(kMostCalls),
        load_(subjects.size()) {
    for (const auto& subject : subjects) {
      clients_.push_back(std::make_unique<cli::BlockingClient>(*subject));
    }
  }

  Result<Json> obey(const std::string& line) {
    std::istringstream words(line);
    std::string command;
    double number = 0;
    words >> command >> number;
    if (const auto own = commands_.find(command); own != commands_.end()) {
      return own->second(number);
    }
    if (command == "calls") return run_calls(number);
    if (command == "load") return run_load(number);
    if (command == "busy") {
      if (number == 0) return Json{{"calls", busy_.stop()}};
      busy_.start();
      return Json::object();
    }
    return Error{Errc::invalid, concat("there is no command '", command, "'")};
  }

 private:
  Result<Json> run_calls(double number) {
    const auto calls = static_cast<std::size_t>(number);
    if (calls < 1 || calls > kMostCalls) {
      return Error{Errc::invalid, concat("calls: 1 to ", kMostCalls)};
    }
    const std::size_t warm_up = calls == 1 ? 0 : std::max<std::size_t>(1, calls / 20);
    VAC_TRY(const cli::Block block, calls_.run(*subjects_.front(), calls, warm_up));
    return block_json(block, calls);
  }
  Result<Json> run_load(double seconds) {
    VAC_TRY(const cli::Block block, load_.run(clients_, std::chrono::duration<double>(seconds)));
    return block_json(block, block.all.calls);
  }

  const Commands& commands_;
  const Subjects& subjects_;
  Busy busy_;
  cli::Clients clients_;
  cli::BlockRunner calls_;
  cli::LoadRunner load_;
};

/// At once: somebody waits for it.
void say(const Json& json) { std::cout << json.dump() << "\n" << std::flush; }

}  // namespace

int fail(const Error& error) {
  std::cerr << error.message() << "\n";
  return 1;
}

int drive(const Subjects& subjects, const Commands& commands) {
  Driver driver(subjects, commands);
  say({{"ready", true}});
  for (std::string line; std::getline(std::cin, line);) {
    const Result<Json> answer = driver.obey(line);
    if (!answer) return fail(answer.error());
    say(*answer);
  }
  return 0;
}

}  // namespace vac::bench
