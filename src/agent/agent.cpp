// SPDX-License-Identifier: Apache-2.0
#include "agent/agent.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "agent/access.hpp"
#include "agent/call_task.hpp"
#include "agent/connection.hpp"
#include "agent/connection_table.hpp"
#include "agent/crew.hpp"
#include "agent/file_digests.hpp"
#include "agent/housekeeping.hpp"
#include "agent/model_repository.hpp"
#include "agent/path_scrubber.hpp"
#include "agent/poller.hpp"
#include "agent/refusal_log.hpp"
#include "agent/region.hpp"
#include "agent/resource_store.hpp"
#include "agent/services.hpp"
#include "agent/tenant.hpp"
#include "agent/watch.hpp"
#include "base/log.hpp"
#include "base/malloc_policy.hpp"
#include "base/slab_pool.hpp"
#include "base/text.hpp"
#include "core/runtime.hpp"

namespace vac::agent {
namespace {

using std::chrono::steady_clock;

constexpr unsigned kReaders = 64;
constexpr unsigned kLeastExecutors = 8;
constexpr std::chrono::milliseconds kDrainPause{2};

unsigned executors_of(const AgentConfig& config) {
  if (config.executors != 0) return config.executors;
  return std::max(kLeastExecutors, 2 * std::thread::hardware_concurrency());
}

/// An operation that several plugins offer may run in all of them at once.
void set_call_limits(const core::Runtime& runtime, Crew& crew) {
  std::map<std::uint32_t, std::uint64_t> limits;
  for (const core::Plugin* plugin : runtime.plugins()) {
    for (const vac_op_offer& offer : plugin->offers()) {
      const core::SlotPool* const slots = plugin->slots(offer);
      limits[offer.op] += slots == nullptr ? CallQueue::kUnlimited : slots->count();
      if (plugin->batching(offer).delay_ns != 0) crew.set_delayed(offer.op);
    }
  }
  for (const auto& [op, calls] : limits) {
    if (calls < CallQueue::kUnlimited) crew.set_limit(op, static_cast<std::uint32_t>(calls));
  }
}

/// "torch 1.13.1, blas 0.3"
std::string plugins_text(const core::Runtime& runtime) {
  std::string text;
  for (const core::Plugin* plugin : runtime.plugins()) {
    text += concat(text.empty() ? "" : ", ", plugin->name(), " ", plugin->table().version);
  }
  return text.empty() ? "none" : text;
}

}  // namespace

const char* version() noexcept { return core::kVersion; }

void use_default_log_level() { default_log().set_level_from_environment(LogLevel::info); }

Status set_log_level(std::string_view name) {
  const std::optional<LogLevel> level = find_log_level(name);
  if (!level) {
    return Error{Errc::invalid, concat("log level '", printable(name),
                                       "' is none of error, warning, info, debug")};
  }
  default_log().set_level(*level);
  return {};
}

void log_note(std::string_view text) { log_info(text); }

void keep_freed_memory() noexcept { vac::keep_freed_memory(); }

/// In order of dependence: a part uses those above it, and ends before them.
struct Agent::Parts {
  Parts(AgentConfig given, std::unique_ptr<core::Runtime> used, std::unique_ptr<Poller> made_poller,
        std::unique_ptr<ResourceStore> made_store, std::unique_ptr<FileDigests> made_digests)
      : config(std::move(given)),
        runtime(std::move(used)),
        tasks(slabs),
        poller(std::move(made_poller)),
        tenants(config.limits.memory, config.limits.regions),
        digests(std::move(made_digests)),
        store(std::move(made_store)),
        models(config.models_directory, *digests),
        housekeeping({*poller, connections, crew, slabs, tasks, *runtime}, config.idle_unload),
        crew({executors_of(config), kReaders}, slabs) {
    scrubber.add(store->directory(), 1);
    scrubber.add(config.models_directory, 0);
  }

