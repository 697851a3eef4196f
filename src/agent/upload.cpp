// SPDX-License-Identifier: Apache-2.0
#include "agent/upload.hpp"

#include <algorithm>
#include <utility>

#include "base/sha256.hpp"
#include "base/text.hpp"

namespace vac::agent {
namespace {

constexpr std::string_view kDirectoryLine = "directory\n";
constexpr std::size_t kMostManifest = 4 << 20;

}  // namespace

void ByteRanges::add(std::uint64_t begin, std::uint64_t end) {
  if (begin >= end) return;
  auto next = ranges_.upper_bound(begin);
  if (next != ranges_.begin()) {
    const auto before = std::prev(next);
    if (before->second >= begin) {
      begin = before->first;
      end = std::max(end, before->second);
      next = ranges_.erase(before);
    }
  }
  while (next != ranges_.end() && next->first <= end) {
    end = std::max(end, next->second);
    next = ranges_.erase(next);
  }
  ranges_.emplace(begin, end);
}

bool ByteRanges::covers(std::uint64_t size) const noexcept {
  if (size == 0) return true;
  const auto first = ranges_.begin();
  return first != ranges_.end() && first->first == 0 && first->second >= size;
}

Result<std::unique_ptr<Upload>> Upload::begin(ResourceStore& store, std::string folder,
                                              std::string_view manifest, std::string options_json) {
  if (manifest.size() > kMostManifest) {
    return Error{Errc::too_large, concat("the manifest has ", manifest.size(), " bytes, at most ",
                                         kMostManifest, " are taken")};
  }
  std::unique_ptr<Upload> upload(new Upload(store, std::move(folder), std::move(options_json)));
  if (manifest.starts_with(kDirectoryLine)) {
    manifest.remove_prefix(kDirectoryLine.size());
    upload->kind_ = core::ResourceData::Kind::directory;
    upload->digest_ = sha256_hex(std::as_bytes(std::span(manifest)));
  }
  VAC_TRY(std::vector<core::ResourceFile> files, core::parse_manifest(manifest));
  if (upload->kind_ == core::ResourceData::Kind::file) {
    if (files.size() != 1) {
      return Error{Errc::invalid, concat("the manifest of a file names ", files.size(),
                                         " files: one of a directory begins with 'directory'")};
    }
    upload->digest_ = files.front().digest;
  }
  const MutexLock lock(upload->mutex_);
  for (core::ResourceFile& file : files) {
    Part part;
    if (auto stored = store.find(upload->folder_, file.digest, file.size)) {
      part.stored.emplace(*std::move(stored));
    } else if (file.size == 0) {  // no part of it would ever come
      VAC_TRY(PartialFile empty, store.begin(upload->folder_, file.digest, 0));
      VAC_TRY(StoredFile stored, store.finish(std::move(empty)));
      part.stored.emplace(std::move(stored));
    }
    part.file = std::move(file);
    upload->parts_.push_back(std::move(part));
  }
  return upload;
}

std::vector<std::uint32_t> Upload::missing() const {
  std::vector<std::uint32_t> missing;
  const MutexLock lock(mutex_);
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    if (!parts_[i].stored) missing.push_back(static_cast<std::uint32_t>(i));
  }
  return missing;
}

bool Upload::complete() const {
  const MutexLock lock(mutex_);
  return std::ranges::all_of(parts_, [](const Part& part) { return part.stored.has_value(); });
}

Result<std::shared_ptr<Upload::Incoming>> Upload::start_write(std::uint32_t file,
                                                              std::uint64_t offset,
                                                              std::size_t bytes) {
  const MutexLock lock(mutex_);
  if (file >= parts_.size()) {
    return Error{Errc::invalid,
                 concat("the resource has no file ", file, ": it has ", parts_.size(), " files")};
  }
  Part& part = parts_[file];
  if (part.stored) {
    return Error{Errc::invalid, concat("file ", file, " ('", part.file.name, "') is complete")};
  }
  if (bytes > kMostBytes || bytes == 0 || offset > part.file.size ||
      bytes > part.file.size - offset) {
    return Error{Errc::invalid, concat(bytes, " bytes at ", offset, " are no part of file ", file,
                                       " ('", part.file.name, "') of ", part.file.size,
                                       " bytes: a part has 1 to ", kMostBytes, " bytes")};
  }
  if (part.incoming == nullptr) {
    if (open_files_ == kMostOpenFiles) {
      return Error{Errc::busy, concat(kMostOpenFiles,
                                      " files of the resource are incomplete: "
                                      "finish one before another is begun")};
    }
    VAC_TRY(PartialFile opened, store_.begin(folder_, part.file.digest, part.file.size));
    part.incoming = std::make_shared<Incoming>(std::move(opened));
    ++open_files_;
  }
  ++part.incoming->writers;
  return part.incoming;
}

Status Upload::write(std::uint32_t file, std::uint64_t offset, std::span<const std::byte> bytes) {
  VAC_TRY(std::shared_ptr<Incoming> incoming, start_write(file, offset, bytes.size()));
  Status written = incoming->file.write(offset, bytes);
  {
    const MutexLock lock(mutex_);
    --incoming->writers;
    if (!written) return written;
    incoming->received.add(offset, offset + bytes.size());
    Part& part = parts_[file];
    // The last writer of a file that is complete verifies it; parts that come after that are
    // refused.
    if (part.incoming != incoming || incoming->writers != 0 ||
        !incoming->received.covers(part.file.size)) {
      return {};
    }
    part.incoming = nullptr;
    --open_files_;
  }
  // Hashing takes a while: without the lock. Nobody else has the file now.
  auto stored = store_.finish(std::move(incoming->file));
  const MutexLock lock(mutex_);
  Part& part = parts_[file];
  if (!stored) {
    return std::move(stored).error().with_context(
        concat("file ", file, " ('", part.file.name, "')"));
  }
  if (!part.stored) part.stored.emplace(*std::move(stored));
  return {};
}

Result<std::shared_ptr<const core::ResourceData>> Upload::resource() const {
  std::vector<core::ResourceFile> files;
  {
    const MutexLock lock(mutex_);
    for (const Part& part : parts_) {
      files.push_back(part.file);
      files.back().path = part.stored->path();
    }
  }
  return core::ResourceData::from_verified(kind_, std::move(files), digest_, options_json_);
}

}  // namespace vac::agent
