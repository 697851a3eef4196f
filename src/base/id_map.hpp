// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <utility>

namespace vac {

/// Numbers its values 1, 2, 3, ... and finds them by that number. A number is never given twice, so
/// that a stale one finds nothing; 0 is never given. Memory is that of the values alive. A value
/// stays at its address until it is erased. Confined to its owner: no lock inside.
template <class T>
class IdMap {
 public:
  /// Keeps the value and returns its id.
  std::uint64_t insert(T value) {
    values_.emplace(next_id_, std::move(value));
    return next_id_++;
  }

  /// The value of `id`, or null. Valid until it is erased.
  T* find(std::uint64_t id) noexcept {
    const auto found = values_.find(id);
    return found == values_.end() ? nullptr : &found->second;
  }
  const T* find(std::uint64_t id) const noexcept {
    const auto found = values_.find(id);
    return found == values_.end() ? nullptr : &found->second;
  }

  /// Destroys the value of `id`; false if there is none.
  bool erase(std::uint64_t id) noexcept { return values_.erase(id) != 0; }

  /// Takes the value of `id` out.
  std::optional<T> take(std::uint64_t id) {
    const auto found = values_.find(id);
    if (found == values_.end()) return std::nullopt;
    std::optional<T> value(std::move(found->second));
    values_.erase(found);
    return value;
  }

  /// Destroys all values; their numbers do not come back.
  void clear() noexcept { values_.clear(); }

  std::size_t size() const noexcept { return values_.size(); }
  bool empty() const noexcept { return values_.empty(); }

  /// Pairs of id and value, in no order. insert() and erase() end the iteration.
  auto begin() noexcept { return values_.begin(); }
  auto end() noexcept { return values_.end(); }
  auto begin() const noexcept { return values_.begin(); }
  auto end() const noexcept { return values_.end(); }

 private:
  std::unordered_map<std::uint64_t, T> values_;
  std::uint64_t next_id_ = 1;
};

}  // namespace vac
