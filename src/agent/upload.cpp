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
constexpr std::uint64_t kPartBytes =
    1024;  // of memory for a file: its names, digest, paths, states

}  // namespace

Result<std::unique_ptr<Upload>> Upload::begin(ResourceStore& store, Tenant& tenant,
                                              std::string_view manifest,
                                              std::string_view options_json) {
  if (manifest.size() > kMostManifest) {
    return Error{Errc::too_large, concat("the manifest has ", manifest.size(), " bytes, at most ",
                                         kMostManifest, " are taken")};
  }
  const auto lines = static_cast<std::uint64_t>(std::ranges::count(manifest, '\n'));
  const std::uint64_t charge = manifest.size() + lines * kPartBytes;
  std::unique_ptr<Upload> upload(new Upload(store, tenant));
  if (!tenant.memory().charge(charge)) return no_room(tenant, "a manifest", charge);
  upload->charge_ = charge;
  VAC_CHECK(upload->read(manifest, options_json));
  return upload;
}

Status Upload::read(std::string_view manifest, std::string_view options_json) {
  if (manifest.starts_with(kDirectoryLine)) {
    manifest.remove_prefix(kDirectoryLine.size());
    kind_ = core::ResourceData::Kind::directory;
    digest_ = sha256_hex(std::as_bytes(std::span(manifest)));
  }
  VAC_TRY(std::vector<core::ResourceFile> files, core::parse_manifest(manifest));
  if (kind_ == core::ResourceData::Kind::file) {
    if (files.size() != 1) {
      return Error{Errc::invalid, concat("the manifest of a file names ", files.size(),
                                         " files: one of a directory begins with 'directory'")};
    }
    digest_ = files.front().digest;
  }
  // What is wrong with the options is said now, not when all has been uploaded.
  VAC_TRY(const auto checked, core::ResourceData::from_verified(kind_, {}, digest_, options_json));
  options_json_ = checked->options();
  const std::string& folder = tenant_.folder();
  const MutexLock lock(mutex_);
  parts_.reserve(files.size());
  for (core::ResourceFile& file : files) {
    Part part;
    if (auto stored = store_.find(folder, file.digest, file.size)) {
      part.stored.emplace(*std::move(stored));
    } else if (file.size == 0) {  // no part of it would ever come
      VAC_TRY(const Reception empty, store_.receive(folder, file.digest, 0));
      VAC_CHECK(empty.file()->write(0, {}));
      VAC_TRY(StoredFile stored, empty.file()->stored());
      part.stored.emplace(std::move(stored));
    }
    part.file = std::move(file);
    parts_.push_back(std::move(part));
  }
  return {};
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

Result<std::shared_ptr<IncomingFile>> Upload::start_write(std::uint32_t file, std::uint64_t offset,
                                                          std::size_t bytes) {
  const MutexLock lock(mutex_);
  if (file >= parts_.size()) {
    return Error{Errc::invalid,
                 concat("the resource has no file ", file, ": it has ", parts_.size(), " files")};
  }
  Part& part = parts_[file];
  if (part.stored || (part.reception && part.sent.covers(part.file.size))) {
    return Error{Errc::invalid, concat("file ", file, " ('", part.file.name, "') is complete")};
  }
  if (bytes > kMostBytes || bytes == 0 || offset > part.file.size ||
      bytes > part.file.size - offset) {
    return Error{Errc::invalid, concat(bytes, " bytes at ", offset, " are no part of file ", file,
                                       " ('", part.file.name, "') of ", part.file.size,
                                       " bytes: a part has 1 to ", kMostBytes, " bytes")};
  }
  if (!part.sent.takes(offset, offset + bytes)) {
    return Error{Errc::busy,
                 concat("file ", file, " ('", part.file.name, "') has ", ByteRanges::kMost,
                        " gaps, the most there can be: send the parts between those "
                        "that were sent first")};
  }
  if (!part.reception) {
    if (open_files_ == kMostOpenFiles) {
      return Error{Errc::busy, concat(kMostOpenFiles,
                                      " files of the resource are incomplete: "
                                      "finish one before another is begun")};
    }
    VAC_TRY(Reception reception,
            store_.receive(tenant_.folder(), part.file.digest, part.file.size));
    part.reception.emplace(std::move(reception));
    ++open_files_;
  }
  return part.reception->file();
}

bool Upload::receives(const Part& part, const IncomingFile& incoming) {
  return part.reception && part.reception->file().get() == &incoming;
}

Error Upload::failure_of(std::uint32_t file, const Part& part, Error error) {
  return std::move(error).with_context(concat("file ", file, " ('", part.file.name, "')"));
}

void Upload::end_reception(Part& part) {
  part.reception.reset();
  part.sent = {};
  --open_files_;
}

Status Upload::write(std::uint32_t file, std::uint64_t offset, std::span<const std::byte> bytes) {
  VAC_TRY(const std::shared_ptr<IncomingFile> incoming, start_write(file, offset, bytes.size()));
  Status written = incoming->write(offset, bytes);
  {
    const MutexLock lock(mutex_);
    Part& part = parts_[file];
    if (!written) {
      if (incoming->failed() && receives(part, *incoming)) end_reception(part);
      return failure_of(file, part, std::move(written).error());
    }
    // Who has sent the last part looks after what becomes of the file.
    if (!receives(part, *incoming) || part.sent.covers(part.file.size)) return {};
    part.sent.add(offset, offset + bytes.size());
    if (!part.sent.covers(part.file.size)) return {};
  }
  auto stored = incoming->stored();  // takes a while: without the lock
  const MutexLock lock(mutex_);
  Part& part = parts_[file];
  // Not if another thread that was late has met the failure first.
  if (receives(part, *incoming)) end_reception(part);
  if (!stored) return failure_of(file, part, std::move(stored).error());
  part.stored.emplace(*std::move(stored));
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
