// SPDX-License-Identifier: Apache-2.0
#include "agent/upload.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
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

TEST(ByteRanges, CountTheirBytes) {
  ByteRanges ranges;
  ranges.add(0, 10);
  ranges.add(20, 30);
  EXPECT_EQ(ranges.bytes(), 20U);
  ranges.add(5, 25);
  EXPECT_EQ(ranges.bytes(), 30U);
  EXPECT_TRUE(ranges.contains(3, 30));
  EXPECT_FALSE(ranges.contains(3, 31));
}

TEST(ByteRanges, TakeOnlyWhatAdjoinsWhenTheyAreMany) {
  ByteRanges ranges;
  for (std::uint64_t at = 0; at < 2 * ByteRanges::kMost; at += 2) ranges.add(at, at + 1);
  const std::uint64_t end = 2 * ByteRanges::kMost - 1;
  EXPECT_FALSE(ranges.takes(end + 1, end + 2));
  EXPECT_TRUE(ranges.takes(end, end + 1));
  EXPECT_TRUE(ranges.takes(1, 2));
  ranges.add(1, 2);
  EXPECT_TRUE(ranges.takes(end + 1, end + 2));
}

class Uploads : public testing::Test {
 protected:
  void open_store(std::uint64_t limit = 1 << 20, std::size_t most_arriving = 256) {
    store_.reset();
    store_ = ResourceStore::open(folder_.path().string(), limit, digests_, most_arriving).value();
  }
  void SetUp() override { open_store(); }
  Tenant& tenant(const std::string& name) {
    return *tenants_.try_emplace(name, std::make_unique<Tenant>(name, name, name, kMemory, kMemory))
                .first->second;
  }
  Result<std::unique_ptr<Upload>> begin(const std::string& manifest, const char* tenant = "t1",
                                        std::string_view options = "{}") {
    return Upload::begin(*store_, this->tenant(tenant), manifest, options);
  }
  /// Uploads a file of one part.
  Status upload(std::string_view text, const char* tenant = "t1") {
    VAC_TRY(std::unique_ptr<Upload> upload, begin(line(text, "model.pt"), tenant));
    return upload->write(0, 0, std::as_bytes(std::span(text)));
  }
  std::size_t files() const {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_.path())) {
      count += entry.is_regular_file() && !entry.path().filename().string().starts_with("lock");
    }
    return count;
  }
  static Status write(Upload& upload, std::uint32_t file, std::uint64_t offset,
                      std::string_view text) {
    return upload.write(file, offset, std::as_bytes(std::span(text)));
  }

  static constexpr std::uint64_t kMemory = 1 << 20;
  test::TempDirectory folder_;
  FileDigests digests_;
  std::map<std::string, std::unique_ptr<Tenant>> tenants_;
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
  std::ofstream(folder_.path() / "t1" / "incoming-a1b2c3") << "half";
  std::ofstream(folder_.path() / "t1" / hash("numbers")) << "numberz";
  open_store();
  EXPECT_THAT(begin(line("weights", "a")).value()->missing(), IsEmpty());
  EXPECT_THAT(begin(line("numbers", "a")).value()->missing(), ElementsAre(0)) << "damaged on disk";
  ASSERT_TRUE(upload("numbers"));
  EXPECT_THAT(begin(line("numbers", "a")).value()->missing(), IsEmpty());
  EXPECT_EQ(files(), 2U) << "the half is gone";
}

TEST_F(Uploads, StayWhenTheyCannotBeReadForNow) {
  ASSERT_TRUE(upload("weights"));
  const std::string path = begin(line("weights", "a")).value()->resource().value()->files()[0].path;
  const std::string aside = folder_ / "aside";
  std::filesystem::rename(path, aside);
  std::filesystem::create_symlink(path, path);  // opening it fails, which says nothing of the bytes
  EXPECT_THAT(begin(line("weights", "a")).value()->missing(), ElementsAre(0));
  ASSERT_TRUE(std::filesystem::is_symlink(path));
  std::filesystem::rename(aside, path);
  EXPECT_THAT(begin(line("weights", "a")).value()->missing(), IsEmpty());
}

