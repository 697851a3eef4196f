// SPDX-License-Identifier: Apache-2.0
// Models, libraries, data sets: what they consist of, and their digest.
#pragma once

#include <vac/plugin.h>
#include <vac/result.hpp>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vac::core {

/// One file of a resource: a path, bytes in memory, or both.
struct ResourceFile {
  std::string name;  ///< relative, '/'; a single file's own name
  std::string path;
  std::string digest;
  const void* data = nullptr;
  std::uint64_t size = 0;
};

/// The immutable part. Owned together by the Resource handles and the attachments that plugins
/// hold, hence shared.
class ResourceData {
 public:
  enum class Kind : std::uint32_t { file = 1, directory = 2, bytes = 3, uri = 4 };

  /// Hears how many bytes have been read; total is 0 where it is not known.
  using Progress = std::function<void(std::uint64_t done, std::uint64_t total)>;

  /// Each reads and hashes what it is given. options_json: "" or an object; kept in canonical form.
  static Result<std::shared_ptr<const ResourceData>> from_file(const std::string& path,
                                                               std::string_view options_json,
                                                               const Progress& progress = {});
  static Result<std::shared_ptr<const ResourceData>> from_directory(const std::string& path,
                                                                    std::string_view options_json,
                                                                    const Progress& progress = {});
  static Result<std::shared_ptr<const ResourceData>> from_bytes(std::span<const std::byte> data,
                                                                std::string_view options_json);
  static Result<std::shared_ptr<const ResourceData>> from_uri(std::string_view uri,
                                                              std::string_view options_json);
  /// Files whose digests are known and verified already (the agent's cache and model repository).
  /// `digest` is the resource's.
  static Result<std::shared_ptr<const ResourceData>> from_verified(Kind kind,
                                                                   std::vector<ResourceFile> files,
                                                                   std::string digest,
                                                                   std::string_view options_json);

  ResourceData(const ResourceData&) = delete;
  ResourceData& operator=(const ResourceData&) = delete;

  Kind kind() const noexcept { return kind_; }
  const std::string& digest() const noexcept { return digest_; }
  const std::string& uri() const noexcept { return uri_; }
  const std::string& options() const noexcept { return options_; }
  std::span<const ResourceFile> files() const noexcept { return files_; }
  /// Option {"stateful": true}: calls that take it are not idempotent.
  bool stateful() const noexcept { return stateful_; }
  /// Option "format": restricts the plugins to those that list it; empty: none.
  const std::string& format() const noexcept { return format_; }
  /// Lives as long as this object.
  const vac_resource_view& view() const noexcept { return view_; }

 private:
  ResourceData() = default;
  Status finish(std::string_view options_json);

  Kind kind_ = Kind::file;
  std::string digest_, uri_, options_, format_;
  bool stateful_ = false;
  std::vector<ResourceFile> files_;
  std::vector<const char*> names_, paths_, digests_;
  std::vector<const void*> data_;
  std::vector<std::uint64_t> sizes_;
  vac_resource_view view_{};
};

/// The manifest of a directory, whose SHA-256 is its digest: a line a file, "sha256 size name\n",
/// sorted by name.
std::string manifest_text(std::span<const ResourceFile> files);
/// Strict: sorted, no duplicate, names relative without "..", empty parts or control characters,
/// sizes decimal. Paths and data are empty.
Result<std::vector<ResourceFile>> parse_manifest(std::string_view text);

}  // namespace vac::core
