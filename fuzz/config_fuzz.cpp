// SPDX-License-Identifier: Apache-2.0
// The agent's configuration file.
#include <cstdint>

#include "base/json_text.hpp"
#include "config_file.hpp"
#include "fuzz.hpp"

namespace vac::fuzz {

void fuzz_one(std::span<const std::byte> input) {
  const auto config = agent::parse_config(Input::text_of(input), "agent.toml");
  if (!config) {
    require_text(config.error());
    require(config.error().text().starts_with("agent.toml:"), "an error does not say where");
    return;
  }
  require(agent::validate(*config).has_value(), "a configuration is read that is refused later");
  const agent::LimitsConfig& limits = config->limits;
  require(limits.frame >= agent::kLeastFrameLimit && limits.frame <= limits.memory,
          "the limit of a frame is none");
  require(limits.calls_in_flight >= 1 && limits.calls_in_flight <= 64,
          "the limit of calls in flight is none");
  for (const auto& [name, json] : config->plugin_configs) {
    const auto settings = parse_json(json, {.most_bytes = SIZE_MAX, .most_depth = SIZE_MAX});
    require(settings && settings->is_object(),
            "a plugin is given settings that are no JSON object");
  }
}

}  // namespace vac::fuzz
