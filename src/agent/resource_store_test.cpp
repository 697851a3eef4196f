// SPDX-License-Identifier: Apache-2.0
#include "agent/resource_store.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "base/sha256.hpp"
#include "support/temp_directory.hpp"

namespace vac::agent {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kText = "weights";

class Stores : public testing::Test {
 protected:
  std::unique_ptr<ResourceStore> open() {
    return ResourceStore::open(folder_.path().string(), 1000, digests_).value();
  }
  static std::string digest() { return sha256_hex(std::as_bytes(std::span(kText))); }
  static Status fill(ResourceStore& store) {
    VAC_TRY(const Reception reception, store.receive("t1", digest(), kText.size()));
    VAC_CHECK(reception.file()->write(0, std::as_bytes(std::span(kText))));
    VAC_CHECK(reception.file()->stored());
    return {};
  }

  test::TempDirectory folder_;
  FileDigests digests_;
};

TEST_F(Stores, LieInAFolderThatIsPrivate) {
  const std::string path = (folder_ / "new" / "cache").string();
  ASSERT_TRUE(ResourceStore::open(path, 1000, digests_));
  struct stat status{};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0700U);
}

TEST_F(Stores, OfTwoAgentsInOneFolderKeepApart) {
  const auto first = open();
  const Reception arriving = first->receive("t1", digest(), kText.size()).value();
  const auto bytes = std::as_bytes(std::span(kText));
  ASSERT_TRUE(arriving.file()->write(0, bytes.first(3)));
  auto second = open();
  EXPECT_NE(second->directory(), first->directory());
  EXPECT_TRUE(fill(*second));
  EXPECT_FALSE(first->find("t1", digest(), kText.size()));
  ASSERT_TRUE(arriving.file()->write(3, bytes.subspan(3)));
  EXPECT_TRUE(arriving.file()->stored());
  const std::string own = second->directory();
  second.reset();
  EXPECT_FALSE(fs::exists(own)) << "it was its own until it ended";
  EXPECT_TRUE(first->find("t1", digest(), kText.size()));
}

TEST_F(Stores, TakeTheFolderOverFromAnAgentThatHasEnded) {
  auto first = open();
  EXPECT_TRUE(fill(*first));
  first.reset();
  const auto second = open();
  EXPECT_EQ(second->directory(), folder_.path().string());
  EXPECT_TRUE(second->find("t1", digest(), kText.size()));
}

TEST_F(Stores, RemoveWhatKilledAgentsHaveLeftAndNoMore) {
  const auto first = open();
  const auto second = open();
  EXPECT_TRUE(fill(*second));
  fs::create_directories(folder_ / "agent-7" / "t1");
  std::ofstream(folder_ / "agent-7" / "t1" / digest()) << kText;
  const auto third = open();
  EXPECT_FALSE(fs::exists(folder_ / "agent-7"));
  EXPECT_NE(third->directory(), second->directory());
  EXPECT_TRUE(second->find("t1", digest(), kText.size()));
}

}  // namespace
}  // namespace vac::agent
