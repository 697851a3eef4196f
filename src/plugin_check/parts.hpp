// SPDX-License-Identifier: Apache-2.0
// The parts of the kit, each run in a process of its own. A part loads the plugin, reports, and
// returns when it is through.
#pragma once

#include <vac/plugin.h>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "call/op_table.hpp"
#include "core/resource.hpp"
#include "plugin_check/isolation.hpp"
#include "plugin_check/plugin_check.hpp"

namespace vac::plugin_check {

/// The table alone: nothing of it but the entry is called. Facts: "caps" and, for each operation,
/// "offer" with the bytes
/// of its vac_op_offer.
void check_table(Reporter& reporter, const CheckOptions& options);

/// open, close, describe, sessions, buffers, and the end of the process. Fact: "opens".
void check_life(Reporter& reporter, const CheckOptions& options);

/// accepts, attach, detach.
void check_resources(Reporter& reporter, const CheckOptions& options);

/// Calls of one operation.
void check_operation(Reporter& reporter, const CheckOptions& options, const Op& op,
                     const vac_op_offer& offer);

/// A resource with the bytes that it refers to.
struct KitResource {
  std::vector<std::byte> bytes;  // of one that is no file
  std::shared_ptr<const core::ResourceData> data;
};

/// What the options name, else random bytes.
Result<KitResource> resource_of(const CheckOptions& options);

/// "local:", or the agent's address for a plugin that serves others.
std::string session_address(const CheckOptions& options, bool remote);

}  // namespace vac::plugin_check
