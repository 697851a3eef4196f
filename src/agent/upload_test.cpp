// SPDX-License-Identifier: Apache-2.0
#include "agent/upload.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "base/sha256.hpp"
#include "support/random.hpp"
#include "support/temp_directory.hpp"

namespace vac::agent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string hash(std::string_view text) { return sha256_hex(std::as_bytes(std::span(text))); }
std::string line(std::string_view text, const std::string& name) {
  return hash(text) + " " + std::to_string(text.size()) + " " + name + "\n";
}

TEST(ByteRanges, KnowWhatIsCoveredWhateverTheOrder) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    test::Random random(seed);
    ByteRanges ranges;
    std::vector<bool> there(200);
    for (int i = 0; i < 60; ++i) {
      const std::uint64_t begin = random.below(200);
      const std::uint64_t end = begin + random.below(201 - begin);
      ranges.add(begin, end);
      std::fill(there.begin() + static_cast<long>(begin), there.begin() + static_cast<long>(end),
                true);
      const auto gap = std::ranges::find(there, false) - there.begin();
      EXPECT_TRUE(ranges.covers(static_cast<std::uint64_t>(gap)));
      if (gap < 200) {
        EXPECT_FALSE(ranges.covers(static_cast<std::uint64_t>(gap) + 1));
      }
    }
  }
}

class Uploads : public testing::Test {
 protected:
  void open_store(std::uint64_t limit = 1 << 20) {
    store_.reset();
    store_ = ResourceStore::open(folder_.path().string(), limit, digests_).value();
  }
  void SetUp() override { open_store(); }
  Result<std::unique_ptr<Upload>> begin(const std::string& manifest, const char* tenant = "t1") {
    return Upload::begin(*store_, tenant, manifest, "{}");
  }
  /// Uploads a file of one part.
  Status upload(std::string_view text, const char* tenant = "t1") {
    VAC_TRY(std::unique_ptr<Upload> upload, begin(line(text, "model.pt"), tenant));
    return upload->write(0, 0, std::as_bytes(std::span(text)));
  }
  std::size_t files() const {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_.path())) {
      count += entry.is_regular_file() ? 1 : 0;
    }
    return count;
  }
  static Status write(Upload& upload, std::uint32_t file, std::uint64_t offset,
                      std::string_view text) {
    return upload.write(file, offset, std::as_bytes(std::span(text)));
  }

  test::TempDirectory folder_;
  FileDigests digests_;
  std::unique_ptr<ResourceStore> store_;
};

TEST_F(Uploads, NeedEachFileOnce) {
  auto first = begin(line("weights", "model.pt"));
  ASSERT_TRUE(first) << first.error().message();
  EXPECT_THAT((*first)->missing(), ElementsAre(0));
  EXPECT_TRUE(write(**first, 0, 3, "ghts"));
  EXPECT_FALSE((*first)->complete());
  EXPECT_TRUE(write(**first, 0, 0, "wei"));
  ASSERT_TRUE((*first)->complete());
  const auto data = (*first)->resource();
  ASSERT_TRUE(data);
  EXPECT_EQ((*data)->digest(), hash("weights"));
  std::ifstream stored((*data)->files()[0].path);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(stored), {}), "weights");

  EXPECT_THAT(begin(line("weights", "again.pt")).value()->missing(), IsEmpty());
  EXPECT_THAT(begin(line("weights", "model.pt"), "t2").value()->missing(), ElementsAre(0))
      << "another tenant must not learn who has what";
}

TEST_F(Uploads, OfADirectoryNeedWhatIsMissing) {
  ASSERT_TRUE(upload("graph"));
  const std::string lines = line("graph", "a.pb") + line("", "empty") + line("numbers", "v/data");
  auto directory = begin("directory\n" + lines);
  ASSERT_TRUE(directory) << directory.error().message();
  EXPECT_THAT((*directory)->missing(), ElementsAre(2));
  EXPECT_TRUE(write(**directory, 2, 0, "numbers"));
  const auto data = (*directory)->resource();
  ASSERT_TRUE(data);
  EXPECT_EQ((*data)->kind(), core::ResourceData::Kind::directory);
  EXPECT_EQ((*data)->digest(), hash(lines));
}

TEST_F(Uploads, ThatAreNotWhatTheySayAreRefusedAndRemoved) {
  auto upload = begin(line("weights", "model.pt")).value();
  const Status written = write(*upload, 0, 0, "WEIGHTS");
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code(), Errc::bad_message);
  EXPECT_THAT(written.error().text(), HasSubstr("model.pt"));
  EXPECT_EQ(files(), 0U);
  EXPECT_THAT(upload->missing(), ElementsAre(0));
  EXPECT_TRUE(write(*upload, 0, 0, "weights"));
  EXPECT_TRUE(upload->complete());
}

