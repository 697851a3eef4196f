// SPDX-License-Identifier: Apache-2.0
// Models by name and by upload, through a real agent.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "support/agent_process.hpp"
#include "support/raw_client.hpp"
#include "support/resource_calls.hpp"
#include "support/temp_directory.hpp"

namespace vac {
namespace {

using test::add_resource;
using test::digest_of;
using test::drop_resource;
using test::load_model;
using test::manifest_line;
using test::needed;
using test::open_resource;
using test::RawClient;
using test::RawReply;
using test::send_part;
using testing::HasSubstr;

class AgentResources : public testing::Test {
 protected:
  AgentResources() {
    std::ofstream(models_ / "lite0.pt") << "weights";
    agent_ = std::make_unique<test::AgentProcess>(
        std::vector<std::string>{"--plugin", "noop", "--models", models_.path().string()});
  }
  ~AgentResources() override { EXPECT_EQ(agent_->stop(), 0) << agent_->log(); }

  RawClient client() { return RawClient::greeted(agent_->address()); }

  test::TempDirectory models_;
  std::unique_ptr<test::AgentProcess> agent_;
};

TEST_F(AgentResources, AreOpenedByName) {
  RawClient client = this->client();
  const RawReply opened = open_resource(client, "model://lite0");
  ASSERT_EQ(opened.code(), VAC_OK) << opened.text();
  const auto digest = opened.data(3);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(digest.data()), digest.size()),
            digest_of("weights"));
  EXPECT_EQ(load_model(client, opened.scalar(2)).code(), VAC_OK);
}

TEST_F(AgentResources, AreNotOpenedFromElsewhere) {
  RawClient client = this->client();
  for (const char* uri : {"model://../lite0.pt", "file:///etc/passwd", "http://example.org/x"}) {
    EXPECT_EQ(open_resource(client, uri).code(), VAC_EINVAL) << uri;
  }
  const RawReply missing = open_resource(client, "model://lite1");
  EXPECT_EQ(missing.code(), VAC_ENOENT);
  EXPECT_THAT(missing.text(), testing::Not(HasSubstr(models_.path().string())));
}

TEST_F(AgentResources, AreUploadedOnceAndForAllConnectionsOfTheTenant) {
  const std::string data(2'500'000, 'w');
  RawClient first = client();
  const RawReply added = add_resource(first, manifest_line(data, "model.pt"));
  ASSERT_EQ(added.code(), VAC_OK) << added.text();
  EXPECT_THAT(needed(added), testing::ElementsAre(0));
  const std::uint64_t id = added.scalar(2);
  const RawReply early = load_model(first, id);
  EXPECT_EQ(early.code(), VAC_EINVAL);
  EXPECT_THAT(early.text(), HasSubstr("incomplete"));
  constexpr std::size_t kPart = 1 << 20;
  for (std::size_t at = 0; at < data.size(); at += kPart) {
    const RawReply sent = send_part(first, id, 0, at, std::string_view(data).substr(at, kPart));
    ASSERT_EQ(sent.code(), VAC_OK) << sent.text();
  }
  EXPECT_EQ(load_model(first, id).code(), VAC_OK);
  RawClient second = client();
  const RawReply again = add_resource(second, manifest_line(data, "other-name.pt"));
  EXPECT_THAT(needed(again), testing::IsEmpty());
  EXPECT_EQ(load_model(second, again.scalar(2)).code(), VAC_OK);
}

TEST_F(AgentResources, ThatArriveDamagedAreRefused) {
  RawClient client = this->client();
  const RawReply added = add_resource(client, manifest_line("weights of mine", "model.pt"));
  const RawReply sent = send_part(client, added.scalar(2), 0, 0, "weights of thin");
  EXPECT_EQ(sent.code(), VAC_EBADMSG);
  EXPECT_THAT(sent.text(), HasSubstr("model.pt"));
  EXPECT_EQ(load_model(client, added.scalar(2)).code(), VAC_EINVAL);
}

TEST_F(AgentResources, AreKnownToTheirConnectionAlone) {
  RawClient owner = client();
  const std::uint64_t id = open_resource(owner, "model://lite0").scalar(2);
  RawClient stranger = client();
  const RawReply refused = load_model(stranger, id);
  EXPECT_EQ(refused.code(), VAC_EBADF);
  EXPECT_EQ(drop_resource(owner, id).code(), VAC_OK);
  EXPECT_EQ(load_model(owner, id).code(), VAC_EBADF);
  EXPECT_EQ(drop_resource(owner, id).code(), VAC_EBADF);
}

