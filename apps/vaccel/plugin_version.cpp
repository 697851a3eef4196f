// SPDX-License-Identifier: Apache-2.0
#include "plugin_version.hpp"

namespace vac::cli {

std::string plugin_version(const Json& plugin) {
  std::string version = text_of(plugin, "version");
  std::string devices;
  if (const auto about = plugin.find("describe"); about != plugin.end() && about->is_object()) {
    if (const std::string own = text_of(*about, "framework_version"); !own.empty()) version = own;
    if (const auto list = about->find("devices"); list != about->end() && list->is_array()) {
      for (const Json& device : *list) {
        if (device.is_string())
          devices += (devices.empty() ? "" : ", ") + device.get<std::string>();
      }
    }
  }
  return version + (devices.empty() ? "" : " (" + devices + ")");
}

}  // namespace vac::cli
