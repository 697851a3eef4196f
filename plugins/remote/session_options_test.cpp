// SPDX-License-Identifier: Apache-2.0
#include "session_options.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vac::remote {
namespace {

using ::testing::HasSubstr;

TEST(SessionOptions, ReadsAllThatThereAre) {
  const auto options =
      parse_session_options(R"({"timeout_ms": 250, "name": "camera", "reconnect_ms": 0})");
  ASSERT_TRUE(options) << options.error().message();
  EXPECT_EQ(options->timeout.count(), 250);
  EXPECT_EQ(options->name, "camera");
}

TEST(SessionOptions, AreOptional) {
  for (const char* json : {"", "{}"}) {
    const auto options = parse_session_options(json);
    ASSERT_TRUE(options);
    EXPECT_EQ(options->timeout.count(), 0);
    EXPECT_TRUE(options->name.empty());
  }
}

TEST(SessionOptions, NamesTheKeyThatWasMeant) {
  const auto options = parse_session_options(R"({"timout_ms": 250})");
  ASSERT_FALSE(options);
  EXPECT_EQ(options.error().code(), Errc::invalid);
  EXPECT_THAT(options.error().text(), HasSubstr("did you mean 'timeout_ms'?"));
}

TEST(SessionOptions, RefusesWhatDoesNotFit) {
  for (const char* json :
       {R"({"timeout_ms": -1})", R"({"timeout_ms": "1"})", R"({"timeout_ms": 1e30})",
        R"({"reconnect_ms": null})", R"({"name": 5})", "[]", "3", "{"}) {
    const auto options = parse_session_options(json);
    ASSERT_FALSE(options) << json;
    EXPECT_EQ(options.error().code(), Errc::invalid) << json;
  }
}

}  // namespace
}  // namespace vac::remote
