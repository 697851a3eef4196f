// SPDX-License-Identifier: Apache-2.0
// What connections use of the agent they belong to.
#pragma once

#include "agent/config.hpp"

namespace vac {
class SlabPool;
}
namespace vac::core {
class Runtime;
}

namespace vac::agent {

class ConnectionTable;
class Crew;
class FileDigests;
class Housekeeping;
class ModelRepository;
class PathScrubber;
class Poller;
class RefusalLog;
class ResourceStore;
class SharedCopies;
class TaskPool;
class TenantTable;

/// References to parts of one Agent, all of which outlive its connections and threads.
struct Services {
  const AgentConfig& config;
  core::Runtime& runtime;
  SlabPool& slabs;
  TaskPool& tasks;
  Poller& poller;
  Crew& crew;
  ConnectionTable& connections;
  TenantTable& tenants;
  FileDigests& digests;
  ResourceStore& store;
  SharedCopies& copies;
  const ModelRepository& models;
  const PathScrubber& scrubber;
  Housekeeping& housekeeping;
  RefusalLog& refusals;
};

}  // namespace vac::agent
