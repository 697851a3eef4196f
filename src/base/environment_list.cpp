// SPDX-License-Identifier: Apache-2.0
#include "base/environment_list.hpp"

#include <algorithm>
#include <cstdlib>
#include <string_view>

namespace vac {

std::vector<std::string> environment_list(const char* name, char separator) {
  const char* const value = std::getenv(name);
  std::vector<std::string> entries;
  std::string_view rest = value != nullptr ? value : "";
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(separator), rest.size());
    if (end != 0) entries.emplace_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return entries;
}

}  // namespace vac
