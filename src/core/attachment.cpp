// SPDX-License-Identifier: Apache-2.0
#include "core/attachment.hpp"

#include <utility>
#include <vector>

#include "core/contained.hpp"
#include "core/plugin.hpp"

namespace vac::core {

AttachmentTable::~AttachmentTable() {
  const MutexLock lock(mutex_);
  for (auto& [key, attachment] : table_) detach(std::move(attachment));
}

Result<Attachment*> AttachmentTable::acquire(const Key& key, Plugin& plugin, void* session_state,
                                             const std::shared_ptr<const ResourceData>& data) {
  MutexLock lock(mutex_);
  for (;;) {
    const auto found = table_.find(key);
    if (found == table_.end()) break;
    if (!found->second->attaching) {
      ++found->second->users;
      return found->second.get();
    }
    changed_.wait(mutex_);
  }
  auto made = std::make_unique<Attachment>();
  Attachment& attachment = *made;
  attachment.plugin = &plugin;
  attachment.data = data;
  attachment.users = 1;
  table_.emplace(key, std::move(made));
  lock.unlock();

  int code = VAC_OK;
  clear_thread_error();
  if (plugin.table().resource_attach != nullptr) {
    code = contained("resource_attach", [&] {
      return plugin.table().resource_attach(plugin.state(), session_state, &data->view(),
                                            &attachment.state);
    });
  }

  lock.lock();
  attachment.attaching = false;
  if (code != VAC_OK) table_.erase(key);
  lock.unlock();
  changed_.notify_all();
  if (code == VAC_OK) return &attachment;
  return hook_error(code, error_text(known_code(code)));
}

Attachment* AttachmentTable::find(const Key& key) {
  const MutexLock lock(mutex_);
  const auto found = table_.find(key);
  if (found == table_.end() || found->second->attaching) return nullptr;
  ++found->second->users;
  return found->second.get();
}

void AttachmentTable::release(Attachment& attachment) {
  std::unique_ptr<Attachment> gone;
  {
    const MutexLock lock(mutex_);
    if (--attachment.users != 0) return;
    attachment.idle_since = std::chrono::steady_clock::now();
    if (idle_unload_.count() != 0) return;
    for (auto entry = table_.begin(); entry != table_.end(); ++entry) {
      if (entry->second.get() != &attachment) continue;
      gone = std::move(entry->second);
      table_.erase(entry);
      break;
    }
  }
  detach(std::move(gone));
}

void AttachmentTable::trim(std::chrono::steady_clock::time_point now) {
  std::vector<std::unique_ptr<Attachment>> gone;
  {
    const MutexLock lock(mutex_);
    for (auto entry = table_.begin(); entry != table_.end();) {
      const Attachment& attachment = *entry->second;
      if (attachment.users == 0 && now - attachment.idle_since >= idle_unload_) {
        gone.push_back(std::move(entry->second));
        entry = table_.erase(entry);
      } else {
        ++entry;
      }
    }
  }
  for (auto& attachment : gone) detach(std::move(attachment));
}

void AttachmentTable::drop_session(const void* session) {
  std::vector<std::unique_ptr<Attachment>> gone;
  {
    const MutexLock lock(mutex_);
    for (auto entry = table_.begin(); entry != table_.end();) {
      if (entry->first.session == session && session != nullptr) {
        gone.push_back(std::move(entry->second));
        entry = table_.erase(entry);
      } else {
        ++entry;
      }
    }
  }
  for (auto& attachment : gone) detach(std::move(attachment));
}

void AttachmentTable::detach(std::unique_ptr<Attachment> attachment) {
  if (attachment == nullptr) return;
  Plugin& plugin = *attachment->plugin;
  if (plugin.lost_calls() != 0) return plugin.keep(std::move(attachment));
  if (plugin.table().resource_detach != nullptr) {
    contained_void(plugin.name(), "resource_detach",
                   [&] { plugin.table().resource_detach(plugin.state(), attachment->state); });
  }
}

}  // namespace vac::core
