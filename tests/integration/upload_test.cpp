// SPDX-License-Identifier: Apache-2.0
// Resources of a user's program on their way to a real agent.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <vac/vac.hpp>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "support/agent_process.hpp"
#include "support/random.hpp"
#include "support/temp_directory.hpp"

namespace vac {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

constexpr std::size_t kMiB = 1 << 20;

void write_file(const fs::path& path, std::string_view text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

std::string random_text(std::size_t bytes, std::uint64_t seed) {
  std::string text(bytes, '\0');
  test::Random(seed).fill(std::as_writable_bytes(std::span(text)));
  return text;
}

class Upload : public testing::Test {
 protected:
  static std::vector<std::string> arguments() { return {"--plugin", "noop"}; }
  Session session() { return Session::open(agent_.address()).value(); }
  /// How many files of uploads the agent keeps, whole or not.
  std::size_t stored() const {
    const fs::recursive_directory_iterator all(agent_.folder() + "/vaccel-agent");
    return static_cast<std::size_t>(std::count_if(begin(all), end(all), [](const auto& entry) {
      return entry.is_regular_file() && entry.path().filename() != "lock";
    }));
  }
  static Status load(const Session& session, const Resource& resource) {
    return session.model_load(resource);
  }
  /// A directory resource that is sent, or why not.
  Status send_directory() {
    Session session = this->session();
    VAC_TRY(const Resource resource, session.resource_directory(folder_.path().string()));
    return load(session, resource);
  }

  test::TempDirectory folder_;
  test::AgentProcess agent_{arguments()};
};

TEST_F(Upload, TellsHowFarItIs) {
  write_file(folder_ / "model.pt", random_text(5 * kMiB / 2, 1));
  Session session = this->session();
  std::vector<Progress> heard;
  session.on_progress([&](const Progress& progress) { heard.push_back(progress); });
  const Resource resource = session.resource((folder_ / "model.pt").string()).value();
  ASSERT_EQ(heard.size(), 3U);
  EXPECT_EQ(heard.back().stage, Progress::Stage::read);
  heard.clear();
  ASSERT_TRUE(load(session, resource));
  ASSERT_EQ(heard.size(), 3U) << "once a piece";
  for (std::size_t i = 0; i < heard.size(); ++i) {
    EXPECT_EQ(heard[i].stage, Progress::Stage::call);
    EXPECT_EQ(heard[i].done, std::min((i + 1) * kMiB, 5 * kMiB / 2));
    EXPECT_EQ(heard[i].total, 5 * kMiB / 2);
  }
  heard.clear();
  ASSERT_TRUE(load(session, resource));
  EXPECT_TRUE(heard.empty()) << "it is there";
  session.on_progress([](const Progress&) { throw 1; });
  write_file(folder_ / "other.pt", "other");
  EXPECT_TRUE(load(session, session.resource((folder_ / "other.pt").string()).value()));
  session.on_progress({});
}

TEST_F(Upload, OfADirectoryMayHaveManySmallFiles) {
  for (int i = 0; i < 1000; ++i) {
    write_file(folder_.path() / ("part-" + std::to_string(i % 10)) / std::to_string(i),
               "file " + std::to_string(i));
  }
  EXPECT_TRUE(send_directory());
  EXPECT_EQ(stored(), 1000U);
}

TEST_F(Upload, OfADirectoryMayHaveEmptyEqualAndDeepFiles) {
  std::string deep;
  while (deep.size() < 1000) deep += "folder/";
  write_file(folder_.path() / deep / "deep", "deep");
  write_file(folder_ / "empty", "");
  write_file(folder_ / "also empty", "");
  write_file(folder_ / "a", "equal");
  write_file(folder_ / "b", "equal");
  write_file(folder_ / "\xc3\xa4 \xe2\x82\xac", "named in UTF-8");
  const Status sent = send_directory();
  EXPECT_TRUE(sent) << sent.error().message();
  EXPECT_EQ(stored(), 4U) << "each content once";
}

TEST_F(Upload, OfADirectoryRefusesNamesThatDoNotTravel) {
  const Session session = this->session();
  for (const std::string name : {"line\nfeed", "bell\a", "back\\slash", "no utf-8 \xff"}) {
    const test::TempDirectory folder;
    write_file(folder.path() / name, "x");
    const auto refused = session.resource_directory(folder.path().string());
    ASSERT_FALSE(refused) << name;
    EXPECT_EQ(refused.error().code(), Errc::invalid);
    EXPECT_THAT(refused.error().text(), HasSubstr("is not a regular file with a printable name"));
  }
  std::string deep;
  while (deep.size() < 1024) deep += "folder/";
  write_file(folder_.path() / deep / "deep", "x");
  EXPECT_FALSE(session.resource_directory(folder_.path().string())) << "longer than names may be";
  const test::TempDirectory links;
  fs::create_symlink("/etc/passwd", links / "link");
  EXPECT_FALSE(session.resource_directory(links.path().string()));
  const test::TempDirectory empty;
  const auto nothing = session.resource_directory(empty.path().string());
  ASSERT_FALSE(nothing);
  EXPECT_THAT(nothing.error().text(), HasSubstr("is an empty directory"));
}

TEST_F(Upload, OfOneFileByManySessionsIsKeptOnce) {
  write_file(folder_ / "model.pt", random_text(3 * kMiB, 2));
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      Session session = this->session();
      const Resource resource = session.resource((folder_ / "model.pt").string()).value();
      const Status sent = load(session, resource);
      EXPECT_TRUE(sent) << sent.error().message();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(stored(), 1U);
}

TEST_F(Upload, ReturnsAllIdsOfAManyResourcesThatWereClosed) {
  const Session session = this->session();
  // More, one after the other, than a connection may have at once.
  const int rounds = 3;
  for (int round = 0; round < rounds; ++round) {
    std::vector<Resource> open;
    std::vector<std::string> texts;
    texts.reserve(2000);
    for (int i = 0; i < 2000; ++i) {
      texts.push_back(std::to_string(i));
      open.push_back(session.resource_bytes(std::as_bytes(std::span(texts.back()))).value());
      const Status sent = load(session, open.back());
      ASSERT_TRUE(sent) << round << " " << i << ": " << sent.error().message();
    }
  }
}

class UploadToAnAgentOfSmallFrames : public Upload {
 protected:
  UploadToAnAgentOfSmallFrames() {
    const std::string config = folder_ / "agent.toml";
    std::ofstream(config) << "[limits]\nframe = \"1MiB\"\n";
    small_ = std::make_unique<test::AgentProcess>(
        std::vector<std::string>{"--plugin", "noop", "--config", config});
  }
  std::unique_ptr<test::AgentProcess> small_;
};

TEST_F(UploadToAnAgentOfSmallFrames, HasSmallerPieces) {
  write_file(folder_ / "model.pt", random_text(3 * kMiB, 3));
  const Session session = Session::open(small_->address()).value();
  const Resource resource = session.resource((folder_ / "model.pt").string()).value();
  const Status sent = load(session, resource);
  EXPECT_TRUE(sent) << sent.error().message();
}

/// The processes that are started meanwhile may write no larger files.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    rlimit lower = before_;
    lower.rlim_cur = bytes;
    ::setrlimit(RLIMIT_FSIZE, &lower);
  }
  ~FileSizeLimit() { ::setrlimit(RLIMIT_FSIZE, &before_); }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit before_{};
};

TEST_F(Upload, ToAnAgentThatMayWriteNoLargeFilesFailsAlone) {
  const auto limited = [] {
    const FileSizeLimit limit(kMiB);
    return std::make_unique<test::AgentProcess>(arguments());
  }();
  write_file(folder_ / "large.pt", random_text(3 * kMiB, 4));
  write_file(folder_ / "small.pt", random_text(kMiB / 2, 5));
  const Session session = Session::open(limited->address()).value();
  const Resource large = session.resource((folder_ / "large.pt").string()).value();
  const Resource small = session.resource((folder_ / "small.pt").string()).value();
  const Status refused = load(session, large);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::too_large);
  EXPECT_THAT(refused.error().text(),
              AllOf(HasSubstr("large.pt"), HasSubstr("cannot store an uploaded file"),
                    HasSubstr("ulimit -f")));
  EXPECT_TRUE(load(session, small));
  EXPECT_EQ(limited->stop(), 0) << limited->log();
}

}  // namespace
}  // namespace vac
