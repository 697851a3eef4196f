// SPDX-License-Identifier: Apache-2.0
#include "bench_report.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace vac::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr Stages kStages{15000, 1000, 10000, 1500, 2500};

RoundTripReport round_trip(std::optional<Stages> stages) {
  RoundTripReport report;
  report.unpinned = Comparison{{10, 15, 20, 90'000, {100, 1500}},
                               {8, 12, 16, 99'000, {}},
                               1.25,
                               MedianRange::Range{1.2, 1.3},
                               stages};
  report.copies_a_call = 1;
  return report;
}

ModelReport model(std::optional<Stages> stages, std::optional<CopiesACall> copies) {
  ModelReport report{14.4, 15, std::nullopt};
  report.remote = {14.5, 16, 15, {0.7, MedianRange::Range{-0.25, 1.5}}, stages, copies};
  return report;
}

BenchSubject subject(std::optional<PayloadMemory> memory) {
  return {"thing", "unix:///x", 64, memory, 200};
}

TEST(BenchReport, TellsTheStagesOfANoop) {
  const Json json = round_trip_json(round_trip(Stages{15, 1, 10, 1.5, 2.5}), subject({}));
  EXPECT_EQ(json["mean_us"], 15);
  EXPECT_EQ(json["queue_us"], 1);
  EXPECT_EQ(json["plugin_us"], 10);
  EXPECT_EQ(json["agent_us"], 1.5);
  EXPECT_EQ(json["wire_us"], 2.5);
  EXPECT_EQ(json["p90_us"], 15);
  EXPECT_EQ(json["raw_p90_us"], 12);
  EXPECT_EQ(json["ratio_p50"], 1.25);
  EXPECT_EQ(json["ratio_p50_low"], 1.2);
  EXPECT_EQ(json["ratio_p50_high"], 1.3);
  EXPECT_EQ(json["memory"], "inline");
  const std::string text = round_trip_text(round_trip(kStages), subject(PayloadMemory::region));
  EXPECT_THAT(text, HasSubstr("200 pairs of blocks"));
  EXPECT_THAT(text, HasSubstr("copies a call: 1.00\n"));
  EXPECT_THAT(text, HasSubstr("1.25 (95 % sure: 1.20 to 1.30)\n"));
  EXPECT_THAT(text, HasSubstr("mean times  call        queue      plugin      agent      wire\n"));
  EXPECT_THAT(text,
              HasSubstr("any core    15000.0 us  1000.0 us  10000.0 us  1500.0 us  2500.0 us"));
}

TEST(BenchReport, TellsTheStagesOfAModelsRun) {
  const ModelReport report = model(kStages, CopiesACall{1, 0});
  const Json json = model_json(report, subject(PayloadMemory::region));
  EXPECT_EQ(json["memory"], "region");
  EXPECT_EQ(json["pairs"], 200);
  EXPECT_EQ(json["remote_mean_ms"], 15);
  EXPECT_EQ(json["queue_ms"], 1);
  EXPECT_EQ(json["plugin_ms"], 10);
  EXPECT_EQ(json["agent_ms"], 1.5);
  EXPECT_EQ(json["wire_ms"], 2.5);
  EXPECT_EQ(json["copied_inputs_a_call"], 1);
  EXPECT_EQ(json["copied_results_a_call"], 0);
  EXPECT_EQ(model_text(report, subject(PayloadMemory::region)),
            "thing: 14.40 ms local, 14.50 ms remote: +0.7 %, 95 % sure between -0.2 % and +1.5 % "
            "(median of 200, interleaved)\n"
            "mean of a remote run: 15.000 ms: queue 1.000 ms, plugin 10.000 ms, agent 1.500 ms, "
            "wire 2.500 ms\n"
            "copies a call: 1.00 of inputs, 0.00 of results\n");
}

TEST(BenchReport, SaysSoWhereTheAgentDoesNotTell) {
  const std::string unknown = "the agent does not tell the stages of a call\n";
  const Json noop = round_trip_json(round_trip({}), subject({}));
  EXPECT_TRUE(noop["queue_us"].is_null()) << noop;
  EXPECT_EQ(noop["mean_us"], 15);
  EXPECT_THAT(round_trip_text(round_trip({}), subject({})), HasSubstr(unknown));
  const Json json = model_json(model({}, {}), subject({}));
  EXPECT_EQ(json["memory"], "default");
  EXPECT_TRUE(json["wire_ms"].is_null()) << json;
  EXPECT_TRUE(json["copied_inputs_a_call"].is_null()) << json;
  const std::string text = model_text(model({}, {}), subject({}));
  EXPECT_THAT(text, HasSubstr(unknown));
  EXPECT_THAT(text, Not(HasSubstr("copies")));
}

LoadReport load(std::optional<Stages> stages) {
  LoadReport report;
  report.product = {10, 15, 20, 90'000, {100, 1500}};
  report.control = {8, 12, 16, 100'000, {}};
  report.rate_ratio = {0.9, MedianRange::Range{0.85, 0.95}};
  report.p99_ratio = {1.25, std::nullopt};
  report.stages = stages;
  return report;
}

TEST(BenchReport, TellsALoadBesideItsControl) {
  LoadOptions options{"unix:///x", 64, 16, 1, 21, 4};
  const Json json = load_json(load(Stages{15, 1, 10, 1.5, 2.5}), options);
  EXPECT_EQ(json["concurrency"], 16);
  EXPECT_EQ(json["depth"], 1);
  EXPECT_EQ(json["calls_per_s"], 90'000);
  EXPECT_EQ(json["p90_us"], 15);
  EXPECT_EQ(json["control"], "raw");
  EXPECT_EQ(json["control_calls_per_s"], 100'000);
  EXPECT_EQ(json["control_p99_us"], 16);
  EXPECT_EQ(json["ratio_rate"], 0.9);
  EXPECT_EQ(json["ratio_rate_low"], 0.85);
  EXPECT_EQ(json["ratio_p99"], 1.25);
  EXPECT_TRUE(json["ratio_p99_low"].is_null());
  EXPECT_EQ(json["mean_us"], 15);
  EXPECT_EQ(json["wire_us"], 2.5);
  EXPECT_FALSE(json.contains("note"));
  options.depth = 64;
  EXPECT_EQ(load_json(load({}), options)["control"], "blocking");
  EXPECT_TRUE(load_json(load({}), options)["wire_us"].is_null());
  EXPECT_EQ(
      load_text(load({}), options),
      "noop of 64 bytes at unix:///x, 64 under way on each of 16 connections, 21 pairs of "
      "blocks; blocking: one call after the other on each connection\n"
      "          calls/s  p50      p90      p99\n"
      "noop      90000    10.0 us  15.0 us  20.0 us\n"
      "blocking  100000   8.0 us   12.0 us  16.0 us\n"
      "calls/s: 0.90 (95 % sure: 0.85 to 0.95) of the control's; p99: 1.25 of the control's\n");
}

TEST(BenchReport, ComparesNothingInThisProcess) {
  const ModelReport report{14.4, 15, std::nullopt};
  EXPECT_EQ(model_text(report, subject({})), "thing: 14.40 ms local (median of 200)\n");
  EXPECT_FALSE(model_json(report, subject({})).contains("remote_p50_ms"));
}

}  // namespace
}  // namespace vac::cli
