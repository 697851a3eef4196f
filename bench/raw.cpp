// SPDX-License-Identifier: Apache-2.0
// bench-raw: the raw ping-pong over a pair of unix sockets, when it is told to (driver.hpp).
#include <CLI/CLI.hpp>
#include <cstdint>

#include "base/malloc_policy.hpp"
#include "driver.hpp"
#include "vaccel/bench_control.hpp"

int main(int argc, char** argv) {
  using vac::cli::PayloadMemory;
  using vac::cli::RawControl;
  std::uint64_t bytes = 64;
  bool region = false;
  bool tuned = false;
  CLI::App app("A raw ping-pong, when told to on standard input");
  app.add_option("--bytes", bytes);
  app.add_flag("--region", region);
  app.add_flag("--tuned", tuned);
  CLI11_PARSE(app, argc, argv);
  if (tuned) vac::keep_freed_memory();
  auto control = RawControl::start(bytes, region ? PayloadMemory::region : PayloadMemory::message);
  if (!control) return vac::bench::fail(control.error());
  vac::bench::Subjects subjects;
  subjects.push_back(std::move(*control));
  return vac::bench::drive(subjects);
}
