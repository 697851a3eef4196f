// SPDX-License-Identifier: Apache-2.0
// The way of a call in process: the plugin noop, beside what there is to compare it with.
#include <benchmark/benchmark.h>
#include <vac/async.h>
#include <vac/vac.hpp>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

using Noop = int (*)(vac_session*, const void*, std::size_t);

vac_session* session = nullptr;

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

void call(benchmark::State& state, Noop function) {
  const std::vector<char> data(static_cast<std::size_t>(state.range(0)));
  Noop volatile chosen = function;
  for ([[maybe_unused]] const auto round : state) {
    const Noop noop = chosen;
    if (noop(session, data.data(), data.size()) != VAC_OK) {
      state.SkipWithError(vac_error_message());
      return;
    }
  }
}

void indirect_call(benchmark::State& state) { call(state, do_nothing); }
void indirect_call_with_two_atomics(benchmark::State& state) { call(state, count_in_and_out); }
void noop(benchmark::State& state) { call(state, vac_noop); }

void noop_submitted_and_finished(benchmark::State& state) {
  vac_call_options options{};
  options.struct_size = sizeof options;
  for ([[maybe_unused]] const auto round : state) {
    vac_call_handle* handle = nullptr;
    if (vac_noop_submit(session, &options, nullptr, 0, &handle) != VAC_OK ||
        vac_call_finish(handle) != VAC_OK) {
      state.SkipWithError(vac_error_message());
      return;
    }
  }
}

BENCHMARK(indirect_call)->Arg(64);
BENCHMARK(indirect_call_with_two_atomics)->Arg(64)->Threads(1)->Threads(2);
BENCHMARK(noop)->Arg(0)->Arg(64)->Arg(602112);
BENCHMARK(noop)->Arg(64)->Threads(2);
BENCHMARK(noop_submitted_and_finished)->UseRealTime();

}  // namespace

int main(int argc, char** argv) {
  ::setenv("VAC_PLUGINS", "noop", 1);
  if (vac_session_open("local:", nullptr, &session) != VAC_OK) {
    std::fprintf(stderr, "%s\n", vac_error_message());
    return 1;
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  vac_session_close(session);
  return 0;
}
