// SPDX-License-Identifier: Apache-2.0
#include "agent/resource_store.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>

#include "base/sha256.hpp"
#include "support/temp_directory.hpp"

namespace vac::agent {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kText = "weights";

std::string digest_of(std::string_view text) { return sha256_hex(std::as_bytes(std::span(text))); }

class Stores : public testing::Test {
 protected:
  std::unique_ptr<ResourceStore> open(std::uint64_t limit = 1000) {
    return ResourceStore::open(folder_.path().string(), limit, digests_).value();
  }
  static std::string digest() { return digest_of(kText); }
  static Status fill(ResourceStore& store, std::string_view text = kText,
                     const char* folder = "t1") {
    VAC_TRY(const Reception reception, store.receive(folder, digest_of(text), text.size()));
    VAC_CHECK(reception.file()->write(0, std::as_bytes(std::span(text))));
    VAC_CHECK(reception.file()->stored());
    return {};
  }
  static std::optional<StoredFile> find(ResourceStore& store, std::string_view text = kText) {
    return store.find("t1", digest_of(text), text.size());
  }
  fs::path path_of(std::string_view text = kText) const {
    return folder_.path() / "t1" / digest_of(text);
  }

  test::TempDirectory folder_;
  FileDigests digests_;
};

/// As many descriptors as the process has now, for as long as this lives.
class NoDescriptorsLeft {
 public:
  NoDescriptorsLeft() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const Fd lowest(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    rlimit few = before_;
    few.rlim_cur = static_cast<rlim_t>(lowest.get());  // there are none below
    ::setrlimit(RLIMIT_NOFILE, &few);
  }
  ~NoDescriptorsLeft() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  NoDescriptorsLeft(const NoDescriptorsLeft&) = delete;
  NoDescriptorsLeft& operator=(const NoDescriptorsLeft&) = delete;

 private:
  rlimit before_{};
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

TEST_F(Stores, KnowAfterARestartWhatWasUsedLast) {
  const std::string a(300, 'a'), b(300, 'b'), c(300, 'c');
  auto first = open();
  for (const std::string& text : {a, b, c}) ASSERT_TRUE(fill(*first, text));
  ASSERT_TRUE(find(*first, a));  // b is the oldest now
  first.reset();
  const auto second = open();
  ASSERT_TRUE(fill(*second, std::string(300, 'd')));
  EXPECT_TRUE(find(*second, a));
  EXPECT_TRUE(find(*second, c));
  EXPECT_FALSE(find(*second, b));
}

TEST_F(Stores, EvictAtTheStartWhatALowerLimitHasNoRoomFor) {
  const std::string a(300, 'a'), b(300, 'b'), c(300, 'c');
  {
    const auto first = open();
    for (const std::string& text : {a, b, c}) ASSERT_TRUE(fill(*first, text));
  }
  const auto second = open(400);
  EXPECT_EQ(second->bytes(), 300U);
  EXPECT_FALSE(fs::exists(path_of(a)));
  EXPECT_FALSE(fs::exists(path_of(b)));
  EXPECT_TRUE(find(*second, c));
}

TEST_F(Stores, NeverEvictWhatIsInUse) {
  const auto store = open(700);
  const std::string a(300, 'a'), b(300, 'b'), c(300, 'c');
  ASSERT_TRUE(fill(*store, a));
  const auto used = find(*store, a);
  ASSERT_TRUE(used);
  ASSERT_TRUE(fill(*store, b));
  ASSERT_TRUE(fill(*store, c)) << "b goes, though a is older";
  EXPECT_TRUE(fs::exists(used->path()));
  EXPECT_FALSE(find(*store, b));
}

TEST_F(Stores, FindNoFileThatWasCutOrDamagedWhileNobodyLooked) {
  for (const char* damage : {"weight", "weightz", ""}) {
    SCOPED_TRACE(damage);
    auto first = open();
    ASSERT_TRUE(fill(*first));
    first.reset();
    std::ofstream(path_of()) << damage;
    const auto second = open();
    EXPECT_FALSE(find(*second));
    EXPECT_TRUE(fill(*second));
    EXPECT_TRUE(find(*second));
    EXPECT_EQ(second->bytes(), kText.size());
  }
}

TEST_F(Stores, FindNoFileThatWasDamagedAtOnceUnderARunningAgent) {
  const auto store = open();
  ASSERT_TRUE(fill(*store));
  std::ofstream(path_of()) << "weightz";  // perhaps within one step of the clock of files
  EXPECT_FALSE(find(*store));
}

TEST_F(Stores, LeaveFilesAloneThatAreNotTheirs) {
  fs::create_directories(folder_ / "t1");
  for (const char* name : {"notes.txt", "incoming-mail.txt", "incoming-abcdef"}) {
    std::ofstream(folder_.path() / "t1" / name) << "x";
  }
  fs::create_directory(path_of());  // a folder with the name of a file
  const auto store = open();
  EXPECT_TRUE(fs::exists(folder_ / "t1" / "notes.txt"));
  EXPECT_TRUE(fs::exists(folder_ / "t1" / "incoming-mail.txt"));
  EXPECT_FALSE(fs::exists(folder_ / "t1" / "incoming-abcdef")) << "half an upload";
  EXPECT_EQ(store->bytes(), 0U);
  EXPECT_FALSE(find(*store));
}

TEST_F(Stores, ForgetAFileThatSomebodyHasRemoved) {
  const auto store = open();
  ASSERT_TRUE(fill(*store));
  fs::remove(path_of());
  EXPECT_FALSE(find(*store));
  EXPECT_EQ(store->bytes(), 0U);
  EXPECT_TRUE(fill(*store));
  EXPECT_TRUE(find(*store));
}

TEST_F(Stores, SayThatTheirFolderIsGoneAndServeWhenItIsBack) {
  const fs::path aside = folder_.path().string() + "-aside";
  const auto store = open();
  ASSERT_TRUE(fill(*store));
  const auto used = find(*store);
  fs::rename(folder_.path(), aside);
  const Status refused = fill(*store, "numbers");
  const bool found = find(*store).has_value();
  fs::rename(aside, folder_.path());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::not_found);
  EXPECT_THAT(refused.error().text(),
              AllOf(HasSubstr("cannot store an uploaded file"), HasSubstr("[cache] directory")));
  EXPECT_FALSE(found);
  EXPECT_EQ(store->arriving(), 0U);
  EXPECT_TRUE(fill(*store, "numbers"));
  EXPECT_TRUE(find(*store)) << "what is in use was not forgotten";
}

TEST_F(Stores, SayThatTheirFolderCannotBeWritten) {
  const auto store = open();
  ASSERT_TRUE(fill(*store));
  // A file where the tenant's folder should be: also root cannot write there.
  std::ofstream(folder_ / "t2") << "x";
  const Status refused = fill(*store, "numbers", "t2");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::not_directory);
  EXPECT_THAT(refused.error().text(), HasSubstr("see that the agent can write"));
  EXPECT_TRUE(fill(*store, "numbers")) << "another tenant does not notice";
  if (::geteuid() != 0) {
    fs::permissions(folder_ / "t1", fs::perms::owner_read | fs::perms::owner_exec);
    EXPECT_EQ(fill(*store, "letters").error().code(), Errc::access_denied);
    EXPECT_TRUE(find(*store));
    fs::permissions(folder_ / "t1", fs::perms::owner_all);
  }
}

