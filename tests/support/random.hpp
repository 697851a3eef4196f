// SPDX-License-Identifier: Apache-2.0
// The random numbers of plugin_check, by the name that tests use.
#pragma once

#include "plugin_check/random.hpp"

namespace vac::test {
using plugin_check::Random;
}  // namespace vac::test
