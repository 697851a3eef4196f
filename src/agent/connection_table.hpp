// SPDX-License-Identifier: Apache-2.0
// All connections, by the tags that events carry.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <vector>

#include "agent/owner_word.hpp"
#include "agent/poller.hpp"
#include "base/mutex.hpp"

namespace vac::agent {

class Connection;

/// A place for one connection at a time; never freed, so that a late event may look at it. The word
/// is thread-safe, the rest is the table's.
struct ConnectionSlot {
  OwnerWord owner;
  std::uint32_t index = 0;
  // Shared with the connection's calls, which may outlast its place here.
  std::shared_ptr<Connection> connection;
};

/// Thread-safe.
class ConnectionTable {
 public:
  static constexpr std::size_t kMost = 65536;

  /// A place for a connection, which gets its slot and tag; false when there is none left.
  bool insert(const std::shared_ptr<Connection>& connection) VAC_EXCLUDES(mutex_);
  /// An event has come: the connection, if the caller owns it now. Valid while the caller owns it.
  Connection* take(ConnectionTag tag) VAC_EXCLUDES(mutex_);
  /// Whoever owns it at the moment; null if it is gone.
  std::shared_ptr<Connection> find(ConnectionTag tag) VAC_EXCLUDES(mutex_);
  /// Owner only: frees the place. The caller gets what may be the last reference.
  std::shared_ptr<Connection> erase(Connection& connection) VAC_EXCLUDES(mutex_);

  std::vector<std::shared_ptr<Connection>> all() const VAC_EXCLUDES(mutex_);
  std::size_t size() const VAC_EXCLUDES(mutex_);

 private:
  mutable Mutex mutex_;
  std::deque<ConnectionSlot> slots_ VAC_GUARDED_BY(mutex_);
  std::vector<std::uint32_t> free_ VAC_GUARDED_BY(mutex_);
};

}  // namespace vac::agent
