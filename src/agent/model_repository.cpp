// SPDX-License-Identifier: Apache-2.0
#include "agent/model_repository.hpp"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/errno_error.hpp"
#include "base/sha256.hpp"
#include "base/text.hpp"

namespace vac::agent {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kScheme = "model://";
constexpr std::size_t kMostName = 128;
constexpr std::size_t kMostFiles = 10'000;
constexpr std::size_t kLongestUri = 512;
constexpr std::string_view kNameCharacters =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= kMostName && name.front() != '.' &&
         name.find_first_not_of(kNameCharacters) == std::string_view::npos;
}

/// "lite0.pt" for "lite0": one extension, no more.
bool is_with_extension(std::string_view entry, std::string_view name) {
  return entry.size() > name.size() + 1 && entry.starts_with(name) && entry[name.size()] == '.' &&
         entry.find('.', name.size() + 1) == std::string_view::npos;
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += concat(text.empty() ? "" : ", ", name);
  return text;
}

}  // namespace

std::vector<std::string> ModelRepository::names() const {
  std::vector<std::string> names;
  if (directory_.empty()) return names;
  std::error_code failure;
  for (fs::directory_iterator entry(directory_, failure), end; !failure && entry != end;
       entry.increment(failure)) {
    std::string name = entry->path().filename().string();
    if (is_name(name)) names.push_back(std::move(name));
  }
  std::sort(names.begin(), names.end());
  return names;
}

Result<std::string> ModelRepository::find_entry(std::string_view name) const {
  const std::vector<std::string> all = names();
  if (std::binary_search(all.begin(), all.end(), name)) return std::string(name);
  std::vector<std::string> candidates;
  std::ranges::copy_if(all, std::back_inserter(candidates),
                       [&](const std::string& entry) { return is_with_extension(entry, name); });
  if (candidates.size() == 1) return candidates.front();
  if (candidates.size() > 1) {
    return Error{Errc::invalid, concat("model '", name, "' could be one of ", joined(candidates),
                                       ": say which, such as model://", candidates.front())};
  }
  if (directory_.empty()) {
    return Error{Errc::not_found, concat("the agent has no models, so none '", name,
                                         "': start it with --models DIRECTORY")};
  }
  const std::string near = nearest(name, all);
  return Error{Errc::not_found, concat("the agent has no model '", name, "'",
                                       near.empty() ? "" : concat(", did you mean '", near, "'?"),
                                       ": list its models with: vaccel list models --at ADDRESS")};
}

Result<std::vector<core::ResourceFile>> ModelRepository::read_folder(
    const std::string& entry) const {
  const fs::path root = fs::path(directory_) / entry;
  const auto unreadable = [&](const std::error_code& why) {
    return errno_error(why.value(), concat("cannot read model '", entry, "'"));
  };
  std::error_code failure;
  std::vector<core::ResourceFile> files;
  fs::recursive_directory_iterator at(root, failure);
  for (; !failure && at != fs::recursive_directory_iterator(); at.increment(failure)) {
    if (!at->is_regular_file(failure)) continue;  // folders are entered, links to folders are not
    if (files.size() == kMostFiles) {
      return Error{Errc::too_large,
                   concat("model '", entry, "' has more than ", kMostFiles, " files")};
    }
    core::ResourceFile file;
    file.path = at->path().string();
    file.name = at->path().lexically_relative(root).generic_string();
    VAC_TRY(FileDigests::Known known, digests_.digest(file.path, concat(entry, "/", file.name)));
    file.digest = std::move(known.digest);
    file.size = known.size;
    files.push_back(std::move(file));
  }
  if (failure) return unreadable(failure);
  if (files.empty()) return Error{Errc::invalid, concat("model '", entry, "' has no files")};
  std::ranges::sort(files, {}, &core::ResourceFile::name);
  return files;
}

Result<std::shared_ptr<const core::ResourceData>> ModelRepository::open(
    std::string_view uri, std::string_view options_json) const {
  if (uri.size() > kLongestUri) {
    return Error{Errc::invalid,
                 concat("a resource's address has ", uri.size(), " bytes, at most ", kLongestUri,
                        " are allowed: it is model://NAME or model://NAME@SHA256")};
  }
  if (!uri.starts_with(kScheme)) {
    return Error{Errc::invalid, concat("resource '", uri,
                                       "' is not model://NAME: an agent opens "
                                       "nothing else by address; upload the file instead")};
  }
  std::string_view name = uri.substr(kScheme.size());
  const std::size_t at = name.find('@');
  const std::string_view wanted = at == std::string_view::npos ? "" : name.substr(at + 1);
  name = name.substr(0, at);
  if (!is_name(name) || (at != std::string_view::npos && !is_digest(wanted))) {
    return Error{Errc::invalid, concat("resource '", uri,
                                       "' is not model://NAME or model://NAME@SHA256: a name has "
                                       "letters, digits, '.', '_' and '-'")};
  }
  VAC_TRY(const std::string entry, find_entry(name));
  const std::string path = (fs::path(directory_) / entry).string();
  std::error_code failure;
  std::vector<core::ResourceFile> files;
  std::string digest;
  auto kind = core::ResourceData::Kind::file;
  if (fs::is_directory(path, failure)) {
    kind = core::ResourceData::Kind::directory;
    VAC_TRY(files, read_folder(entry));
    const std::string manifest = manifest_text(files);
    digest = sha256_hex(std::as_bytes(std::span(manifest)));
  } else {
    VAC_TRY(FileDigests::Known known, digests_.digest(path, entry));
    digest = known.digest;
    files.push_back({entry, path, digest, nullptr, known.size});
  }
  if (!wanted.empty() && wanted != digest) {
    return Error{Errc::bad_message, concat("model '", entry, "' has the digest ", digest, ", not ",
                                           wanted, ": it was replaced; open the one you mean")};
  }
  return core::ResourceData::from_verified(kind, std::move(files), std::move(digest), options_json);
}

}  // namespace vac::agent
