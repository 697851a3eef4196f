// SPDX-License-Identifier: Apache-2.0
#include "bench_load.hpp"

#include <unistd.h>
#include <vac/vac.hpp>

#include <memory>
#include <utility>
#include <vector>

#include "base/text.hpp"
#include "bench_affinity.hpp"
#include "bench_clients.hpp"
#include "bench_control.hpp"
#include "bench_noop.hpp"
#include "command.hpp"

namespace vac::cli {
namespace {

/// The product's connections, each with its no-op. Stays at its address: the calls refer to it.
class Connections {
 public:
  static Result<std::unique_ptr<Connections>> open(const LoadOptions& options) {
    auto all = std::make_unique<Connections>();
    // The calls refer to the sessions: none may move later.
    all->sessions_.reserve(options.connections);
    for (std::size_t i = 0; i < options.connections; ++i) {
      VAC_TRY(auto session, Session::open(options.address, {.name = "vaccel bench"}));
      all->sessions_.push_back(std::move(session));
      VAC_TRY(auto call,
              NoopCall::make(all->sessions_.back(), options.bytes, PayloadMemory::message));
      all->calls_.push_back(std::make_unique<NoopCall>(std::move(call)));
    }
    VAC_CHECK(first_call(*all->calls_.front(), options.address));
    return all;
  }

  Clients blocking() const {
    Clients clients;
    for (const auto& call : calls_) clients.push_back(std::make_unique<BlockingClient>(*call));
    return clients;
  }
  Clients pipelined(std::size_t depth) const {
    Clients clients;
    for (const auto& call : calls_) {
      clients.push_back(std::make_unique<PipelinedClient>(*call, depth));
    }
    return clients;
  }

  /// Sums over all of them; of times nothing where one agent does not count.
  Result<AgentCounts> counts() const {
    AgentCounts sum;
    sum.times = AgentCounts::Times{};
    for (const auto& call : calls_) {
      VAC_TRY(const AgentCounts one, call->counts());
      if (!one.times) return AgentCounts{};
      sum.times->calls += one.times->calls;
      sum.times->queue_ns += one.times->queue_ns;
      sum.times->plugin_ns += one.times->plugin_ns;
      sum.times->agent_ns += one.times->agent_ns;
    }
    return sum;
  }

 private:
  std::vector<Session> sessions_;
  std::vector<std::unique_ptr<NoopCall>> calls_;
};

Clients raw_clients(RawCrowd& crowd) {
  Clients clients;
  for (const auto& connection : crowd.connections()) {
    clients.push_back(std::make_unique<BlockingClient>(*connection));
  }
  return clients;
}

/// What the agent counts where its calls are not the product's alone is of no use.
struct Sides {
  Clients product, control;
  bool control_is_raw;
};

class LoadComparer {
 public:
  LoadComparer(const Sides& sides, const Connections& connections, const LoadOptions& options)
      : sides_(sides),
        connections_(connections),
        blocks_(options.blocks),
        block_time_(options.seconds / (2.0 * options.blocks)),
        runner_(options.connections) {}

  Result<LoadReport> compare() {
    VAC_CHECK(run_pair(false));  // warms up
    std::vector<Block> product, control;
    std::vector<double> rate_ratios, p99_ratios;
    VAC_TRY(const AgentCounts before, connections_.counts());
    for (int i = 0; i < blocks_; ++i) {
      show_progress(concat("bench: block ", i + 1, " of ", blocks_));
      VAC_TRY(const Pair pair, run_pair(i % 2 == 0));
      product.push_back(pair.product);
      control.push_back(pair.control);
      rate_ratios.push_back(pair.product.calls_per_s / pair.control.calls_per_s);
      p99_ratios.push_back(pair.product.p99_us / pair.control.p99_us);
    }
    show_progress("");
    LoadReport report;
    report.product = median_block(product);
    report.control = median_block(control);
    report.rate_ratio = median_range(rate_ratios);
    report.p99_ratio = median_range(p99_ratios);
    if (sides_.control_is_raw) {
      VAC_TRY(const AgentCounts after, connections_.counts());
      report.stages = stages_between(before, after, report.product.all);
    }
    return report;
  }

 private:
  struct Pair {
    Block product, control;
  };
  /// Each is to be first as often as second.
  Result<Pair> run_pair(bool product_first) {
    VAC_TRY(const Block one,
            runner_.run(product_first ? sides_.product : sides_.control, block_time_));
    VAC_TRY(const Block other,
            runner_.run(product_first ? sides_.control : sides_.product, block_time_));
    return product_first ? Pair{one, other} : Pair{other, one};
  }

  const Sides& sides_;
  const Connections& connections_;
  const int blocks_;
  const std::chrono::duration<double> block_time_;
  LoadRunner runner_;
};

/// Many connections: both sides wherever the system puts them on two cores. Calls under way on one:
/// a core for each side, so that blocking calls are not at times on one core and at times on two.
Status place(const RawCrowd* crowd, pid_t agent, const Cores& cores) {
  if (crowd != nullptr) {
    VAC_CHECK(pin_process(crowd->child(), cores));
    VAC_CHECK(pin_process(agent, cores));
    return pin_process(0, cores);
  }
  VAC_CHECK(pin_process(agent, cores.second.value_or(cores.first)));
  return pin_process(0, cores.first);
}

}  // namespace

Result<LoadReport> measure_load(const LoadOptions& options) {
  VAC_TRY(const transport::Address address, address_with_control(options.address));
  std::unique_ptr<RawCrowd> crowd;
  // The control forks, so it comes before everything that may start threads.
  if (options.depth == 1) {
    VAC_TRY(crowd, RawCrowd::start(options.connections, options.bytes));
  }
  VAC_TRY(const std::unique_ptr<Connections> connections, Connections::open(options));
  const Sides sides{crowd ? connections->blocking() : connections->pipelined(options.depth),
                    crowd ? raw_clients(*crowd) : connections->blocking(), crowd != nullptr};
  LoadComparer comparer(sides, *connections, options);

  const Result<pid_t> agent = agent_process(address);
  const Result<Cores> cores = agent ? choose_cores(*agent) : Result<Cores>(agent.error());
  if (!cores) {
    VAC_TRY(LoadReport report, comparer.compare());
    report.note = "cores were not chosen: " + cores.error().message();
    return report;
  }
  VAC_TRY(const auto keeper, AffinityKeeper::start({::getpid(), *agent}));
  VAC_CHECK(place(crowd.get(), *agent, *cores));
  VAC_TRY(LoadReport report, comparer.compare());
  if (!cores->second) report.note = "there is one core for both sides";
  return report;
}

}  // namespace vac::cli