TEST_F(AgentResources, ThatAreDroppedHaveMadeRoomWhenTheNextCallIsRead) {
  RawClient client = this->client();
  std::uint64_t id = 0;
  for (int i = 0; i < 4096; ++i) id = open_resource(client, "model://lite0").scalar(2);
  const RawReply full = open_resource(client, "model://lite0");
  EXPECT_EQ(full.code(), VAC_EMFILE);
  EXPECT_THAT(full.text(), HasSubstr("4096 resources open"));
  test::BuiltCall drop(find_op("resource_drop")->id), open(find_op("resource_open")->id);
  drop.scalar(VAC_U64, id);
  open.string("model://lite0").string("{}").out_scalar(VAC_U64).out_array(VAC_CHAR, VAC_ANY_BYTES);
  client.call(drop);
  client.call(open);
  for (int i = 0; i < 2; ++i) {
    const test::RawFrame reply = client.receive();
    EXPECT_EQ(reply.code(), VAC_OK) << reply.text();
  }
}

TEST_F(AgentResources, WithBadManifestsOrOptionsAreRefused) {
  RawClient client = this->client();
  EXPECT_EQ(add_resource(client, "nonsense").code(), VAC_EINVAL);
  EXPECT_EQ(add_resource(client, manifest_line("x", "../x")).code(), VAC_EINVAL);
  EXPECT_EQ(add_resource(client, "directory\n").code(), VAC_EINVAL);
  const RawReply options = add_resource(client, manifest_line("x", "x"), "{\"a\":");
  EXPECT_EQ(options.code(), VAC_EINVAL);
  EXPECT_THAT(options.text(), HasSubstr("option"));
  const RawReply huge = add_resource(client, std::string(64, 'a') + " 9999999999999 huge.pt\n");
  ASSERT_EQ(huge.code(), VAC_OK) << huge.text();
  EXPECT_EQ(send_part(client, huge.scalar(2), 0, 0, "x").code(), VAC_ENOSPC);
  EXPECT_EQ(send_part(client, 77, 0, 0, "x").code(), VAC_EBADF);
}

TEST_F(AgentResources, OfManyFilesOnTheirWayLeaveTheAgentItsDescriptors) {
  std::string manifest = "directory\n";
  for (int i = 100; i < 150; ++i) {
    const std::string name = std::to_string(i);
    manifest += manifest_line(name + "!", name);
  }
  RawClient client = this->client();
  std::vector<std::uint64_t> ids;
  int code = VAC_OK;
  for (std::uint32_t sent = 0; code == VAC_OK && sent < 300; ++sent) {
    if (sent % 50 == 0) ids.push_back(add_resource(client, manifest).scalar(2));
    code = send_part(client, ids.back(), sent % 50, 0, "1").code();
  }
  EXPECT_EQ(code, VAC_EBUSY);
  for (const std::uint64_t id : ids) EXPECT_EQ(drop_resource(client, id).code(), VAC_OK);
  const RawReply added = add_resource(client, manifest_line("weights!", "model.pt"));
  EXPECT_EQ(send_part(client, added.scalar(2), 0, 0, "weights!").code(), VAC_OK);
}

TEST_F(AgentResources, AreServedByTwoAgentsWithOneCache) {
  const std::string cache = agent_->folder() + "/vaccel-agent";
  const std::string config = agent_->folder() + "/second.toml";
  std::ofstream(config) << "[cache]\ndirectory = \"" << cache << "\"\n";
  RawClient client = this->client();
  const std::uint64_t id = add_resource(client, manifest_line("weights!", "model.pt")).scalar(2);
  ASSERT_EQ(send_part(client, id, 0, 0, "weig").code(), VAC_OK);
  {
    test::AgentProcess second({"--plugin", "noop", "--config", config});
    RawClient other = RawClient::greeted(second.address());
    const RawReply added = add_resource(other, manifest_line("weights!", "model.pt"));
    EXPECT_EQ(send_part(other, added.scalar(2), 0, 0, "weights!").code(), VAC_OK);
    EXPECT_EQ(load_model(other, added.scalar(2)).code(), VAC_OK);
    EXPECT_THAT(second.log(), HasSubstr("another agent uses"));
    EXPECT_EQ(second.stop(), 0) << second.log();
  }
  EXPECT_EQ(send_part(client, id, 0, 4, "hts!").code(), VAC_OK)
      << "the second one has not removed it";
  EXPECT_EQ(load_model(client, id).code(), VAC_OK);
}

TEST_F(AgentResources, LieInTheCacheUnderTheirDigest) {
  const std::string data = "weights that stay";
  RawClient client = this->client();
  const RawReply added = add_resource(client, manifest_line(data, "model.pt"));
  ASSERT_EQ(send_part(client, added.scalar(2), 0, 0, data).code(), VAC_OK);
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(agent_->folder())) {
    files += entry.path().filename() == digest_of(data) ? 1 : 0;
  }
  EXPECT_EQ(files, 1U) << "under its digest, in the agent's cache";
}

}  // namespace
}  // namespace vac
