// SPDX-License-Identifier: Apache-2.0
#include "agent/held_resource.hpp"

#include <optional>
#include <span>

#include "base/text.hpp"

namespace vac::agent {
namespace {

Error unknown(std::uint64_t id) {
  return Error{Errc::bad_handle, concat("resource ", id, " is not open on this connection")};
}

}  // namespace

Result<core::Resource*> HeldResource::get() {
  const MutexLock lock(mutex_);
  if (ready_ == nullptr) {
    const std::size_t missing = upload_->missing().size();
    if (missing != 0) {
      return Error{Errc::invalid, concat("the resource is incomplete: ", missing,
                                         " of its files have not been uploaded")};
    }
    VAC_TRY(std::shared_ptr<const core::ResourceData> data, upload_->resource());
    ready_ = session_.add_resource(std::move(data));
  }
  return ready_.get();
}

Result<const core::ResourceFile*> HeldResource::file(std::uint32_t index) {
  VAC_TRY(const core::Resource* resource, get());
  const std::span<const core::ResourceFile> files = resource->data().files();
  if (index < files.size()) return &files[index];
  return Error{Errc::invalid, concat("the resource has no file ", index, ": it has ", files.size(),
                                     files.size() == 1 ? " file" : " files", ", counted from 0")};
}

Result<std::uint64_t> HeldResources::add(std::shared_ptr<HeldResource> resource) {
  const MutexLock lock(mutex_);
  if (resources_.size() == kMost) {
    return Error{
        Errc::too_many_files,
        concat("the connection has ", kMost, " resources open, the most there can be: close some")};
  }
  return resources_.insert(std::move(resource));
}

Result<std::shared_ptr<HeldResource>> HeldResources::get(std::uint64_t id) {
  const MutexLock lock(mutex_);
  const std::shared_ptr<HeldResource>* found = resources_.find(id);
  if (found == nullptr) return unknown(id);
  return *found;
}

Result<std::shared_ptr<HeldResource>> HeldResources::drop(std::uint64_t id) {
  const MutexLock lock(mutex_);
  std::optional<std::shared_ptr<HeldResource>> gone = resources_.take(id);
  if (!gone) return unknown(id);
  return *std::move(gone);
}

}  // namespace vac::agent