  const AgentConfig config;
  const std::unique_ptr<core::Runtime> runtime;
  SlabPool slabs;
  TaskPool tasks;
  const std::unique_ptr<Poller> poller;
  TenantTable tenants;
  const std::unique_ptr<FileDigests> digests;
  const std::unique_ptr<ResourceStore> store;
  SharedCopies copies;
  const ModelRepository models;
  PathScrubber scrubber;
  ConnectionTable connections;
  Housekeeping housekeeping;
  RefusalLog refusals;
  Services services{config, *runtime,    slabs,    tasks,        *poller,
                    crew,   connections, tenants,  *digests,     *store,
                    copies, models,      scrubber, housekeeping, refusals};
  Watch watch{services};
  Crew crew;
  bool stopped = false;
};

Agent::Agent(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Result<std::unique_ptr<Agent>> Agent::start(AgentConfig config) {
  VAC_CHECK(validate(config));
  auto runtime = std::make_unique<core::Runtime>(runtime_options(config));
  VAC_CHECK(runtime->load_plugins());
  return start(std::move(config), std::move(runtime));
}

Result<std::unique_ptr<Agent>> Agent::start(AgentConfig config,
                                            std::unique_ptr<core::Runtime> runtime) {
  if (config.listeners.empty()) {
    VAC_TRY(std::string address, default_address());
    config.listeners.push_back({std::move(address), {}, {}, {}, {}});
  }
  VAC_CHECK(validate(config));
  if (config.cache.directory.empty()) {
    VAC_TRY(config.cache.directory, default_cache_directory());
  }
  VAC_TRY(std::unique_ptr<Poller> poller, Poller::create());
  auto digests = std::make_unique<FileDigests>();
  VAC_TRY(std::unique_ptr<ResourceStore> store,
          ResourceStore::open(config.cache.directory, config.cache.bytes, *digests));
  auto parts = std::make_unique<Parts>(std::move(config), std::move(runtime), std::move(poller),
                                       std::move(store), std::move(digests));
  set_call_limits(*parts->runtime, parts->crew);
  const std::string plugins = plugins_text(*parts->runtime);
  for (const ListenerConfig& listener : parts->config.listeners) {
    VAC_TRY(const transport::Address address, transport::parse_address(listener.address));
    VAC_TRY(std::unique_ptr<transport::Listener> door,
            transport::listen(address, {socket_mode(listener), listener.group}));
    VAC_CHECK(parts->watch.add_listener(listener, std::move(door)));
    log_info("listening on ", listener.address, ", plugins: ", plugins);
  }
  VAC_CHECK(parts->crew.start(parts->watch));
  return std::unique_ptr<Agent>(new Agent(std::move(parts)));
}

Agent::~Agent() {
  stop(std::chrono::milliseconds(0));
  parts_->crew.join();
  // Replies that nobody took hold their connections.
  for (const auto& connection : parts_->connections.all()) connection->end();
}

bool Agent::stop(std::chrono::milliseconds patience) {
  Parts& parts = *parts_;
  if (std::exchange(parts.stopped, true)) return !parts.crew.runs_calls();
  const steady_clock::time_point deadline = steady_clock::now() + patience;
  parts.watch.drain();
  parts.watch.close_listeners();
  const auto busy = [&] {
    return !parts.crew.idle() ||
           std::ranges::any_of(parts.connections.all(), [](const auto& connection) {
             return connection->calls_pending() || connection->output_pending();
           });
  };
  while (busy() && steady_clock::now() < deadline) std::this_thread::sleep_for(kDrainPause);

  for (const auto& connection : parts.connections.all()) {
    connection->say_goodbye(VAC_OK, "the agent is stopping");
  }
  parts.crew.stop();
  parts.poller->wake();
  // One that was read before the draining may have begun only now.
  while (parts.crew.runs_calls() && steady_clock::now() < deadline) {
    std::this_thread::sleep_for(kDrainPause);
  }
  return !parts.crew.runs_calls();
}

}  // namespace vac::agent
