// SPDX-License-Identifier: Apache-2.0
#include "json_output.hpp"

#include <unistd.h>

namespace vac::cli {

std::string json_text(const Json& document) {
  const int indent = ::isatty(STDOUT_FILENO) == 1 ? 2 : -1;
  return document.dump(indent, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string text_of(const Json& object, const char* key) {
  const auto member = object.find(key);
  return member != object.end() && member->is_string() ? member->get<std::string>() : "";
}

}  // namespace vac::cli
