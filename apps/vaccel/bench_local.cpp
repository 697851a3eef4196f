// SPDX-License-Identifier: Apache-2.0
#include "bench_local.hpp"

#include <vac/vac.hpp>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <vector>

#include "base/environment_list.hpp"
#include "bench_statistics.hpp"

namespace vac::cli {
namespace {

using Clock = std::chrono::steady_clock;
using Noop = int (*)(vac_session*, const void*, std::size_t);

constexpr int kBatch = 1000;

[[gnu::noinline]] int do_nothing(vac_session* /*session*/, const void* /*data*/,
                                 std::size_t /*bytes*/) {
  asm volatile("");  // keeps the compiler from knowing the answer
  return VAC_OK;
}

/// What a library pays that lets an object be closed while it is used, done plainly.
[[gnu::noinline]] int count_in_and_out(vac_session* /*session*/, const void* /*data*/,
                                       std::size_t /*bytes*/) {
  static std::atomic<int> inside{0};
  inside.fetch_add(1);
  inside.fetch_sub(1);
  return VAC_OK;
}

struct Arguments {
  vac_session* session;
  std::span<const std::byte> data;
};

/// The mean of a batch in nanoseconds.
Result<double> time_batch(Noop volatile& noop, const Arguments& with) {
  const Clock::time_point start = Clock::now();
  for (int i = 0; i < kBatch; ++i) {
    const Noop call = noop;
    if (const int code = call(with.session, with.data.data(), with.data.size()); code != VAC_OK) {
      return last_error(code);
    }
  }
  return std::chrono::duration<double, std::nano>(Clock::now() - start).count() / kBatch;
}

}  // namespace

Result<LocalReport> measure_local(std::size_t bytes, double seconds) {
  if (environment_list("VAC_PLUGINS", ',').empty()) ::setenv("VAC_PLUGINS", "noop", 1);
  VAC_TRY(const Session session, Session::open("local:", {.name = "vaccel bench"}));
  const std::vector<std::byte> data(bytes);
  const Arguments arguments{session.handle(), data};
  Noop volatile product = vac_noop;
  Noop volatile control = do_nothing;
  Noop volatile atomics = count_in_and_out;
  VAC_CHECK([&]() -> Status {
    VAC_TRY([[maybe_unused]] const double warm_up, time_batch(product, arguments));
    return {};
  }());
  std::vector<double> product_ns, control_ns, atomics_ns, ratios;
  const Clock::time_point end = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                                   std::chrono::duration<double>(seconds));
  do {
    VAC_TRY(product_ns.emplace_back(), time_batch(product, arguments));
    VAC_TRY(control_ns.emplace_back(), time_batch(control, arguments));
    VAC_TRY(atomics_ns.emplace_back(), time_batch(atomics, arguments));
    ratios.push_back(product_ns.back() / atomics_ns.back());
  } while (Clock::now() < end);
  return LocalReport{median(product_ns), quantile(product_ns, 0.9), quantile(product_ns, 0.99),
                     median(control_ns), median(atomics_ns),        median(ratios)};
}

}  // namespace vac::cli
