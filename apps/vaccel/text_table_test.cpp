// SPDX-License-Identifier: Apache-2.0
#include "text_table.hpp"

#include <gtest/gtest.h>

namespace vac::cli {
namespace {

TEST(TextTable, AlignsColumnsByCharactersAndDropsSpacesAtTheEnd) {
  TextTable table;
  table.add({"a", "größer", "x"});
  table.add({"longer", "b", ""});
  table.add({"c"});
  EXPECT_EQ(table.text(),
            "a       größer  x\n"
            "longer  b\n"
            "c\n");
}

TEST(TextTable, MakesControlCharactersHarmless) {
  EXPECT_EQ(printable("a\x1b[31mb\n\x7f"), "a?[31mb??");
}

TEST(TextTable, FormatsNumbers) {
  EXPECT_EQ(format_fixed(0.856, 2), "0.86");
  EXPECT_EQ(format_fixed(-1, 1), "-1.0");
}

}  // namespace
}  // namespace vac::cli
