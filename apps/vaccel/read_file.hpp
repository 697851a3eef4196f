// SPDX-License-Identifier: Apache-2.0
// Whole files, read into memory.
#pragma once

#include <vac/result.hpp>

#include <cstddef>
#include <string>
#include <vector>

namespace vac::cli {

/// All bytes of a file or pipe, at most `limit`. `what` names its part in messages: "cannot read
/// photo 'x.png': ...".
Result<std::vector<std::byte>> read_file(const std::string& what, const std::string& path,
                                         std::size_t limit);

}  // namespace vac::cli
