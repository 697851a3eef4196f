// SPDX-License-Identifier: Apache-2.0
#include "core/attachment.hpp"

#include <optional>
#include <utility>
#include <vector>

#include "core/call_wait.hpp"
#include "core/contained.hpp"
#include "core/plugin.hpp"

namespace vac::core {

AttachmentTable::~AttachmentTable() {
  const MutexLock lock(mutex_);
  for (auto& [key, attachment] : table_) detach(std::move(attachment));
}

Result<Attachment*> AttachmentTable::acquire(const Key& key, Plugin& plugin, void* session_state,
                                             const std::shared_ptr<const ResourceData>& data,
                                             std::int64_t deadline_ns, CallContext& context) {
  MutexLock lock(mutex_);
  VAC_TRY(Attachment* const attached, await_attached(key, deadline_ns, context));
  if (attached != nullptr) return attached;
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

Result<Attachment*> AttachmentTable::await_attached(const Key& key, std::int64_t deadline_ns,
                                                    CallContext& context) {
  constexpr const char* kLate =
      "the time given was over while another call gave the resource to the plugin";
  std::optional<CallWait> wait;
  for (;;) {
    const auto found = table_.find(key);
    if (found == table_.end()) {
      // The other's attach has failed: whose own wait is over does not try again.
      if (wait && wait->over()) return wait->error(kLate);
      return nullptr;
    }
    if (!found->second->attaching) {
      ++found->second->users;
      return found->second.get();
    }
    if (!wait) wait.emplace(*this, deadline_ns, context);
    if (wait->over()) return wait->error(kLate);
    wait->wait(changed_, mutex_);
  }
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

void AttachmentTable::wake() noexcept {
  // Whoever is about to wait holds the mutex from looking at its call to sleeping.
  {
    const MutexLock lock(mutex_);
  }
  changed_.notify_all();
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
