// SPDX-License-Identifier: Apache-2.0
#include "support/test_paths.hpp"

#include <string>

namespace vac::test {

std::filesystem::path source_directory() { return VAC_TEST_SOURCE_DIRECTORY; }

std::filesystem::path build_directory() { return VAC_TEST_BUILD_DIRECTORY; }

std::filesystem::path program(const char* name) { return build_directory() / "bin" / name; }

std::filesystem::path plugin(const char* name) {
  return build_directory() / VAC_TEST_LIBRARY_FOLDER / "vac" / (std::string(name) + ".so");
}

}  // namespace vac::test
