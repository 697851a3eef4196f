// SPDX-License-Identifier: Apache-2.0
// Keeps the host's paths out of texts for clients.
#pragma once

#include <string>
#include <vector>

namespace vac::agent {

/// Plugins are given files of the agent's folders and name them in their messages. A value.
class PathScrubber {
 public:
  /// Text that begins with one of the folders, and what leads from there to a tenant's own folder
  /// of `tenant_depth` levels, is cut down to what follows.
  void add(const std::string& folder, unsigned tenant_depth);

  std::string clean(std::string text) const;

 private:
  struct Prefix {
    std::string text;  // ends in '/'
    unsigned depth;
  };
  std::vector<Prefix> prefixes_;
};

}  // namespace vac::agent
