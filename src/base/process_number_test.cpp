// SPDX-License-Identifier: Apache-2.0
#include "base/process_number.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace vac {
namespace {

/// The exit status of a child that ends with what `body` returns.
template <class Body>
int in_child(const Body& body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(ProcessNumber, IsKeptByTheProcess) {
  const std::uint32_t number = take_process_number();
  EXPECT_NE(number, 0U);
  EXPECT_EQ(take_process_number(), number);
  EXPECT_EQ(process_number(), number);
}

TEST(ProcessNumber, IsLostInAChildWhichTakesAnother) {
  const std::uint32_t number = take_process_number();
  EXPECT_EQ(in_child([&] { return process_number() == 0 ? 0 : 1; }), 0);
  EXPECT_EQ(in_child([&] {
              const std::uint32_t own = take_process_number();
              return own != 0 && own != number && process_number() == own ? 0 : 1;
            }),
            0);
  EXPECT_EQ(in_child([&] {
              take_process_number();
              return in_child([] { return process_number() == 0 ? 0 : 1; });
            }),
            0);
  EXPECT_EQ(process_number(), number);
}

}  // namespace
}  // namespace vac
