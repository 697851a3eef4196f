// SPDX-License-Identifier: Apache-2.0
// The added operation, called by its generated C function, carried by the remote plugin to an
// agent, and run there by its handler.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <vac/ops.h>
#include <vac/vac.h>

#include <memory>
#include <string>
#include <vector>

#include "agent/agent.hpp"
#include "support/temp_directory.hpp"
#include "support/test_paths.hpp"

namespace vac {
namespace {

using testing::ElementsAre;

std::string extra_folder() { return (test::build_directory() / "test" / "extra_op").string(); }

class ExtraOperation : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    ::setenv("VAC_PLUGIN_PATH", extra_folder().c_str(), 1);
    ::setenv("VAC_PLUGINS", "extra", 1);
    std::string address = "local:";
    if (GetParam()) {
      agent::AgentConfig config;
      address = "unix://" + (folder_.path() / "agent.sock").string();
      config.listeners.push_back({address, {}, {}, {}});
      config.cache.directory = (folder_.path() / "cache").string();
      config.plugins = {extra_folder() + "/extra.so"};
      agent_ = agent::Agent::start(config).value();
    }
    ASSERT_EQ(vac_session_open(address.c_str(), nullptr, &session_), VAC_OK) << vac_error_message();
  }
  void TearDown() override {
    vac_session_close(session_);
    if (agent_ != nullptr) {
      EXPECT_TRUE(agent_->stop(std::chrono::seconds(5)));
    }
  }

  test::TempDirectory folder_;
  std::unique_ptr<agent::Agent> agent_;
  vac_session* session_ = nullptr;
};

INSTANTIATE_TEST_SUITE_P(Everywhere, ExtraOperation, testing::Bool(), [](const auto& info) {
  return std::string(info.param ? "agent" : "local");
});

TEST_P(ExtraOperation, IsCalledLikeAnyOther) {
  const char* const names[] = {"warp", "weft"};
  const double weights[] = {1, 2, 3.5};
  const double scale = 2;
  float threads[] = {1, 2, 3, 4};
  const std::int64_t dims[] = {2, 2};
  vac_tensor* cloth = nullptr;
  ASSERT_EQ(vac_tensor_wrap(session_, VAC_F32, 2, dims, threads, &cloth), VAC_OK);
  std::uint8_t inverted[] = {0, 0xff, 0x0f};
  vac_value values[] = {{VAC_U8, VAC_ARRAY, 0, 0, 1, inverted, sizeof inverted, nullptr}};
  char label[64];
  std::size_t label_bytes = 0, counts_count = 0, woven_count = 0;
  double sum = 0;
  std::uint64_t counts[4] = {};
  vac_tensor* woven[4] = {};

  ASSERT_EQ(vac_extra_weave(session_, "cloth", names, 2, weights, 3, &scale, &cloth, 1, values, 1,
                            label, sizeof label, &label_bytes, &sum, counts, 4, &counts_count,
                            woven, 4, &woven_count),
            VAC_OK)
      << vac_error_message();

  EXPECT_STREQ(label, "cloth-warp-weft");
  EXPECT_EQ(sum, 13);
  EXPECT_THAT(std::vector(counts, counts + counts_count), ElementsAre(4, 4));
  EXPECT_THAT(inverted, ElementsAre(0xff, 0, 0xf0));
  ASSERT_EQ(woven_count, 2U);
  const auto* scaled = static_cast<const float*>(vac_tensor_data(woven[0]));
  EXPECT_THAT(std::vector(scaled, scaled + 4), ElementsAre(2, 4, 6, 8));
  const auto* doubled = static_cast<const double*>(vac_tensor_data(woven[1]));
  EXPECT_THAT(std::vector(doubled, doubled + 3), ElementsAre(2, 4, 7));
  for (vac_tensor* tensor : {cloth, woven[0], woven[1]}) vac_tensor_free(tensor);
}

}  // namespace
}  // namespace vac
