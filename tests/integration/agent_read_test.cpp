// SPDX-License-Identifier: Apache-2.0
// Resources that clients read back from a real agent.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "support/agent_process.hpp"
#include "support/random.hpp"
#include "support/raw_client.hpp"
#include "support/resource_calls.hpp"
#include "support/temp_directory.hpp"

namespace vac {
namespace {

using test::add_resource;
using test::manifest_line;
using test::open_resource;
using test::RawClient;
using test::RawReply;
using test::read_file;
using test::read_part;
using test::text_of;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr std::uint64_t kMiB = 1 << 20;

std::string random_text(std::size_t bytes, std::uint64_t seed) {
  std::string text(bytes, '\0');
  test::Random(seed).fill(std::as_writable_bytes(std::span(text)));
  return text;
}

class AgentRead : public testing::Test {
 protected:
  AgentRead() {
    std::ofstream(models_ / "lite0.pt") << "weights";
    std::filesystem::create_directories(models_ / "saved" / "variables");
    std::ofstream(models_ / "saved" / "graph.pb") << "graph";
    std::ofstream(models_ / "saved" / "variables" / "data") << "numbers";
    std::ofstream(models_.path() / "secret") << "not below saved";
    agent_ = std::make_unique<test::AgentProcess>(
        std::vector<std::string>{"--plugin", "noop", "--models", models_.path().string()});
  }
  ~AgentRead() override { EXPECT_EQ(agent_->stop(), 0) << agent_->log(); }

  RawClient client() { return RawClient::greeted(agent_->address()); }
  std::uint64_t open(RawClient& client, const char* uri) {
    const RawReply opened = open_resource(client, uri);
    EXPECT_EQ(opened.code(), VAC_OK) << opened.text();
    return opened.scalar(2);
  }
  /// The file that the agent keeps of an upload.
  std::filesystem::path stored(const std::string& text) const {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(agent_->folder())) {
      if (entry.path().filename() == test::digest_of(text)) return entry.path();
    }
    throw std::runtime_error("the agent has no such file");
  }

