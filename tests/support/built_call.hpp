// SPDX-License-Identifier: Apache-2.0
// The calls of plugin_check that are made by hand, by the name that tests use.
#pragma once

#include "plugin_check/built_call.hpp"

namespace vac::test {
using plugin_check::BuiltCall;
}  // namespace vac::test
