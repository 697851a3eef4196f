// SPDX-License-Identifier: Apache-2.0
// The models that an agent offers by name: "model://efficientnet-lite0".
#pragma once

#include <vac/result.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/file_digests.hpp"
#include "core/resource.hpp"

namespace vac::agent {

/// A folder of files and folders, one a model. Nothing outside it can be named. It is read at every
/// use, so that models come and go without a restart. Thread-safe.
class ModelRepository {
 public:
  /// `directory` empty: there are no models.
  ModelRepository(std::string directory, FileDigests& digests)
      : directory_(std::move(directory)), digests_(digests) {}

  /// "model://name" or "model://name@sha256". The name is that of an entry, or of the only entry
  /// that has it before a single extension. Errors name the model, never the folder.
  Result<std::shared_ptr<const core::ResourceData>> open(std::string_view uri,
                                                         std::string_view options_json) const;
  /// What can be opened, by name.
  std::vector<std::string> names() const;

  const std::string& directory() const noexcept { return directory_; }

 private:
  Result<std::string> find_entry(std::string_view name) const;
  Result<std::vector<core::ResourceFile>> read_folder(const std::string& entry) const;

  const std::string directory_;
  FileDigests& digests_;
};

}  // namespace vac::agent
