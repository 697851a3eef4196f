// SPDX-License-Identifier: Apache-2.0
// Random calls of any operation of the table, random results for them, and comparing what came out
// at the other end. Who uses it links vac_call.
#pragma once

#include <vac/plugin.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "call/op_table.hpp"
#include "support/built_call.hpp"
#include "support/random.hpp"

namespace vac::test {

struct CallSizes {
  std::uint64_t array_elements = 40;  ///< most elements of an array, bytes of a string
  std::uint64_t list_items = 4;
};

/// A call that check_call accepts: empty arrays, absent optional arguments, ranks 0 to 8, lists of
/// any length, leaves of any[] of every form, outputs with and without memory. Resources get random
/// ids.
BuiltCall random_call(const Op& op, Random& random, const CallSizes& sizes = {});

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