TEST_F(Uploads, HaveASharedNumberOfFilesOnTheirWay) {
  open_store(1 << 20, 2);
  auto first = begin(line("weights", "a")).value();
  auto second = begin(line("numbers", "b"), "t3").value();
  auto third = begin(line("letters", "c"), "t2").value();
  ASSERT_TRUE(write(*first, 0, 0, "wei"));
  ASSERT_TRUE(write(*second, 0, 0, "num"));
  const Status refused = write(*third, 0, 0, "let");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::busy);
  EXPECT_THAT(refused.error().text(), HasSubstr("try again"));

  ASSERT_TRUE(write(*first, 0, 3, "ghts"));  // complete
  EXPECT_TRUE(write(*third, 0, 0, "let"));
  EXPECT_FALSE(write(*second, 0, 3, "BERS"));  // damaged
  EXPECT_EQ(store_->arriving(), 1U);
  third.reset();  // dropped
  EXPECT_EQ(store_->arriving(), 0U);
}

TEST_F(Uploads, WithBadOptionsAreRefusedAtOnce) {
  const std::string manifest = line("weights", "model.pt");
  for (const char* options : {"x", "[]", R"({"a":1,"a":2})", R"({"stateful":7})"}) {
    const auto refused = begin(manifest, "t1", options);
    ASSERT_FALSE(refused) << options;
    EXPECT_THAT(refused.error().text(), HasSubstr("option"));
  }
  EXPECT_FALSE(begin(manifest, "t1", "{\"a\":\"" + std::string(70'000, 'a') + "\"}"));
}

TEST_F(Uploads, AreOnTheAccountOfTheirTenant) {
  std::string manifest = "directory\n";
  for (int i = 100; i < 300; ++i) manifest += line("x", std::to_string(i));
  std::vector<std::unique_ptr<Upload>> uploads;
  for (;;) {
    auto upload = begin(manifest);
    if (!upload) {
      EXPECT_EQ(upload.error().code(), Errc::no_space);
      EXPECT_THAT(upload.error().text(), HasSubstr("the limit of t1 is 1.0 MB"));
      break;
    }
    uploads.push_back(*std::move(upload));
    ASSERT_LT(uploads.size(), 6U);
  }
  EXPECT_FALSE(uploads.empty());
  EXPECT_TRUE(begin(manifest, "t2"));
  uploads.clear();
  EXPECT_EQ(tenant("t1").memory().used(), 0U);
}

TEST_F(Uploads, MayNotConsistOfGaps) {
  const std::string text(3 * ByteRanges::kMost, 'a');
  auto upload = begin(line(text, "model.pt")).value();
  std::uint64_t at = 0;
  for (std::size_t i = 0; i < ByteRanges::kMost; ++i, at += 2) {
    ASSERT_TRUE(write(*upload, 0, at, "a"));
  }
  const Status refused = write(*upload, 0, at, "a");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::busy);
  EXPECT_TRUE(write(*upload, 0, 0, text));
  EXPECT_TRUE(upload->complete());
}

TEST_F(Uploads, OfOneFileAtTheSameTimeNeedItsRoomOnce) {
  open_store(1000);
  const std::string text = std::string(300, 'a') + std::string(300, 'b');
  auto first = begin(line(text, "a")).value();
  auto second = begin(line(text, "b")).value();
  ASSERT_TRUE(write(*first, 0, 0, text.substr(0, 300)));
  ASSERT_TRUE(write(*second, 0, 300, text.substr(300)));
  EXPECT_FALSE(second->complete()) << "each sends all of it";
  EXPECT_EQ(files(), 1U);
  ASSERT_TRUE(write(*second, 0, 0, text.substr(0, 300)));
  EXPECT_TRUE(second->complete());
  second.reset();
  ASSERT_TRUE(write(*first, 0, 300, text.substr(300)));
  EXPECT_TRUE(first->complete());
  EXPECT_EQ(store_->bytes(), 600U);
  EXPECT_EQ(store_->arriving(), 0U);
}

TEST_F(Uploads, OfOneFileFailTogetherAndBeginAnew) {
  auto good = begin(line("weights", "a")).value();
  auto bad = begin(line("weights", "b")).value();
  ASSERT_TRUE(write(*good, 0, 0, "wei"));
  ASSERT_TRUE(write(*bad, 0, 3, "GHTS"));
  EXPECT_EQ(write(*bad, 0, 0, "wei").error().code(), Errc::bad_message);
  EXPECT_EQ(write(*good, 0, 3, "ghts").error().code(), Errc::bad_message);
  EXPECT_EQ(files(), 0U);
  EXPECT_EQ(store_->bytes(), 0U);
  EXPECT_TRUE(write(*good, 0, 0, "weights"));
  EXPECT_TRUE(good->complete());
}

TEST_F(Uploads, OfOneFileMayComeFromSeveralThreads) {
  std::string text(400'000, '\0');
  test::Random(2).fill(std::as_writable_bytes(std::span(text)));
  std::vector<std::unique_ptr<Upload>> uploads;
  for (int i = 0; i < 4; ++i) uploads.push_back(begin(line(text, "model.pt")).value());
  std::vector<std::thread> threads;
  for (const auto& upload : uploads) {
    threads.emplace_back([&] {
      for (std::size_t at = 0; at < text.size(); at += 1000) {
        EXPECT_TRUE(write(*upload, 0, at, std::string_view(text).substr(at, 1000)));
      }
      EXPECT_TRUE(upload->complete());
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(store_->bytes(), text.size());
  EXPECT_EQ(store_->arriving(), 0U);
}

TEST_F(Uploads, EvictAsTheyGrowNotAsTheyBegin) {
  open_store(1000);
  const std::string other(500, 'o'), large(900, 'l');
  ASSERT_TRUE(upload(other));
  auto growing = begin(line(large, "large"), "t2").value();
  ASSERT_TRUE(write(*growing, 0, 0, "l"));
  EXPECT_THAT(begin(line(other, "o")).value()->missing(), IsEmpty());
  EXPECT_TRUE(upload(std::string(400, 'x'))) << "what is only announced takes no room";
  ASSERT_TRUE(write(*growing, 0, 0, large));
  EXPECT_THAT(begin(line(other, "o")).value()->missing(), ElementsAre(0));
  EXPECT_EQ(store_->bytes(), 900U);
}

TEST_F(Uploads, TakeNoPartsWhileTheyAreVerified) {
  constexpr std::size_t kPart = Upload::kMostBytes;
  open_store(1 << 30);
  const std::string text(32 * kPart, 'a');
  auto upload = begin(line(text, "model.pt")).value();
  for (std::size_t at = kPart; at < text.size(); at += kPart) {
    ASSERT_TRUE(write(*upload, 0, at, std::string_view(text).substr(at, kPart)));
  }
  // One of them sends the last part, one verifies the file, and the others are too late.
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      bool refused = false;
      for (std::size_t at = i == 0 ? 0 : kPart; !upload->complete(); at = kPart) {
        const Status written = write(*upload, 0, at, std::string_view(text).substr(at, kPart));
        if (!written) {
          EXPECT_EQ(written.error().code(), Errc::invalid);
        } else {
          EXPECT_FALSE(refused) << "it has begun again";
        }
        refused = !written;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(files(), 1U);
  EXPECT_EQ(store_->bytes(), text.size());
  EXPECT_EQ(store_->arriving(), 0U);
}

}  // namespace
}  // namespace vac::agent
