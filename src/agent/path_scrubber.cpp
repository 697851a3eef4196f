// SPDX-License-Identifier: Apache-2.0
#include "agent/path_scrubber.hpp"

#include <filesystem>
#include <system_error>

namespace vac::agent {

void PathScrubber::add(const std::string& folder, unsigned tenant_depth) {
  if (folder.empty()) return;
  // Plugins may have resolved links in what they were given.
  std::error_code failure;
  const std::filesystem::path resolved = std::filesystem::weakly_canonical(folder, failure);
  for (std::string text : {folder, failure ? folder : resolved.string()}) {
    while (text.size() > 1 && text.back() == '/') text.pop_back();
    if (text == "/") continue;
    prefixes_.push_back({text + '/', tenant_depth});
  }
}

std::string PathScrubber::clean(std::string text) const {
  for (const Prefix& prefix : prefixes_) {
    std::size_t at = 0;
    while ((at = text.find(prefix.text, at)) != std::string::npos) {
      std::size_t end = at + prefix.text.size();
      for (unsigned level = 0; level < prefix.depth; ++level) {
        const std::size_t slash = text.find('/', end);
        if (slash == std::string::npos) break;
        end = slash + 1;
      }
      text.erase(at, end - at);
    }
    // The folder itself, without what lies in it.
    const std::string bare = prefix.text.substr(0, prefix.text.size() - 1);
    while ((at = text.find(bare)) != std::string::npos)
      text.replace(at, bare.size(), "the agent's folder");
  }
  return text;
}

}  // namespace vac::agent