TEST_F(Uploads, ThatEndHalfWayLeaveNothing) {
  {
    auto upload = begin(line("weights", "model.pt")).value();
    EXPECT_TRUE(write(*upload, 0, 0, "wei"));
    EXPECT_EQ(files(), 1U);
  }
  EXPECT_EQ(files(), 0U);
  EXPECT_EQ(store_->bytes(), 0U);
}

TEST_F(Uploads, RefusePartsThatDoNotFit) {
  auto upload = begin(line("weights", "model.pt")).value();
  EXPECT_FALSE(write(*upload, 1, 0, "w"));
  EXPECT_FALSE(write(*upload, 0, 7, "w"));
  EXPECT_FALSE(write(*upload, 0, UINT64_MAX, "w"));
  EXPECT_FALSE(write(*upload, 0, 0, ""));
  EXPECT_FALSE(write(*upload, 0, 0, "weights!"));
  EXPECT_TRUE(write(*upload, 0, 0, "weights"));
  EXPECT_FALSE(write(*upload, 0, 0, "weights")) << "it is complete";
}

TEST_F(Uploads, RefuseManifestsThatAreNone) {
  for (const char* manifest : {"", "x", "directory\n", "abc 1 name\n"})
    EXPECT_FALSE(begin(manifest)) << manifest;
  EXPECT_FALSE(begin(line("a", "a") + line("b", "b"))) << "a file's has one line";
  EXPECT_FALSE(begin("directory\n" + line("a", "../a")));
}

TEST_F(Uploads, MayComeFromSeveralThreads) {
  std::string text(400'000, '\0');
  test::Random(1).fill(std::as_writable_bytes(std::span(text)));
  auto upload = begin(line(text, "model.pt")).value();
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      for (std::size_t at = i * 1000; at < text.size(); at += 4000) {
        EXPECT_TRUE(write(*upload, 0, at, std::string_view(text).substr(at, 1000)));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(upload->complete());
}

TEST_F(Uploads, EvictWhatWasNotUsedForLongest) {
  open_store(2000);
  const std::string a(900, 'a'), b(900, 'b'), c(900, 'c');
  ASSERT_TRUE(upload(a));
  ASSERT_TRUE(upload(b));
  EXPECT_THAT(begin(line(a, "a")).value()->missing(), IsEmpty());  // used just now
  ASSERT_TRUE(upload(c));
  EXPECT_THAT(begin(line(b, "b")).value()->missing(), ElementsAre(0));
  EXPECT_THAT(begin(line(a, "a")).value()->missing(), IsEmpty());
}

TEST_F(Uploads, AreRefusedWhenAllThatIsThereIsInUse) {
  open_store(1000);
  auto held = begin(line(std::string(900, 'a'), "a")).value();
  ASSERT_TRUE(write(*held, 0, 0, std::string(900, 'a')));
  const Status more = upload(std::string(900, 'b'));
  ASSERT_FALSE(more);
  EXPECT_EQ(more.error().code(), Errc::no_space);
  held.reset();
  EXPECT_TRUE(upload(std::string(900, 'b')));
}

TEST_F(Uploads, OutlastTheAgentAndAreVerifiedAgain) {
  ASSERT_TRUE(upload("weights"));
  ASSERT_TRUE(upload("numbers"));
  std::ofstream(folder_.path() / "t1" / "incoming-left") << "half";
  std::ofstream(folder_.path() / "t1" / hash("numbers")) << "numberz";
  open_store();
  EXPECT_THAT(begin(line("weights", "a")).value()->missing(), IsEmpty());
  EXPECT_THAT(begin(line("numbers", "a")).value()->missing(), ElementsAre(0)) << "damaged on disk";
  ASSERT_TRUE(upload("numbers"));
  EXPECT_THAT(begin(line("numbers", "a")).value()->missing(), IsEmpty());
  EXPECT_EQ(files(), 2U) << "the half is gone";
}

TEST_F(Uploads, LieInAFolderThatIsPrivate) {
  const std::string path = (folder_ / "new" / "cache").string();
  ASSERT_TRUE(ResourceStore::open(path, 1000, digests_));
  struct stat status{};
  ASSERT_EQ(::stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0700U);
}

}  // namespace
}  // namespace vac::agent
