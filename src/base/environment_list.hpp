// SPDX-License-Identifier: Apache-2.0
// Variables of the environment that list something.
#pragma once

#include <string>
#include <vector>

namespace vac {

/// The entries of the variable `name`, with `separator` between them. Empty ones do not count, so
/// that unset, "" and "," are the same: none. Not while another thread sets the environment.
std::vector<std::string> environment_list(const char* name, char separator);

}  // namespace vac
