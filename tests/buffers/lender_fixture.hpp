// SPDX-License-Identifier: Apache-2.0
// A session that the plugin `lender` serves, and what that tells.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <vac/vac.h>

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <string>

#include "support/test_paths.hpp"

namespace vac::test {

inline std::uintptr_t address_of(const void* memory) {
  return reinterpret_cast<std::uintptr_t>(memory);
}

inline bool all_zero(const void* data, std::size_t bytes) {
  const std::span memory(static_cast<const unsigned char*>(data), bytes);
  return std::ranges::all_of(memory, [](unsigned char byte) { return byte == 0; });
}

class LenderTest : public testing::Test {
 protected:
  void SetUp() override {
    ::setenv("VAC_PLUGINS", (build_directory() / "test/plugins/lender.so").c_str(), 1);
    ASSERT_EQ(vac_session_open("local:", nullptr, &session_), VAC_OK) << vac_error_message();
  }
  void TearDown() override {
    vac_session_close(session_);
    ::unsetenv("VAC_PLUGINS");
  }
  vac_buffer* new_buffer(std::size_t bytes) {
    vac_buffer* buffer = nullptr;
    EXPECT_EQ(vac_buffer_new(session_, bytes, &buffer), VAC_OK) << vac_error_message();
    return buffer;
  }
  /// A number that the plugin tells.
  static std::uint64_t told(const char* key) {
    vac_session* session = nullptr;
    EXPECT_EQ(vac_session_open("local:", nullptr, &session), VAC_OK) << vac_error_message();
    std::string text(1 << 16, '\0');
    std::size_t bytes = 0;
    EXPECT_EQ(vac_session_describe(session, text.data(), text.size(), &bytes), VAC_OK);
    vac_session_close(session);
    const auto json = nlohmann::json::parse(text.substr(0, bytes));
    return json.at("plugins").at(0).at("describe").at(key).get<std::uint64_t>();
  }
  static bool is_lent(const void* memory) {
    return address_of(memory) - told("arena") < told("arena_bytes");
  }
  vac_session* session_ = nullptr;
};

}  // namespace vac::test
