// SPDX-License-Identifier: Apache-2.0
#include "bench_stages.hpp"

#include <gtest/gtest.h>

namespace vac::cli {
namespace {

AgentCounts counts(std::uint64_t calls, std::uint64_t queue, std::uint64_t plugin,
                   std::uint64_t agent) {
  return {AgentCounts::Times{calls, queue, plugin, agent}, AgentCounts::Copies{calls, 2 * calls},
          true};
}

TEST(BenchStages, ReadsWhatTheAgentCounts) {
  const AgentCounts read = parse_counts(
      R"({"shared_memory":{"offered":true,"copied_inputs":7,"copied_results":8},)"
      R"("this_connection":{"calls":1,"queue_ns":2,"plugin_ns":3,"agent_ns":9000000000}})");
  ASSERT_TRUE(read.times && read.copies);
  EXPECT_EQ(read.times->calls, 1U);
  EXPECT_EQ(read.times->queue_ns, 2U);
  EXPECT_EQ(read.times->plugin_ns, 3U);
  EXPECT_EQ(read.times->agent_ns, 9'000'000'000U);
  EXPECT_EQ(read.copies->inputs, 7U);
  EXPECT_EQ(read.copies->results, 8U);
  EXPECT_TRUE(read.shares_memory);
}

TEST(BenchStages, TakesNothingFromAnAgentThatDoesNotCount) {
  for (const char* text :
       {"", "[]", "{}", "no json", R"({"this_connection":5,"shared_memory":null})",
        R"({"this_connection":{"calls":1,"queue_ns":2,"plugin_ns":3}})",
        R"({"this_connection":{"calls":-1,"queue_ns":2,"plugin_ns":3,"agent_ns":4}})",
        R"({"shared_memory":{"offered":true,"copied_inputs":"7","copied_results":8}})"}) {
    const AgentCounts read = parse_counts(text);
    EXPECT_FALSE(read.times) << text;
    EXPECT_FALSE(read.copies) << text;
    EXPECT_FALSE(read.shares_memory) << text;
  }
}

TEST(BenchStages, AddUpToTheRoundTrip) {
  const auto stages =
      stages_between(counts(5, 100, 1000, 2000), counts(9, 4100, 21'000, 34'000), {4, 60});
  ASSERT_TRUE(stages);
  EXPECT_DOUBLE_EQ(stages->round_trip_us, 15);
  EXPECT_DOUBLE_EQ(stages->queue_us, 1);
  EXPECT_DOUBLE_EQ(stages->plugin_us, 5);
  EXPECT_DOUBLE_EQ(stages->agent_us, 2);
  EXPECT_DOUBLE_EQ(stages->wire_us, 7);
}

TEST(BenchStages, AreUnknownWhereOtherCallsWereCounted) {
  const AgentCounts before = counts(5, 0, 0, 0);
  EXPECT_FALSE(stages_between(before, counts(8, 1, 1, 2), {4, 60})) << "fewer";
  EXPECT_FALSE(stages_between(before, counts(3, 1, 1, 2), {4, 60})) << "another connection";
  EXPECT_FALSE(stages_between(before, AgentCounts{}, {4, 60}));
  EXPECT_FALSE(stages_between(before, before, {0, 0})) << "no calls";
}

TEST(BenchStages, CountCopiesOfACall) {
  const auto copies = copies_between(counts(5, 0, 0, 0), counts(9, 0, 0, 0), 4);
  ASSERT_TRUE(copies);
  EXPECT_DOUBLE_EQ(copies->inputs, 1);
  EXPECT_DOUBLE_EQ(copies->results, 2);
  EXPECT_FALSE(copies_between(AgentCounts{}, counts(9, 0, 0, 0), 4));
}

}  // namespace
}  // namespace vac::cli
