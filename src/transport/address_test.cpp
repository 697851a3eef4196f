// SPDX-License-Identifier: Apache-2.0
#include "transport/address.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "transport/channel.hpp"

namespace vac::transport {
namespace {

std::string refusal(std::string_view text) {
  const auto address = parse_address(text);
  if (address) return "";
  EXPECT_EQ(address.error().code(), Errc::invalid);
  return address.error().text();
}

TEST(Address, HasASchemeAndATarget) {
  const auto address = parse_address("unix:///run/vaccel.sock");
  ASSERT_TRUE(address);
  EXPECT_EQ(address->scheme, "unix");
  EXPECT_EQ(address->target, "/run/vaccel.sock");
  EXPECT_EQ(address->text(), "unix:///run/vaccel.sock");
}

TEST(Address, SaysWhatItMustLookLike) {
  EXPECT_EQ(refusal("/run/vaccel.sock"),
            "address '/run/vaccel.sock': must be a scheme, :// and a place, such as "
            "unix:///run/vaccel.sock");
  EXPECT_NE(refusal(""), "");
  EXPECT_NE(refusal("unix:/run/vaccel.sock"), "");
}

TEST(Address, GuessesAMistypedScheme) {
  EXPECT_EQ(refusal("unixx:///x"),
            "address 'unixx:///x': unknown scheme 'unixx', did you mean 'unix'? (known: "
            "unix:///run/vaccel.sock)");
  EXPECT_EQ(refusal("carrier-pigeon://x"),
            "address 'carrier-pigeon://x': unknown scheme 'carrier-pigeon' (known: "
            "unix:///run/vaccel.sock)");
}

TEST(Address, OfAUnixSocketIsAnAbsolutePathThatFits) {
  EXPECT_EQ(refusal("unix://run/x.sock"),
            "address 'unix://run/x.sock': must be an absolute path, such as "
            "unix:///run/vaccel.sock");
  EXPECT_NE(refusal("unix://"), "");
  EXPECT_EQ(refusal("unix:///run/"), "address 'unix:///run/': must be a file, and ends in '/'");
  EXPECT_EQ(refusal("unix:///" + std::string(106, 'x')), "");
  EXPECT_NE(refusal("unix:///" + std::string(107, 'x'))
                .find("its path has 108 bytes, the system allows 107: choose a shorter one"),
            std::string::npos);
  EXPECT_NE(refusal(std::string_view("unix:///a\0b", 11)), "");
}

TEST(Address, OfAnUnknownSchemeLeadsNowhere) {
  const Address nowhere{"carrier-pigeon", "x"};
  const auto channel = connect(nowhere, std::chrono::milliseconds(1));
  ASSERT_FALSE(channel);
  EXPECT_EQ(channel.error().text(), "unknown scheme 'carrier-pigeon'");
  const auto listener = listen(nowhere, {});
  ASSERT_FALSE(listener);
  EXPECT_EQ(listener.error().text(), "unknown scheme 'carrier-pigeon'");
}

TEST(Address, IsPrintableInErrors) {
  EXPECT_EQ(refusal("\x1b[31m").find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace vac::transport
