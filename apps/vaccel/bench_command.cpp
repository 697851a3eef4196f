// SPDX-License-Identifier: Apache-2.0
#include "bench_command.hpp"

#include <charconv>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "base/malloc_policy.hpp"
#include "base/text.hpp"
#include "bench_load.hpp"
#include "bench_local.hpp"
#include "bench_model.hpp"
#include "bench_report.hpp"
#include "bench_round_trip.hpp"
#include "json_output.hpp"
#include "open_model.hpp"
#include "text_table.hpp"

namespace vac::cli {
namespace {

constexpr const char* kCommand = "bench";
constexpr const char* kInline = "inline";
constexpr const char* kRegion = "region";
constexpr std::uint64_t kMostBytes = 1ULL << 30;

struct Options {
  std::string address = "local:";
  std::string op = "noop";
  std::string model;
  std::uint64_t bytes = 64;
  std::optional<std::string> memory;
  std::vector<std::int64_t> shape;
  std::optional<int> blocks;
  std::optional<std::size_t> concurrency, depth;
  double seconds = 4;
  bool json = false;
};

std::optional<PayloadMemory> memory_of(const Options& options) {
  if (!options.memory) return std::nullopt;
  return *options.memory == kRegion ? PayloadMemory::region : PayloadMemory::message;
}

ExitStatus bench_agent(const Options& options) {
  const BenchSubject subject{options.op, options.address, options.bytes, memory_of(options),
                             options.blocks.value_or(21)};
  const auto report =
      measure_round_trip({options.address, options.bytes, subject.pairs, options.seconds,
                          subject.memory.value_or(PayloadMemory::message)});
  if (!report) return vac::cli::report(kCommand, report.error());
  print(options.json ? json_text(round_trip_json(*report, subject))
                     : round_trip_text(*report, subject));
  return ExitStatus::success;
}

ExitStatus bench_load(const Options& options) {
  const LoadOptions load{options.address,
                         options.bytes,
                         options.concurrency.value_or(1),
                         options.depth.value_or(1),
                         options.blocks.value_or(21),
                         options.seconds};
  const auto report = measure_load(load);
  if (!report) return vac::cli::report(kCommand, report.error());
  print(options.json ? json_text(load_json(*report, load)) : load_text(*report, load));
  return ExitStatus::success;
}

ExitStatus bench_local(const Options& options) {
  const auto report = measure_local(options.bytes, options.seconds);
  if (!report) return vac::cli::report(kCommand, report.error());
  if (options.json) {
    print(json_text({{"op", options.op},
                     {"at", options.address},
                     {"bytes", options.bytes},
                     {"p50_ns", report->p50_ns},
                     {"p90_ns", report->p90_ns},
                     {"p99_ns", report->p99_ns},
                     {"p50_us", report->p50_ns / 1e3},
                     {"p90_us", report->p90_ns / 1e3},
                     {"p99_us", report->p99_ns / 1e3},
                     {"calls_per_s", 1e9 / report->p50_ns},
                     {"raw_p50_ns", report->control_p50_ns},
                     {"atomics_p50_ns", report->atomics_p50_ns},
                     {"ratio_atomics", report->ratio_atomics}}));
  } else {
    print(concat(options.op, " of ", options.bytes, " bytes in process: p50 ",
                 format_fixed(report->p50_ns, 1), " ns, p90 ", format_fixed(report->p90_ns, 1),
                 " ns, p99 ", format_fixed(report->p99_ns, 1),
                 " ns; a function that does nothing: ", format_fixed(report->control_p50_ns, 1),
                 " ns; one with two atomic operations: ", format_fixed(report->atomics_p50_ns, 1),
                 " ns\n"));
  }
  return ExitStatus::success;
}

ExitStatus bench_model(const Options& options) {
  if (const Status name = check_model_name(options.model); !name) {
    return report_wrong_use(kCommand, name.error().text());
  }
  if (options.model.starts_with("model://")) {
    return report_wrong_use(kCommand, concat("--model needs a model's file, which runs here too: '",
                                             options.model, "' is the agent's"));
  }
  const BenchSubject subject{options.model, options.address, 0, memory_of(options),
                             options.blocks.value_or(200)};
  const auto report =
      measure_model({options.address, options.model, options.shape, subject.pairs, subject.memory});
  if (!report) return vac::cli::report(kCommand, report.error());
  print(options.json ? json_text(model_json(*report, subject)) : model_text(*report, subject));
  return ExitStatus::success;
}

ExitStatus run(const Options& options) {
  // As the agent does: without it, the two sides would differ by their page faults alone.
  keep_freed_memory();
  if (options.memory && options.address == "local:") {
    return report_wrong_use(kCommand,
                            "--memory is for --at ADDRESS: in this process nothing travels");
  }
  if (!options.model.empty()) return bench_model(options);
  if (options.concurrency || options.depth) {
    if (options.address == "local:") {
      return report_wrong_use(kCommand, "--concurrency and --depth are for --at ADDRESS");
    }
    if (memory_of(options) == PayloadMemory::region) {
      return report_wrong_use(
          kCommand,
          "--memory region is measured with one call at a time: leave it out, or "
          "--concurrency and --depth");
    }
    return bench_load(options);
  }
  if (options.address != "local:") return bench_agent(options);
  if (options.blocks) {
    return report_wrong_use(
        kCommand, "--blocks counts with --at ADDRESS or --model; here --seconds sets the time");
  }
  return bench_local(options);
}

Result<std::uint64_t> parse_payload(std::string_view text) {
  VAC_TRY(const std::uint64_t bytes, parse_size(text));
  if (bytes > kMostBytes) return Error{Errc::too_large, concat("'", text, "': at most 1 GiB")};
  return bytes;
}

Result<double> parse_seconds(std::string_view text) {
  double seconds = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  const bool whole = failure == std::errc() && end == text.data() + text.size();
  // So that what is no number is refused too.
  if (whole && seconds >= 0.01 && seconds <= 3600) return seconds;
  return Error{Errc::invalid, concat("'", text, "' is no time to take: write 0.01 to 3600")};
}

}  // namespace

void add_bench_command(CLI::App& app, ExitStatus& status) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = add_command(
      app, kCommand, "Measure calls, beside a control in the same run",
      [options] { return run(*options); }, status);
  command->add_option("--at", options->address, "An agent's address (default: in this process)")
      ->type_name("ADDRESS");
  CLI::Option* op =
      command->add_option("--op", options->op, "The operation to call (default: noop)")
          ->type_name("noop")
          ->check(CLI::IsMember({"noop"}).description(""));
  CLI::Option* model =
      command->add_option("--model", options->model, "Compare a model's runs here and there")
          ->type_name("FILE")
          ->excludes(op);
  add_parsed_option(*command, "--bytes", options->bytes, parse_payload,
                    "Payload of a no-op: 64, 600kB, 1MiB, at most 1GiB (default: 64)")
      ->type_name("N")
      ->excludes(model);
  command
      ->add_option("--memory", options->memory,
                   "Where the data is: sent with the call, or in memory shared with the agent "
                   "(default: inline; with --model as Session::tensor has it)")
      ->type_name("inline|region")
      ->check(CLI::IsMember({kInline, kRegion}).description(""));
  add_parsed_option(*command, "--shape", options->shape, parse_shape,
                    "Of a model's input, where the model does not say")
      ->type_name("A,B,...")
      ->needs(model);
  command
      ->add_option(
          "--blocks", options->blocks,
          "Pairs of blocks, each way of placing (default: 21); with --model of runs (default: 200)")
      ->type_name("N")
      ->check(CLI::Range(1, 100000).description(""));
  command
      ->add_option("--concurrency", options->concurrency,
                   "Connections that call at once, a thread each (default: 1)")
      ->type_name("N")
      ->excludes(model)
      ->check(CLI::Range(1, 256).description(""));
  command
      ->add_option("--depth", options->depth,
                   "Calls under way on each connection, beside one after the other (default: 1)")
      ->type_name("N")
      ->excludes(model)
      ->check(CLI::Range(1, 4096).description(""));
  add_parsed_option(*command, "--seconds", options->seconds, parse_seconds,
                    "Time to take, about (default: 4); not with --model, which counts --blocks")
      ->type_name("S")
      ->excludes(model);
  add_json_option(*command, options->json);
}

}  // namespace vac::cli
