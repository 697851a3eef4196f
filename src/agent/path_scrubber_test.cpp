// SPDX-License-Identifier: Apache-2.0
#include "agent/path_scrubber.hpp"

#include <gtest/gtest.h>

namespace vac::agent {
namespace {

TEST(PathScrubber, CutsPathsDownToNames) {
  PathScrubber scrubber;
  scrubber.add("/var/cache/vaccel-agent", 1);
  scrubber.add("/var/lib/vaccel/models/", 0);
  EXPECT_EQ(scrubber.clean("cannot open '/var/cache/vaccel-agent/a1b2/ff00' and "
                           "'/var/lib/vaccel/models/lite0.pt': no"),
            "cannot open 'ff00' and 'lite0.pt': no");
}

TEST(PathScrubber, LeavesOtherTextAlone) {
  PathScrubber scrubber;
  scrubber.add("/models", 0);
  scrubber.add("", 0);
  EXPECT_EQ(scrubber.clean("input 0 has shape [1,3]"), "input 0 has shape [1,3]");
  EXPECT_EQ(scrubber.clean("in /models, twice /models/a /models/b"),
            "in the agent's folder, twice a b");
}

}  // namespace
}  // namespace vac::agent
