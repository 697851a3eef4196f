// SPDX-License-Identifier: Apache-2.0
// What an agent may run.
#pragma once

#include <vac/result.hpp>

#include <set>
#include <string>
#include <string_view>

#include "library.hpp"

namespace vac::exec {

/// Digests of libraries. Empty unless it was configured. Immutable, hence thread-safe.
class AllowList {
 public:
  AllowList() = default;
  /// A JSON object with at most the key "allow", an array of texts "sha256:" and 64 hex digits.
  static Result<AllowList> from_config(std::string_view config_json);

  /// VAC_EPERM, with what to configure, for a library that is not in the list.
  Status check(const Library& library) const;

 private:
  std::set<std::string, std::less<>> digests_;
};

}  // namespace vac::exec
