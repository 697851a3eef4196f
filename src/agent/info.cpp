// SPDX-License-Identifier: Apache-2.0
#include "agent/info.hpp"

#include "agent/connection.hpp"
#include "agent/connection_table.hpp"
#include "agent/crew.hpp"
#include "agent/model_repository.hpp"
#include "agent/region.hpp"
#include "base/json_text.hpp"
#include "core/runtime.hpp"

namespace vac::agent {

std::string describe_agent(const Connection& connection) {
  const Services& services = connection.services();
  JsonWriter json;
  json.begin_object();
  json.key("agent").begin_object();
  json.key("version").string(core::kVersion).key("protocol").number(wire::kVersion).end_object();
  json.key("tenant").string(connection.tenant().title());
  json.key("limits").begin_object();
  json.key("memory").number(connection.tenant().memory().limit());
  json.key("regions").number(connection.tenant().regions().limit());
  json.key("frame").number(connection.largest_frame());
  json.key("calls_in_flight").number(connection.calls_allowed()).end_object();
  json.key("models").begin_array();
  for (const std::string& name : services.models.names()) json.string(name);
  json.end_array();
  json.key("shared_memory").begin_object();
  json.key("offered").boolean(connection.shares_memory());
  json.key("in_place").boolean(connection.works_in_place());
  json.key("bytes").number(connection.tenant().regions().used());
  json.key("copied_inputs").number(services.copies.inputs());
  json.key("copied_results").number(services.copies.results()).end_object();
  const CallTimes::Sums times = connection.times().sums();
  json.key("this_connection").begin_object();
  json.key("calls").number(times.calls).key("queue_ns").number(times.queue_ns);
  json.key("plugin_ns").number(times.plugin_ns).key("agent_ns").number(times.agent_ns);
  json.key("waiting").number(services.crew.waiting(&connection));
  json.key("batched").number(connection.times().batched()).end_object();
  json.key("sessions").number(services.connections.size());
  json.end_object();
  std::string text = json.take();
  const std::string runtime = services.runtime.describe_json();
  // Both are objects that are not empty: their members become one object's.
  text.back() = ',';
  return text.append(runtime, 1);
}

}  // namespace vac::agent
