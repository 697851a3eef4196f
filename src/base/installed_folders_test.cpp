// SPDX-License-Identifier: Apache-2.0
#include "base/installed_folders.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

namespace vac {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::IsEmpty;

TEST(InstalledFolders, AreBesideTheProgramAndInLib) {
  const fs::path own = fs::canonical("/proc/self/exe").parent_path();
  EXPECT_THAT(installed_folders(reinterpret_cast<const void*>(&installed_folders), "vac"),
              ElementsAre((own / "vac").string(), (own.parent_path() / "lib" / "vac").string()));
}

TEST(InstalledFolders, AreNoneOfWhatIsNoCode) {
  const int on_the_stack = 0;
  EXPECT_THAT(installed_folders(&on_the_stack, "vac"), IsEmpty());
}

}  // namespace
}  // namespace vac
