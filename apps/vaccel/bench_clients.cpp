// SPDX-License-Identifier: Apache-2.0
#include "bench_clients.hpp"

#include <latch>
#include <thread>
#include <utility>

namespace vac::cli {
namespace {

using Clock = Client::Clock;

double us_between(Clock::time_point start, Clock::time_point end) {
  return std::chrono::duration<double, std::micro>(end - start).count();
}

Block block_of(std::span<const CallTimes> times, double us) {
  Block block;
  std::vector<double> samples;
  for (const CallTimes& of_client : times) {
    samples.insert(samples.end(), of_client.samples_us().begin(), of_client.samples_us().end());
    block.all.calls += of_client.spent().calls;
    block.all.us += of_client.spent().us;
  }
  block.p50_us = quantile(samples, 0.5);
  block.p90_us = quantile(samples, 0.9);
  block.p99_us = quantile(samples, 0.99);
  block.calls_per_s = static_cast<double>(block.all.calls) / us * 1e6;
  return block;
}

}  // namespace

Status BlockingClient::run(Clock::time_point end, CallTimes& times) {
  Clock::time_point before = Clock::now();
  do {
    VAC_CHECK(subject_.call());
    const Clock::time_point after = Clock::now();
    times.add(us_between(before, after));
    before = after;
  } while (before < end);
  return {};
}

Status PipelinedClient::submit(UnderWay& place) const {
  place.submitted = Clock::now();
  VAC_TRY(place.handle, noop_.submit());
  return {};
}

Status PipelinedClient::finish(UnderWay& place, CallTimes& times) {
  const int code = vac_call_finish(std::exchange(place.handle, nullptr));
  if (code != VAC_OK) return last_error(code);
  times.add(us_between(place.submitted, Clock::now()));
  return {};
}

Status PipelinedClient::run(Clock::time_point end, CallTimes& times) {
  Status status;
  for (UnderWay& place : under_way_) {
    if (status) status = submit(place);
  }
  std::size_t oldest = 0;
  while (status && Clock::now() < end) {
    UnderWay& place = under_way_[oldest];
    status = finish(place, times);
    if (status) status = submit(place);
    oldest = (oldest + 1) % under_way_.size();
  }
  // Whatever has failed, every handle is finished; the first failure is the one that is told.
  for (std::size_t i = 0; i < under_way_.size(); ++i) {
    UnderWay& place = under_way_[(oldest + i) % under_way_.size()];
    if (place.handle == nullptr) continue;
    const Status finished = finish(place, times);
    if (status) status = finished;
  }
  return status;
}

Result<Block> LoadRunner::run(const Clients& clients, std::chrono::duration<double> time) {
  const std::span<CallTimes> times = std::span(times_).first(clients.size());
  std::vector<Status> ends(clients.size());
  std::vector<std::thread> threads;
  std::latch ready(static_cast<std::ptrdiff_t>(clients.size()));
  std::latch started(1);
  Clock::time_point end;
  for (std::size_t i = 0; i < clients.size(); ++i) {
    times[i].clear();
    threads.emplace_back([&, i] {
      ready.count_down();
      started.wait();
      ends[i] = clients[i]->run(end, times[i]);
    });
  }
  ready.wait();
  const Clock::time_point start = Clock::now();
  end = start + std::chrono::duration_cast<Clock::duration>(time);
  started.count_down();
  for (std::thread& thread : threads) thread.join();
  const double us = us_between(start, Clock::now());
  for (const Status& status : ends) VAC_CHECK(status);
  return block_of(times, us);
}

}  // namespace vac::cli