  test::TempDirectory models_;
  std::unique_ptr<test::AgentProcess> agent_;
};

TEST_F(AgentRead, ReturnsWhatWasUploaded) {
  const std::string text = random_text(2'500'001, 1);
  RawClient client = this->client();
  const std::uint64_t id = test::upload(client, manifest_line(text, "model.pt"), {text});
  EXPECT_EQ(test::digest_of(read_file(client, id, 0)), test::digest_of(text));
}

TEST_F(AgentRead, ReturnsTheFilesOfADirectoryByTheirPlaceInTheManifest) {
  const std::vector<std::string> files{"first", "", random_text(100'000, 2)};
  RawClient client = this->client();
  const std::uint64_t id =
      test::upload(client,
                   "directory\n" + manifest_line(files[0], "a") + manifest_line(files[1], "b") +
                       manifest_line(files[2], "c/d"),
                   files);
  for (std::uint32_t i = 0; i < files.size(); ++i) EXPECT_EQ(read_file(client, id, i), files[i]);
}

TEST_F(AgentRead, ReturnsModelsOfTheRepository) {
  RawClient client = this->client();
  EXPECT_EQ(read_file(client, open(client, "model://lite0"), 0), "weights");
  const std::uint64_t id = open(client, "model://saved");
  EXPECT_EQ(read_file(client, id, 0), "graph");
  EXPECT_EQ(read_file(client, id, 1), "numbers");
  const RawReply refused = read_part(client, id, 2, 0);
  EXPECT_EQ(refused.code(), VAC_EINVAL);
  EXPECT_THAT(refused.text(), HasSubstr("the resource has no file 2: it has 2 files"));
}

TEST_F(AgentRead, ReturnsAtMostWhatThereIsRoomFor) {
  const std::string text = random_text(3 * kMiB, 3);
  RawClient client = this->client();
  const std::uint64_t id = test::upload(client, manifest_line(text, "model.pt"), {text});
  const std::uint64_t end = text.size();
  struct Case {
    std::uint64_t offset, capacity, bytes;
  };
  for (const auto& [offset, capacity, bytes] :
       {Case{0, 0, 0}, Case{7, 1000, 1000}, Case{0, VAC_ANY_BYTES, kMiB}, Case{5, 2 * kMiB, kMiB},
        Case{end - 10, 1000, 10}, Case{end, 1000, 0}, Case{end + 1, 1000, 0},
        Case{UINT64_MAX, VAC_ANY_BYTES, 0}}) {
    const RawReply read = read_part(client, id, 0, offset, capacity);
    ASSERT_EQ(read.code(), VAC_OK) << read.text();
    EXPECT_EQ(text_of(read), bytes == 0 ? "" : text.substr(offset, bytes)) << offset;
  }
}

TEST_F(AgentRead, KeepsToTheLargestFrameThatTheClientTakes) {
  const std::string text = random_text(300'000, 4);
  RawClient client(agent_->address());
  wire::Hello hello;
  hello.largest_frame = wire::kMinLargestFrame;
  (void)client.greet(hello);
  const std::uint64_t id = [&] {
    const RawReply added = add_resource(client, manifest_line(text, "model.pt"));
    for (std::size_t at = 0; at < text.size(); at += 100'000) {
      EXPECT_EQ(test::send_part(client, added.scalar(2), 0, at, text.substr(at, 100'000)).code(),
                VAC_OK);
    }
    return added.scalar(2);
  }();
  const RawReply read = read_part(client, id, 0, 0);
  EXPECT_EQ(read.code(), VAC_OK);
  EXPECT_GT(text_of(read).size(), wire::kMinLargestFrame - 1024);
  EXPECT_LE(wire::frame_bytes(read.header()), wire::kMinLargestFrame);
  EXPECT_EQ(read_file(client, id, 0), text);
}

TEST_F(AgentRead, RefusesWhatIsNotThere) {
  RawClient client = this->client();
  const std::uint64_t id = add_resource(client, manifest_line("weights!", "model.pt")).scalar(2);
  ASSERT_EQ(test::send_part(client, id, 0, 0, "weig").code(), VAC_OK);
  const RawReply incomplete = read_part(client, id, 0, 0);
  EXPECT_EQ(incomplete.code(), VAC_EINVAL);
  EXPECT_THAT(incomplete.text(), HasSubstr("the resource is incomplete: 1 of its files"));
  ASSERT_EQ(test::send_part(client, id, 0, 4, "hts!").code(), VAC_OK);
  EXPECT_EQ(read_file(client, id, 0), "weights!");
  for (const std::uint32_t file : {1U, UINT32_MAX}) {
    EXPECT_EQ(read_part(client, id, file, 0).code(), VAC_EINVAL);
  }
  EXPECT_EQ(read_part(client, id + 1, 0, 0).code(), VAC_EBADF);
  RawClient stranger = this->client();
  EXPECT_EQ(read_part(stranger, id, 0, 0).code(), VAC_EBADF);
}

TEST_F(AgentRead, RefusesAFileThatHasChangedSinceItWasOpened) {
  const std::filesystem::path path = models_ / "lite0.pt";
  for (const char* other : {"WEIGHTS", "weigh", "", "weights and more"}) {
    SCOPED_TRACE(other);
    std::ofstream(path) << "weights";
    RawClient client = this->client();
    const std::uint64_t id = open(client, "model://lite0");
    ASSERT_EQ(text_of(read_part(client, id, 0, 0)), "weights");
    std::ofstream(path) << other;
    const RawReply refused = read_part(client, id, 0, 0);
    EXPECT_EQ(refused.code(), VAC_EBADMSG);
    EXPECT_THAT(refused.text(),
                AllOf(HasSubstr("'lite0.pt' has changed"), HasSubstr("open it again"),
                      Not(HasSubstr(models_.path().string()))));
  }
  RawClient client = this->client();
  const std::uint64_t id = open(client, "model://lite0");
  std::filesystem::remove(path);
  EXPECT_EQ(read_part(client, id, 0, 0).code(), VAC_ENOENT);
  std::filesystem::create_directory(path);
  EXPECT_EQ(read_part(client, id, 0, 0).code(), VAC_EINVAL);
}

TEST_F(AgentRead, RefusesAnUploadThatWasDamagedInTheCache) {
  const std::string text = random_text(10'000, 5);
  RawClient client = this->client();
  const std::uint64_t id = test::upload(client, manifest_line(text, "model.pt"), {text});
  std::filesystem::resize_file(stored(text), 9'000);
  const RawReply refused = read_part(client, id, 0, 0);
  EXPECT_EQ(refused.code(), VAC_EBADMSG);
  EXPECT_THAT(refused.text(), AllOf(HasSubstr("'model.pt'"), Not(HasSubstr(agent_->folder()))));
  // The same upload again brings it back.
  const std::uint64_t again = test::upload(client, manifest_line(text, "model.pt"), {text});
  EXPECT_EQ(read_file(client, again, 0), text);
}

TEST_F(AgentRead, LeavesNoDescriptorOpen) {
  const auto descriptors = [&] {
    const std::filesystem::directory_iterator all("/proc/" + std::to_string(agent_->pid()) + "/fd");
    return std::distance(begin(all), end(all));
  };
  RawClient client = this->client();
  const std::uint64_t id = open(client, "model://lite0");
  ASSERT_EQ(read_part(client, id, 0, 0).code(), VAC_OK);
  const auto before = descriptors();
  for (int i = 0; i < 200; ++i) {
    ASSERT_EQ(read_part(client, id, i % 2, 0).code(), i % 2 == 0 ? VAC_OK : VAC_EINVAL);
  }
  EXPECT_EQ(descriptors(), before);
}

}  // namespace
}  // namespace vac
