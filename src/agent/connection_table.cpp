// SPDX-License-Identifier: Apache-2.0
#include "agent/connection_table.hpp"

#include <utility>

#include "agent/connection.hpp"

namespace vac::agent {

bool ConnectionTable::insert(const std::shared_ptr<Connection>& connection) {
  const MutexLock lock(mutex_);
  if (free_.empty()) {
    if (slots_.size() == kMost) return false;
    free_.reserve(slots_.size() + 1);  // erase() must not fail
    slots_.emplace_back();
    slots_.back().index = static_cast<std::uint32_t>(slots_.size() - 1);
    free_.push_back(slots_.back().index);
  }
  ConnectionSlot& slot = slots_[free_.back()];
  free_.pop_back();
  slot.connection = connection;
  connection->placed(slot.owner, {slot.index, slot.owner.open()});
  return true;
}

Connection* ConnectionTable::take(ConnectionTag tag) {
  const MutexLock lock(mutex_);
  if (tag.index >= slots_.size()) return nullptr;
  ConnectionSlot& slot = slots_[tag.index];
  return slot.owner.take(tag.generation) ? slot.connection.get() : nullptr;
}

std::shared_ptr<Connection> ConnectionTable::find(ConnectionTag tag) {
  const MutexLock lock(mutex_);
  if (tag.index >= slots_.size()) return nullptr;
  const ConnectionSlot& slot = slots_[tag.index];
  if (slot.connection == nullptr || slot.connection->tag().generation != tag.generation) {
    return nullptr;
  }
  return slot.connection;
}

std::shared_ptr<Connection> ConnectionTable::erase(Connection& connection) {
  const MutexLock lock(mutex_);
  ConnectionSlot& slot = slots_[connection.tag().index];
  slot.owner.close();
  free_.push_back(slot.index);
  return std::exchange(slot.connection, nullptr);
}

std::vector<std::shared_ptr<Connection>> ConnectionTable::all() const {
  std::vector<std::shared_ptr<Connection>> all;
  const MutexLock lock(mutex_);
  for (const ConnectionSlot& slot : slots_) {
    if (slot.connection != nullptr) all.push_back(slot.connection);
  }
  return all;
}

std::size_t ConnectionTable::size() const {
  const MutexLock lock(mutex_);
  return slots_.size() - free_.size();
}

}  // namespace vac::agent
