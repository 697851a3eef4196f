// SPDX-License-Identifier: Apache-2.0
// Several clients at once, each on a thread of its own, the same way for the product and for its
// control.
#pragma once

#include <vac/result.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "bench_block.hpp"
#include "bench_noop.hpp"

namespace vac::cli {

/// The times of one client's calls in one block. Memory for samples is taken and touched once;
/// beyond it calls are counted, and not kept one by one. Confined to its client's thread.
class CallTimes {
 public:
  explicit CallTimes(std::size_t most_samples) : samples_us_(most_samples, 0.0) {}

  void clear() noexcept { spent_ = {}; }
  void add(double us) noexcept {
    if (spent_.calls < samples_us_.size()) samples_us_[spent_.calls] = us;
    ++spent_.calls;
    spent_.us += us;
  }
  std::span<const double> samples_us() const noexcept {
    return std::span(samples_us_).first(std::min(spent_.calls, samples_us_.size()));
  }
  const Spent& spent() const noexcept { return spent_; }

 private:
  std::vector<double> samples_us_;
  Spent spent_;
};

/// One client of a load.
class Client {
 public:
  using Clock = std::chrono::steady_clock;

  virtual ~Client() = default;
  /// Calls, once at least, until `end` has come, and waits for what is under way.
  virtual Status run(Clock::time_point end, CallTimes& times) = 0;
};

/// One call after the other. The subject outlives it.
class BlockingClient final : public Client {
 public:
  explicit BlockingClient(Subject& subject) : subject_(subject) {}
  Status run(Clock::time_point end, CallTimes& times) override;

 private:
  Subject& subject_;
};

/// So many calls under way at once, finished in the order in which they were submitted: a call's
/// time is from its submitting until the program has its result. The call outlives it.
class PipelinedClient final : public Client {
 public:
  PipelinedClient(const NoopCall& noop, std::size_t depth) : noop_(noop), under_way_(depth) {}
  Status run(Clock::time_point end, CallTimes& times) override;

 private:
  struct UnderWay {
    vac_call_handle* handle = nullptr;
    Clock::time_point submitted;
  };
  Status submit(UnderWay& place) const;
  static Status finish(UnderWay& place, CallTimes& times);

  const NoopCall& noop_;
  std::vector<UnderWay> under_way_;
};

using Clients = std::vector<std::unique_ptr<Client>>;

/// Runs blocks of clients. Keeps memory for the times of `most` clients.
class LoadRunner {
 public:
  explicit LoadRunner(std::size_t most) : times_(most, CallTimes(kMostSamples / most)) {}

  /// All clients at once for about `time`. The percentiles are over the calls of all of them, calls
  /// a second those of all together, from the common start to the last end.
  Result<Block> run(const Clients& clients, std::chrono::duration<double> time);

 private:
  static constexpr std::size_t kMostSamples = 1 << 20;

  std::vector<CallTimes> times_;
};

}  // namespace vac::cli