TEST_F(Stores, SayThatThereAreNoDescriptorsLeftAndLoseNothing) {
  const auto store = open();
  ASSERT_TRUE(fill(*store));
  std::optional<Status> refused;
  bool found = true;
  {
    const NoDescriptorsLeft none;
    refused = fill(*store, "numbers");
    found = find(*store).has_value();
  }
  ASSERT_FALSE(*refused);
  EXPECT_EQ(refused->error().code(), Errc::too_many_files);
  EXPECT_THAT(refused->error().text(), HasSubstr("limit of open files"));
  EXPECT_FALSE(found) << "what cannot be read cannot be used";
  EXPECT_TRUE(find(*store)) << "and is not given up for that";
  EXPECT_TRUE(fill(*store, "numbers"));
}

TEST_F(Stores, LeaveEachTenantAShareOfTheFilesOnTheirWay) {
  const auto store = ResourceStore::open(folder_.path().string(), 1000, digests_, 8).value();
  std::vector<Reception> receptions;
  const auto begin = [&](const char* folder) -> Status {
    const std::string digest = digest_of(std::to_string(receptions.size()));
    VAC_TRY(Reception reception, store->receive(folder, digest, 1));
    receptions.push_back(std::move(reception));
    return {};
  };
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(begin("t1"));
  const Status refused = begin("t1");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::busy);
  EXPECT_THAT(refused.error().text(),
              AllOf(HasSubstr("4 files of this tenant"), HasSubstr("try again")));
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(begin("t2"));
  EXPECT_FALSE(begin("t2"));
  EXPECT_TRUE(begin("t3"));
  EXPECT_TRUE(begin("t4"));
  const Status full = begin("t5");
  ASSERT_FALSE(full);
  EXPECT_THAT(full.error().text(), AllOf(HasSubstr("receives 8 files"), Not(HasSubstr("tenant"))));
  receptions.clear();
  EXPECT_TRUE(begin("t1"));
}

}  // namespace
}  // namespace vac::agent
