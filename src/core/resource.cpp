// SPDX-License-Identifier: Apache-2.0
#include "core/resource.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/errno_error.hpp"
#include "base/json_text.hpp"
#include "base/sha256.hpp"
#include "base/text.hpp"
#include "base/utf8.hpp"

namespace vac::core {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostFiles = 10'000;
constexpr std::size_t kMostNameBytes = 1024;
constexpr std::size_t kDigestDigits = 64;

/// A relative path with '/' that stays inside its folder and prints on one line.
bool good_name(std::string_view name) {
  if (name.empty() || name.size() > kMostNameBytes || !valid_utf8(name)) return false;
  for (const char c : name) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '\\') return false;
  }
  std::size_t begin = 0;
  while (begin <= name.size()) {
    const std::size_t end = std::min(name.find('/', begin), name.size());
    const std::string_view part = name.substr(begin, end - begin);
    if (part.empty() || part == "." || part == "..") return false;
    begin = end + 1;
  }
  return true;
}

bool is_digest(std::string_view text) {
  return text.size() == kDigestDigits &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

Error unreadable(const std::string& path, Errc code, std::string_view why) {
  return Error{code, concat("resource '", path, "': ", why, ": see that this user can read it")};
}
Error unreadable(const std::string& path, const std::error_code& why) {
  return unreadable(path, errc_from_errno(why.value()), why.message());
}

Result<ResourceFile> read_file(const std::string& path, std::string name,
                               const ResourceData::Progress& progress) {
  std::error_code failure;
  const fs::file_status status = fs::status(path, failure);
  if (status.type() == fs::file_type::not_found) {
    return Error{Errc::not_found, concat("resource '", path, "': no such file: check the path")};
  }
  if (failure) return unreadable(path, failure);
  if (status.type() == fs::file_type::directory) {
    return Error{Errc::is_directory,
                 concat("resource '", path, "' is a directory: open it as a directory")};
  }
  if (status.type() != fs::file_type::regular) {
    return Error{Errc::invalid, concat("resource '", path, "' is not a regular file: name one")};
  }
  auto digest = sha256_file(path, progress);
  if (!digest) return unreadable(path, digest.error().code(), digest.error().text());
  ResourceFile file;
  file.name = std::move(name);
  file.path = fs::absolute(path, failure).lexically_normal().string();
  file.digest = *std::move(digest);
  file.size = fs::file_size(path, failure);
  if (failure) return unreadable(path, failure);
  return file;
}

/// A name is that of a file or of a folder with files, not of both; sorted by name.
Status check_folders(std::span<const ResourceFile> files) {
  for (const ResourceFile& file : files) {
    for (std::size_t end = file.name.find('/'); end != std::string::npos;
         end = file.name.find('/', end + 1)) {
      const std::string_view folder = std::string_view(file.name).substr(0, end);
      if (!std::ranges::binary_search(files, folder, {}, &ResourceFile::name)) continue;
      return Error{Errc::invalid, concat("manifest: '", folder, "' is a file, and the folder of '",
                                         file.name, "'")};
    }
  }
  return {};
}

bool by_name(const ResourceFile& a, const ResourceFile& b) { return a.name < b.name; }

}  // namespace

Result<std::shared_ptr<const ResourceData>> ResourceData::from_file(const std::string& path,
                                                                    std::string_view options_json,
                                                                    const Progress& progress) {
  VAC_TRY(ResourceFile file, read_file(path, fs::path(path).filename().string(), progress));
  if (!good_name(file.name)) {
    return Error{Errc::invalid,
                 concat("resource '", path, "': its file name has control characters: rename it")};
  }
  std::string digest = file.digest;
  std::vector<ResourceFile> files;
  files.push_back(std::move(file));
  return from_verified(Kind::file, std::move(files), std::move(digest), options_json);
}

Result<std::shared_ptr<const ResourceData>> ResourceData::from_directory(
    const std::string& path, std::string_view options_json, const Progress& progress) {
  std::uint64_t before = 0;  // of the files that are done
  Progress in_file;
  if (progress) in_file = [&](std::uint64_t done, std::uint64_t) { progress(before + done, 0); };
  std::error_code failure;
  fs::recursive_directory_iterator entry(path, failure);
  if (failure) {
    return errno_error(failure.value(), concat("resource '", path, "': cannot read the directory"));
  }
  std::vector<ResourceFile> files;
  while (entry != fs::recursive_directory_iterator()) {
    const fs::file_type type = entry->symlink_status(failure).type();
    if (type != fs::file_type::directory) {
      const std::string name = entry->path().lexically_relative(path).generic_string();
      if (type != fs::file_type::regular || !good_name(name)) {
        return Error{Errc::invalid,
                     concat("resource '", path, "': '", name,
                            "' is not a regular file with a printable name: remove it")};
      }
      if (files.size() == kMostFiles) {
        return Error{Errc::too_large,
                     concat("resource '", path, "' has more than ", kMostFiles, " files")};
      }
      VAC_TRY(ResourceFile file, read_file(entry->path().string(), name, in_file));
      before += file.size;
      files.push_back(std::move(file));
    }
    entry.increment(failure);
    if (failure) {
      return errno_error(failure.value(),
                         concat("resource '", path, "': cannot read the directory"));
    }
  }
  if (files.empty()) {
    return Error{Errc::invalid, concat("resource '", path, "' is an empty directory")};
  }
  std::sort(files.begin(), files.end(), by_name);
  const std::string manifest = manifest_text(files);
  return from_verified(Kind::directory, std::move(files),
                       sha256_hex(std::as_bytes(std::span(manifest))), options_json);
}

