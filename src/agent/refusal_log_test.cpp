// SPDX-License-Identifier: Apache-2.0
#include "agent/refusal_log.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace vac::agent {
namespace {

TEST(RefusalLog, TellsHowManyItLeftOut) {
  Log log(LogLevel::info);
  std::vector<std::string> lines;
  log.set_sink([&](LogLevel, std::string_view line) { lines.emplace_back(line); });
  RefusalLog refusals(log);
  for (unsigned i = 0; i < RefusalLog::kMostLines + 5; ++i) {
    refusals.write(1000 + i, LogLevel::info, "refused a client");
  }
  EXPECT_EQ(lines.size(), RefusalLog::kMostLines);
  lines.clear();
  refusals.write(2000 + RefusalLog::kPeriodNs, LogLevel::info, "refused another");
  EXPECT_THAT(lines, testing::ElementsAre(testing::HasSubstr("refused 5 more"), "refused another"));
}

}  // namespace
}  // namespace vac::agent
