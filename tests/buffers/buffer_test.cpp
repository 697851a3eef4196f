// SPDX-License-Identifier: Apache-2.0
// <vac/buffer.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vac/vac.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "lender_fixture.hpp"

namespace vac::test {
namespace {

using BufferTest = LenderTest;

TEST_F(BufferTest, LiesInWhatThePluginLends) {
  vac_buffer* const buffer = new_buffer(5000);
  EXPECT_TRUE(is_lent(vac_buffer_data(buffer)));
  EXPECT_EQ(vac_buffer_bytes(buffer), 5000U);
  EXPECT_TRUE(all_zero(vac_buffer_data(buffer), 5000));
  const std::uint64_t before = told("with_session");
  vac_buffer_free(buffer);
  EXPECT_EQ(told("with_session"), before + 1);
  EXPECT_EQ(told("wrongly"), 0U);
}

TEST_F(BufferTest, TooLargeForThePluginIsOrdinaryMemory) {
  const std::uint64_t refused = told("refused");
  vac_buffer* const buffer = new_buffer(3 << 20);
  EXPECT_EQ(told("refused"), refused + 1);
  EXPECT_FALSE(is_lent(vac_buffer_data(buffer)));
  EXPECT_EQ(address_of(vac_buffer_data(buffer)) % 4096, 0U);
  EXPECT_TRUE(all_zero(vac_buffer_data(buffer), 3 << 20));
  vac_buffer_free(buffer);
}

TEST_F(BufferTest, IsRefusedWithWhatIsWrong) {
  vac_buffer* buffer = nullptr;
  EXPECT_EQ(vac_buffer_new(nullptr, 1, &buffer), VAC_EINVAL);
  EXPECT_STREQ(vac_error_message(), "buffer: argument 'session' is NULL (VAC_EINVAL)");
  EXPECT_EQ(vac_buffer_new(session_, 1, nullptr), VAC_EINVAL);
  EXPECT_STREQ(vac_error_message(), "buffer: argument 'buffer' is NULL (VAC_EINVAL)");
  EXPECT_EQ(vac_buffer_new(session_, SIZE_MAX, &buffer), VAC_ENOMEM);
  EXPECT_EQ(vac_error_message(),
            "buffer: no memory for " + std::to_string(SIZE_MAX) + " bytes (VAC_ENOMEM)");
  vac_session* closed = nullptr;
  ASSERT_EQ(vac_session_open("local:", nullptr, &closed), VAC_OK);
  vac_session_close(closed);
  EXPECT_EQ(vac_buffer_new(closed, 1, &buffer), VAC_EBADF);
  EXPECT_STREQ(vac_error_message(), "buffer: the session is closed (VAC_EBADF)");
  EXPECT_EQ(buffer, nullptr);
}

TEST_F(BufferTest, OfNullIsNothing) {
  EXPECT_EQ(vac_buffer_data(nullptr), nullptr);
  EXPECT_EQ(vac_buffer_bytes(nullptr), 0U);
  vac_buffer_free(nullptr);
}

TEST_F(BufferTest, OfNoBytesHasAnAddress) {
  vac_buffer* const buffer = new_buffer(0);
  EXPECT_NE(vac_buffer_data(buffer), nullptr);
  EXPECT_EQ(vac_buffer_bytes(buffer), 0U);
  vac_buffer_free(buffer);
}

TEST_F(BufferTest, MayOutliveItsSession) {
  vac_session* session = nullptr;
  ASSERT_EQ(vac_session_open("local:", nullptr, &session), VAC_OK);
  vac_buffer* buffer = nullptr;
  ASSERT_EQ(vac_buffer_new(session, 100, &buffer), VAC_OK);
  vac_session_close(session);
  std::memset(vac_buffer_data(buffer), 1, 100);
  const std::uint64_t before = told("without_session");
  vac_buffer_free(buffer);
  EXPECT_EQ(told("without_session"), before + 1);
  EXPECT_EQ(told("wrongly"), 0U);
}

TEST_F(BufferTest, GoesBackOnceWhileItsSessionIsClosed) {
  constexpr std::size_t kThreads = 4, kEach = 16;
  const std::uint64_t before = told("with_session") + told("without_session");
  vac_session* session = nullptr;
  ASSERT_EQ(vac_session_open("local:", nullptr, &session), VAC_OK);
  std::vector<vac_buffer*> buffers(kThreads * kEach, nullptr);
  for (vac_buffer*& buffer : buffers) ASSERT_EQ(vac_buffer_new(session, 64, &buffer), VAC_OK);
  const std::uint64_t lent = kThreads * kEach;
  std::vector<std::thread> threads;
  for (std::size_t thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (std::size_t i = 0; i < kEach; ++i) vac_buffer_free(buffers[thread * kEach + i]);
    });
  }
  vac_session_close(session);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(told("with_session") + told("without_session"), before + lent);
  EXPECT_EQ(told("wrongly"), 0U);
}

TEST_F(BufferTest, IsNotMadeForTheParentsSessionInAChildOfFork) {
  vac_buffer* const buffer = new_buffer(100);
  const std::uint64_t before = told("with_session");
  const pid_t child = ::fork();
  if (child == 0) {
    vac_buffer* other = nullptr;
    const int code = vac_buffer_new(session_, 100, &other);
    vac_buffer_free(buffer);
    ::_exit(code == VAC_EOWNERDEAD && other == nullptr ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(told("with_session"), before);
  vac_buffer_free(buffer);
  EXPECT_EQ(told("with_session"), before + 1);
}

TEST_F(BufferTest, IsWhereThePluginFindsAnArgument) {
  vac_buffer* const buffer = new_buffer(8192);
  auto* const data = static_cast<std::byte*>(vac_buffer_data(buffer)) + 100;
  ASSERT_EQ(vac_noop(session_, data, 1000), VAC_OK) << vac_error_message();
  EXPECT_EQ(told("input"), address_of(data));
  EXPECT_EQ(told("input_bytes"), 1000U);
  vac_buffer_free(buffer);
}

}  // namespace
}  // namespace vac::test
