// SPDX-License-Identifier: Apache-2.0
// Where the files of an installation lie, as seen from its library or program.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace vac {

/// The folders to look for `part` ("vac") in: that one beside the library or program which `code`
/// points into, and `part` where an installation has its libraries, as seen from a program of it.
/// Each once, without symbolic links up to that file's folder; they need not exist. None where the
/// system does not tell the file.
std::vector<std::string> installed_folders(const void* code, std::string_view part);

}  // namespace vac
