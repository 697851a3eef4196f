// SPDX-License-Identifier: Apache-2.0
#include "agent/access.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vac::agent {
namespace {

constexpr std::uint32_t kOwn = 1000;

ListenerConfig listener(std::string group, std::vector<std::uint32_t> uids) {
  return {"unix:///run/vaccel.sock", std::move(group), std::move(uids), {}};
}

TEST(Access, IsForTheAgentsOwnUserUntilConfigured) {
  const ListenerConfig closed = listener({}, {});
  EXPECT_EQ(socket_mode(closed), 0600U);
  EXPECT_TRUE(check_access(closed, kOwn, kOwn));
  const Status root = check_access(closed, 0, kOwn);
  ASSERT_FALSE(root);
  EXPECT_EQ(root.error().code(), Errc::access_denied);
  EXPECT_THAT(root.error().text(), testing::HasSubstr("uid 0 may not use this agent"));
  EXPECT_THAT(root.error().text(), testing::Not(testing::HasSubstr("/run")));
}

TEST(Access, OfAGroupIsDecidedByTheSocketFile) {
  const ListenerConfig group = listener("vaccel", {});
  EXPECT_EQ(socket_mode(group), 0660U);
  EXPECT_TRUE(check_access(group, 4711, kOwn));
}

TEST(Access, OfNamedUsersIsDecidedByName) {
  for (const ListenerConfig& named : {listener({}, {12, 13}), listener("vaccel", {12, 13})}) {
    EXPECT_EQ(socket_mode(named), 0666U);
    EXPECT_TRUE(check_access(named, 13, kOwn));
    EXPECT_TRUE(check_access(named, kOwn, kOwn));
    EXPECT_FALSE(check_access(named, 14, kOwn));
  }
}

TEST(Access, IsOpenWhereTheTransportKnowsNoUsers) {
  EXPECT_TRUE(check_access(listener({}, {}), std::nullopt, kOwn));
}

}  // namespace
}  // namespace vac::agent
