// SPDX-License-Identifier: Apache-2.0
#include "json_output.hpp"

#include <unistd.h>

namespace vac::cli {

std::string json_text(const Json& document) {
  const int indent = ::isatty(STDOUT_FILENO) == 1 ? 2 : -1;
  return document.dump(indent, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace vac::cli
