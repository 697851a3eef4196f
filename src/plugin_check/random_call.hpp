// SPDX-License-Identifier: Apache-2.0
// Random calls of any operation of the table.
#pragma once

#include "call/op_table.hpp"
#include "plugin_check/built_call.hpp"
#include "plugin_check/random.hpp"
#include "plugin_check/random_values.hpp"

namespace vac::plugin_check {

/// A call that check_call accepts: empty arrays, absent optional arguments, ranks 0 to 8, lists of
/// any length, leaves of any[] of every form, outputs with and without memory. Resources get random
/// ids.
BuiltCall random_call(const Op& op, Random& random, const CallSizes& sizes = {});

}  // namespace vac::plugin_check
