// SPDX-License-Identifier: Apache-2.0
// From the head of a reply to the memory that its payload goes to.
#pragma once

#include <vac/plugin.h>
#include <vac/result.hpp>

#include <cstddef>
#include <span>
#include <vector>

#include "call/op_table.hpp"
#include "call_table.hpp"
#include "scatter.hpp"
#include "wire/codec.hpp"

namespace vac::remote {

/// Room to decode replies in, reused from one to the next. Confined to the thread that leads.
class ReplyPlan {
 public:
  /// Checks the head of a successful reply, writes scalars and what lies in the head to the call,
  /// and tells `scatter` where the payload goes: where the call's own memory has room there, else
  /// to what host->output gives. `strings` gets the string tensors to be checked once they are
  /// there. VAC_EPROTO: the agent broke the protocol; where there is no host, also by an output
  /// that does not fit. VAC_ENOMEM: there is no memory for an output; the payload is to be dropped.
  /// `placed`: results that the agent may have left in a region.
  Status make(const Op& op, std::span<const std::byte> head, vac_call& call, const vac_host* host,
              std::span<const wire::RegionResult> placed, Scatter& scatter,
              std::vector<IncomingStrings>& strings);

 private:
  std::vector<wire::ReplyPart> parts_;
  std::vector<wire::ListCount> list_counts_;
};

}  // namespace vac::remote
