// SPDX-License-Identifier: Apache-2.0
// Random results for the random calls of plugin_check, and comparing what came out at the other
// end.
#pragma once

#include <vac/plugin.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "call/op_table.hpp"
#include "plugin_check/random_call.hpp"
#include "support/built_call.hpp"
#include "support/random.hpp"

namespace vac::test {

using plugin_check::CallSizes;
using plugin_check::random_call;

/// One output as the caller must see it.
struct ResultLeaf {
  std::uint32_t arg = 0, child = 0;
  std::uint8_t form = 0, type = 0;
  std::vector<std::int64_t> dims;
  std::vector<std::byte> data;
  std::uint64_t value = 0;  ///< of a scalar

  bool operator==(const ResultLeaf&) const = default;
};

/// All of a call's outputs in the order of the table, and the lengths of its output lists.
struct Results {
  std::vector<ResultLeaf> leaves;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> list_counts;  ///< arg, count

  bool operator==(const Results&) const = default;
};

/// As vac_host.output.
using OutputFunction =
    std::function<void*(std::uint32_t arg, std::uint32_t child, std::uint64_t bytes,
                        std::uint8_t type, std::uint8_t rank, const std::int64_t* dims)>;

/// What a plugin would do: writes random results to `call`, in place or through `output`, also
/// larger than the caller's memory. Returns what the caller must see.
Results random_results(const Op& op, vac_call& call, Random& random, const OutputFunction& output,
                       const CallSizes& sizes = {});

/// What a plugin would see differently in `received` than in `sent`, in words; empty when nothing.
std::string call_difference(const Op& op, const vac_call& sent, const vac_call& received);
/// The same for two sets of results.
std::string results_difference(const Op& op, const Results& made, const Results& seen);

}  // namespace vac::test
