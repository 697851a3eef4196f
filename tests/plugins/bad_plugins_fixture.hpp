// SPDX-License-Identifier: Apache-2.0
// Where the bad neighbours lie.
#pragma once

#include <stdlib.h>

#include <string>

#include "support/test_paths.hpp"

namespace vac::test {

inline std::string bad_plugin_folder() {
  return (build_directory() / "test" / "bad_plugins").string();
}

/// Has this process and the agents that it starts find them by name, and the plugin `remote`.
inline void find_bad_plugins() {
  ::setenv("VAC_PLUGINS", "neighbour,async_neighbour", 1);
  const std::string others = plugin("remote").parent_path().string();
  ::setenv("VAC_PLUGIN_PATH", (bad_plugin_folder() + ":" + others).c_str(), 1);
}

inline std::string bad_plugin(const std::string& name) {
  return (build_directory() / "test" / "bad_plugins" / (name + ".so")).string();
}

}  // namespace vac::test
