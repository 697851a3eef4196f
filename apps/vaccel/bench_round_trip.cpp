// SPDX-License-Identifier: Apache-2.0
#include "bench_round_trip.hpp"

#include <unistd.h>
#include <vac/vac.hpp>

#include <memory>
#include <utility>
#include <vector>

#include "base/text.hpp"
#include "bench_affinity.hpp"
#include "bench_block.hpp"
#include "bench_control.hpp"
#include "bench_noop.hpp"
#include "bench_stages.hpp"
#include "command.hpp"
#include "transport/address.hpp"

namespace vac::cli {
namespace {

constexpr std::size_t kMostCalls = 20000;

/// How a call with its data in shared memory has it: 1 copied, 0 in place. An error where the data
/// is sent after all.
Result<double> copies_a_call(NoopCall& product) {
  constexpr std::size_t kCalls = 100;
  VAC_TRY(const AgentCounts before, product.counts());
  if (!before.shares_memory) return no_shared_memory();
  for (std::size_t i = 0; i < kCalls; ++i) VAC_CHECK(product.call());
  VAC_TRY(const AgentCounts after, product.counts());
  const auto copies = copies_between(before, after, kCalls);
  return copies ? Result<double>(copies->inputs) : no_shared_memory();
}

/// Runs blocks of both kinds and keeps to one number of calls a block.
class Comparer {
 public:
  Comparer(NoopCall& product, Subject& control, const RoundTripOptions& options, int placements)
      : product_(product),
        control_(control),
        blocks_(options.blocks),
        block_time_(options.seconds / (2.0 * options.blocks * placements)),
        runner_(kMostCalls) {}

  Result<Comparison> compare(std::string_view where) {
    VAC_TRY(const std::size_t calls, calls_in(product_, block_time_, kMostCalls));
    VAC_CHECK(run_pair(calls, false));  // warms up
    VAC_TRY(const AgentCounts before, product_.counts());
    std::vector<Block> product;
    std::vector<Block> control;
    std::vector<double> ratios;
    for (int i = 0; i < blocks_; ++i) {
      show_progress(concat("bench: ", where, ", block ", i + 1, " of ", blocks_));
      VAC_TRY(const Pair pair, run_pair(calls, i % 2 == 0));
      product.push_back(pair.product);
      control.push_back(pair.control);
      ratios.push_back(pair.product.p50_us / pair.control.p50_us);
    }
    show_progress("");
    VAC_TRY(const AgentCounts after, product_.counts());
    const auto [ratio, range] = median_range(ratios);
    Comparison result{median_block(product), median_block(control), ratio, range, {}};
    result.stages = stages_between(before, after, result.product.all);
    return result;
  }

 private:
  struct Pair {
    Block product, control;
  };
  /// Each is to be first as often as second.
  Result<Pair> run_pair(std::size_t calls, bool product_first) {
    VAC_TRY(const Block one, runner_.run(product_first ? product_ : control_, calls));
    VAC_TRY(const Block other, runner_.run(product_first ? control_ : product_, calls));
    return product_first ? Pair{one, other} : Pair{other, one};
  }

  NoopCall& product_;
  Subject& control_;
  const int blocks_;
  const std::chrono::duration<double> block_time_;
  BlockRunner runner_;
};

struct Sides {
  pid_t agent, control;

  Status place(int client_core, int server_core) const {
    VAC_CHECK(pin_process(0, client_core));
    VAC_CHECK(pin_process(control, server_core));
    return pin_process(agent, server_core);
  }
};

Result<RoundTripReport> compare_pinned(NoopCall& product, RawControl& control, const Cores& cores,
                                       pid_t agent, const RoundTripOptions& options) {
  VAC_TRY(const auto keeper, AffinityKeeper::start({::getpid(), agent}));
  const Sides sides{agent, control.child()};
  Comparer comparer(product, control, options, cores.second ? 2 : 1);
  RoundTripReport report;
  VAC_CHECK(sides.place(cores.first, cores.first));
  VAC_TRY(report.same_core, comparer.compare("one core"));
  if (!cores.second) {
    report.note = "there is one core for both sides: two cores were not measured";
    return report;
  }
  VAC_CHECK(sides.place(cores.first, *cores.second));
  VAC_TRY(report.two_cores, comparer.compare("two cores"));
  return report;
}

}  // namespace

const Comparison& RoundTripReport::worst() const {
  if (unpinned) return *unpinned;
  if (!two_cores) return *same_core;
  return two_cores->ratio_p50 > same_core->ratio_p50 ? *two_cores : *same_core;
}

Result<RoundTripReport> measure_round_trip(const RoundTripOptions& options) {
  VAC_TRY(const transport::Address address, address_with_control(options.address));
  // The control forks, so it comes before everything that may start threads.
  VAC_TRY(const std::unique_ptr<RawControl> control,
          RawControl::start(options.bytes, options.memory));
  VAC_TRY(const Session session, Session::open(options.address, {.name = "vaccel bench"}));
  VAC_TRY(NoopCall product, NoopCall::make(session, options.bytes, options.memory));
  VAC_CHECK(first_call(product, options.address));
  double copies = 0;
  if (options.memory == PayloadMemory::region) {
    VAC_TRY(copies, copies_a_call(product));
  }

  const Result<pid_t> agent = agent_process(address);
  const Result<Cores> cores = agent ? choose_cores(*agent) : Result<Cores>(agent.error());
  if (!cores) {
    RoundTripReport report;
    report.copies_a_call = copies;
    report.note = "cores were not chosen: " + cores.error().message();
    VAC_TRY(report.unpinned, Comparer(product, *control, options, 1).compare("any core"));
    return report;
  }
  VAC_TRY(RoundTripReport report, compare_pinned(product, *control, *cores, *agent, options));
  report.copies_a_call = copies;
  return report;
}

}  // namespace vac::cli
