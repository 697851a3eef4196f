// SPDX-License-Identifier: Apache-2.0
#include "open_model.hpp"

#include <gtest/gtest.h>

namespace vac::cli {
namespace {

using Stage = Progress::Stage;

TEST(ProgressText, SaysWhatIsDoneAndHowFarItIs) {
  EXPECT_EQ(progress_text("a.pt", {Stage::read, 50'000'000, 200'000'000}, true),
            "reading a.pt: 25 % of 200.0 MB");
  EXPECT_EQ(progress_text("a.pt", {Stage::call, 199'999'999, 200'000'000}, true),
            "sending a.pt: 99 % of 200.0 MB");
  EXPECT_EQ(progress_text("a.pt", {Stage::call, 0, 200'000'000}, false),
            "loading a.pt: 0 % of 200.0 MB");
  EXPECT_EQ(progress_text("a.pt", {Stage::read, 12'340'000, 0}, true), "reading a.pt: 12.3 MB");
}

TEST(ProgressText, SaysNothingOfWhatIsDoneOrSmall) {
  EXPECT_EQ(progress_text("a.pt", {Stage::call, 200'000'000, 200'000'000}, true), "");
  EXPECT_EQ(progress_text("a.pt", {Stage::call, 1000, 8'000'000}, true), "");
  EXPECT_EQ(progress_text("a.pt", {Stage::read, 1000, 0}, true), "");
}

}  // namespace
}  // namespace vac::cli
