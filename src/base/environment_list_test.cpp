// SPDX-License-Identifier: Apache-2.0
#include "base/environment_list.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

namespace vac {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr const char* kVariable = "VAC_TEST_LIST";

TEST(EnvironmentList, HasNoEntriesWhereTheVariableIsUnsetOrEmpty) {
  ::unsetenv(kVariable);
  EXPECT_THAT(environment_list(kVariable, ','), IsEmpty());
  for (const char* value : {"", ",", ",,"}) {
    ::setenv(kVariable, value, 1);
    EXPECT_THAT(environment_list(kVariable, ','), IsEmpty()) << "'" << value << "'";
  }
  ::unsetenv(kVariable);
}

TEST(EnvironmentList, KeepsTheOrderAndLeavesOutWhatIsEmpty) {
  ::setenv(kVariable, ":/b::/a,x:", 1);
  EXPECT_THAT(environment_list(kVariable, ':'), ElementsAre("/b", "/a,x"));
  ::unsetenv(kVariable);
}

}  // namespace
}  // namespace vac
