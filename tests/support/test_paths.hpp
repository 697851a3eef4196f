// SPDX-License-Identifier: Apache-2.0
// Where the tree under test lies.
#pragma once

#include <filesystem>

namespace vac::test {

/// The root of the sources.
std::filesystem::path source_directory();
/// The root of the build tree: bin/, lib/ and lib/vac/ are in it.
std::filesystem::path build_directory();
/// A program of the build tree: program("vaccel").
std::filesystem::path program(const char* name);
/// A plugin of the build tree: plugin("noop"). It need not exist.
std::filesystem::path plugin(const char* name);

}  // namespace vac::test
