// SPDX-License-Identifier: Apache-2.0
#include "bench_stages.hpp"

#include <nlohmann/json.hpp>
#include <string>

namespace vac::cli {
namespace {

using Json = nlohmann::json;

/// A number of an object's member; nothing where it is not there.
std::optional<std::uint64_t> count_in(const Json& whole, const char* object, const char* key) {
  if (!whole.is_object() || !whole.contains(object)) return std::nullopt;
  const Json& part = whole[object];
  if (!part.is_object() || !part.contains(key)) return std::nullopt;
  const Json& count = part[key];
  if (!count.is_number_unsigned()) return std::nullopt;
  return count.get<std::uint64_t>();
}

}  // namespace

AgentCounts parse_counts(std::string_view description) {
  const Json whole = Json::parse(description, nullptr, false);
  AgentCounts counts;
  const auto of_call = [&](const char* key) { return count_in(whole, "this_connection", key); };
  const auto calls = of_call("calls"), queue = of_call("queue_ns");
  const auto plugin = of_call("plugin_ns"), agent = of_call("agent_ns");
  if (calls && queue && plugin && agent) counts.times = {*calls, *queue, *plugin, *agent};
  const auto inputs = count_in(whole, "shared_memory", "copied_inputs");
  const auto results = count_in(whole, "shared_memory", "copied_results");
  if (inputs && results) counts.copies = {*inputs, *results};
  if (counts.copies) {
    const Json& shared = whole["shared_memory"];
    counts.shares_memory = shared.contains("offered") && shared["offered"] == true;
  }
  return counts;
}

Result<AgentCounts> read_counts(const Session& session) {
  VAC_TRY(const std::string description, session.describe());
  return parse_counts(description);
}

Error no_shared_memory() {
  return Error{Errc::not_supported,
               "the agent shares no memory here: vaccel doctor says why, --memory inline measures "
               "without"};
}

std::optional<Stages> stages_between(const AgentCounts& before, const AgentCounts& after,
                                     const Spent& calls) {
  if (!before.times || !after.times || calls.calls == 0) return std::nullopt;
  if (after.times->calls - before.times->calls != calls.calls) return std::nullopt;
  const auto number = static_cast<double>(calls.calls);
  const auto mean_us = [&](std::uint64_t AgentCounts::Times::* sum) {
    return static_cast<double>((*after.times).*sum - (*before.times).*sum) / number / 1e3;
  };
  Stages stages;
  stages.round_trip_us = calls.us / number;
  stages.queue_us = mean_us(&AgentCounts::Times::queue_ns);
  stages.plugin_us = mean_us(&AgentCounts::Times::plugin_ns);
  const double agent_us = mean_us(&AgentCounts::Times::agent_ns);
  stages.agent_us = agent_us - stages.queue_us - stages.plugin_us;
  stages.wire_us = stages.round_trip_us - agent_us;
  return stages;
}

std::optional<CopiesACall> copies_between(const AgentCounts& before, const AgentCounts& after,
                                          std::size_t calls) {
  if (!before.copies || !after.copies || calls == 0) return std::nullopt;
  const auto mean = [calls](std::uint64_t from, std::uint64_t to) {
    return static_cast<double>(to - from) / static_cast<double>(calls);
  };
  return CopiesACall{mean(before.copies->inputs, after.copies->inputs),
                     mean(before.copies->results, after.copies->results)};
}

}  // namespace vac::cli
