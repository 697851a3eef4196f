// SPDX-License-Identifier: Apache-2.0
// How the command line of `vaccel plugin check` names a resource.
#pragma once

#include <vac/result.hpp>

#include <string>
#include <string_view>

namespace vac::cli {

struct ResourceArgument {
  std::string file;
  std::string options_json;
};

/// Reads "FILE[,OPTION=VALUE]...". A value that is JSON, such as 2 or true, is taken as that, any
/// other as a text.
Result<ResourceArgument> parse_resource(std::string_view text);

}  // namespace vac::cli
