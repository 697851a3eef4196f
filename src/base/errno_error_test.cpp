// SPDX-License-Identifier: Apache-2.0
#include "base/errno_error.hpp"

#include <gtest/gtest.h>

namespace vac {
namespace {

TEST(ErrnoError, CarriesTheCodeAndTheSystemsText) {
  const Error error = errno_error(ENOENT, "cannot open 'x'");
  EXPECT_EQ(error.code(), Errc::not_found);
  EXPECT_EQ(error.text(), "cannot open 'x': No such file or directory");
}

TEST(ErrnoError, AppendsTheRemedy) {
  EXPECT_EQ(errno_error(EACCES, "cannot listen on 'y'", "choose another path").text(),
            "cannot listen on 'y': Permission denied: choose another path");
}

TEST(ErrnoError, MapsUnknownNumbersToFailed) {
  EXPECT_EQ(errc_from_errno(EXDEV), Errc::failed);
  EXPECT_EQ(errc_from_errno(0), Errc::failed);
  EXPECT_EQ(errc_from_errno(ECONNREFUSED), Errc::connection_refused);
}

}  // namespace
}  // namespace vac
