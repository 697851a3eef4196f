// SPDX-License-Identifier: Apache-2.0
// What a shared library's file tells without loading it.
#pragma once

#include <vac/result.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace vac::plugin_check {

struct ElfFile {
  std::uint64_t bytes = 0;
  /// Names that it defines for others, as they are in the file, sorted. What every C++ library
  /// defines of the standard library's templates is left out.
  std::vector<std::string> exported;
};

/// Refuses, with a text that says what to do, what is no shared library of this machine, or not
/// whole. Every number in the file is checked before it is used.
Result<ElfFile> read_elf(const std::string& path);

}  // namespace vac::plugin_check
