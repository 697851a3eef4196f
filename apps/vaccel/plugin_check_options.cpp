// SPDX-License-Identifier: Apache-2.0
#include "plugin_check_options.hpp"

#include <nlohmann/json.hpp>

namespace vac::cli {

Result<ResourceArgument> parse_resource(std::string_view text) {
  const std::size_t end = std::min(text.find(','), text.size());
  ResourceArgument resource{std::string(text.substr(0, end)), "{}"};
  if (resource.file.empty()) return Error{Errc::invalid, "--resource names no file"};
  nlohmann::json options = nlohmann::json::object();
  text.remove_prefix(end);
  while (!text.empty()) {
    text.remove_prefix(1);  // the comma
    const std::string_view option = text.substr(0, std::min(text.find(','), text.size()));
    text.remove_prefix(option.size());
    const std::size_t equals = option.find('=');
    if (equals == 0 || equals == std::string_view::npos) {
      return Error{Errc::invalid, "--resource has '" + std::string(option) +
                                      "' behind the file: write OPTION=VALUE"};
    }
    const std::string_view value = option.substr(equals + 1);
    nlohmann::json parsed = nlohmann::json::parse(value, nullptr, false);
    options[std::string(option.substr(0, equals))] =
        parsed.is_discarded() ? nlohmann::json(value) : parsed;
  }
  resource.options_json = options.dump();
  return resource;
}

}  // namespace vac::cli