Result<std::shared_ptr<const ResourceData>> ResourceData::from_bytes(
    std::span<const std::byte> data, std::string_view options_json) {
  ResourceFile file;
  file.name = "bytes";
  file.digest = sha256_hex(data);
  file.data = data.data();
  file.size = data.size();
  std::string digest = file.digest;
  std::vector<ResourceFile> files;
  files.push_back(std::move(file));
  return from_verified(Kind::bytes, std::move(files), std::move(digest), options_json);
}

Result<std::shared_ptr<const ResourceData>> ResourceData::from_uri(std::string_view uri,
                                                                   std::string_view options_json) {
  if (uri.empty() || uri.size() > kMostNameBytes || !valid_utf8(uri) ||
      uri.find("://") == std::string_view::npos) {
    return Error{Errc::invalid, concat("resource '", uri, "' is not a URI such as model://name")};
  }
  std::shared_ptr<ResourceData> resource(new ResourceData);
  resource->kind_ = Kind::uri;
  resource->uri_ = uri;
  VAC_CHECK(resource->finish(options_json));
  return std::shared_ptr<const ResourceData>(std::move(resource));
}

Result<std::shared_ptr<const ResourceData>> ResourceData::from_verified(
    Kind kind, std::vector<ResourceFile> files, std::string digest, std::string_view options_json) {
  std::shared_ptr<ResourceData> resource(new ResourceData);
  resource->kind_ = kind;
  resource->files_ = std::move(files);
  resource->digest_ = std::move(digest);
  VAC_CHECK(resource->finish(options_json));
  return std::shared_ptr<const ResourceData>(std::move(resource));
}

Status ResourceData::finish(std::string_view options_json) {
  auto options = canonical_json_object(options_json);
  if (!options) return std::move(options).error().with_context("resource options");
  options_ = *std::move(options);
  VAC_TRY(const JsonValue object, parse_json(options_));
  if (const JsonValue* stateful = object.find("stateful")) {
    if (!stateful->as_bool()) {
      return Error{Errc::invalid, "resource option 'stateful' must be true or false"};
    }
    stateful_ = *stateful->as_bool();
  }
  if (const JsonValue* format = object.find("format")) {
    if (format->as_string() == nullptr) {
      return Error{Errc::invalid,
                   "resource option 'format' must be a string, such as \"torchscript\""};
    }
    format_ = *format->as_string();
  }
  for (const ResourceFile& file : files_) {
    names_.push_back(file.name.c_str());
    paths_.push_back(file.path.empty() ? nullptr : file.path.c_str());
    digests_.push_back(file.digest.c_str());
    data_.push_back(file.data);
    sizes_.push_back(file.size);
  }
  view_.struct_size = sizeof view_;
  view_.digest = digest_.c_str();
  view_.uri = uri_.empty() ? nullptr : uri_.c_str();
  view_.kind = static_cast<std::uint32_t>(kind_);
  view_.file_count = static_cast<std::uint32_t>(files_.size());
  view_.names = names_.data();
  view_.paths = paths_.data();
  view_.digests = digests_.data();
  view_.data = data_.data();
  view_.sizes = sizes_.data();
  view_.options_json = options_.c_str();
  return {};
}

std::string manifest_text(std::span<const ResourceFile> files) {
  std::string text;
  for (const ResourceFile& file : files) {
    text += concat(file.digest, " ", file.size, " ", file.name, "\n");
  }
  return text;
}

Result<std::vector<ResourceFile>> parse_manifest(std::string_view text) {
  std::vector<ResourceFile> files;
  while (!text.empty()) {
    const auto bad = [&](std::string_view why) {
      return Error{Errc::invalid, concat("manifest, line ", files.size() + 1, ": ", why)};
    };
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return bad("does not end with a line feed");
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    const std::size_t first = line.find(' ');
    const std::size_t second = first == std::string_view::npos ? first : line.find(' ', first + 1);
    if (second == std::string_view::npos) return bad("is not 'sha256 size name'");
    ResourceFile file;
    file.digest = line.substr(0, first);
    const std::string_view size = line.substr(first + 1, second - first - 1);
    file.name = line.substr(second + 1);
    const auto [stop, failure] = std::from_chars(size.data(), size.data() + size.size(), file.size);
    if (!is_digest(file.digest)) return bad("its digest is not 64 lower-case hex digits");
    if (failure != std::errc{} || stop != size.data() + size.size() ||
        (size.size() > 1 && size.front() == '0')) {
      return bad("its size is not a decimal number");
    }
    if (!good_name(file.name)) {
      return bad("its name is not a relative path without '..' and control characters");
    }
    if (!files.empty() && !by_name(files.back(), file)) return bad("the names are not in order");
    if (files.size() == kMostFiles) return bad("too many files");
    files.push_back(std::move(file));
  }
  if (files.empty()) return Error{Errc::invalid, "the manifest names no file"};
  VAC_CHECK(check_folders(files));
  return files;
}

}  // namespace vac::core
