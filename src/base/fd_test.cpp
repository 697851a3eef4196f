// SPDX-License-Identifier: Apache-2.0
#include "base/fd.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>

namespace vac {
namespace {

int open_one() { return ::eventfd(0, EFD_CLOEXEC); }
bool is_open(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

TEST(Fd, ClosesWhatItOwns) {
  const int number = open_one();
  {
    const Fd fd(number);
    EXPECT_EQ(fd.get(), number);
    EXPECT_TRUE(fd);
    EXPECT_TRUE(is_open(number));
  }
  EXPECT_FALSE(is_open(number));
}

TEST(Fd, IsNoneByDefaultAndForAFailedOpen) {
  EXPECT_FALSE(Fd());
  EXPECT_EQ(Fd(-5).get(), -1);
}

TEST(Fd, MovesOwnership) {
  const int number = open_one();
  Fd first(number);
  Fd second(std::move(first));
  // NOLINTNEXTLINE(bugprone-use-after-move,clang-analyzer-cplusplus.Move): it owns nothing now
  EXPECT_EQ(first.get(), -1);
  EXPECT_EQ(second.get(), number);
  const int replaced = open_one();
  Fd third(replaced);
  third = std::move(second);
  EXPECT_EQ(third.get(), number);
  EXPECT_FALSE(is_open(replaced));
  Fd& same = third;
  third = std::move(same);
  EXPECT_EQ(third.get(), number);
  EXPECT_TRUE(is_open(number));
}

TEST(Fd, ReleaseGivesUpWithoutClosing) {
  Fd fd(open_one());
  const int number = fd.release();
  EXPECT_FALSE(fd);
  EXPECT_TRUE(is_open(number));
  fd.reset(number);
  EXPECT_EQ(fd.get(), number);
  fd.reset();
  EXPECT_FALSE(is_open(number));
}

TEST(Fd, ClosingLeavesErrnoAlone) {
  errno = ENOENT;
  {
    // A descriptor that is not open makes close() fail with EBADF.
    const int gone = open_one();
    ::close(gone);
    errno = ENOENT;
    const Fd fd(gone);
  }
  EXPECT_EQ(errno, ENOENT);
}

}  // namespace
}  // namespace vac
