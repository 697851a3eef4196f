// SPDX-License-Identifier: Apache-2.0
#include "capi/outputs.hpp"

#include <algorithm>
#include <new>
#include <utility>

#include "base/text.hpp"
#include "call/types.hpp"

namespace vac::capi {

void* Outputs::output(vac_call& /*call*/, std::uint32_t arg, std::uint32_t child,
                      std::uint64_t bytes, std::uint8_t type, std::uint8_t rank,
                      const std::int64_t* dims) noexcept {
  try {
    vac_arg* record = frame_.record_of(arg);
    if (record == nullptr || (record->dir & VAC_OUT) == 0 || record->form == VAC_ABSENT)
      return nullptr;
    return give(*record, arg, child, bytes, type, {dims, rank});
  } catch (...) {  // no memory: the plugin ends the call with VAC_ENOMEM
    return nullptr;
  }
}

void* Outputs::give(vac_arg& record, std::uint32_t arg, std::uint32_t child, std::uint64_t bytes,
                    std::uint8_t type, std::span<const std::int64_t> dims) {
  if (record.form == VAC_ARRAY) return give_array(record, bytes);
  if (record.form == VAC_TENSOR) {
    return give_tensor(frame_.own_tensor(arg, 0), record, 0, bytes, type, dims);
  }
  if (record.form != VAC_LIST || child >= VAC_MAX_RECORDS) return nullptr;
  const bool known = record.count != VAC_ANY_COUNT && child < record.count;
  return give_tensor(known ? frame_.own_tensor(arg, child) : nullptr, record, child, bytes, type,
                     dims);
}

void* Outputs::give_array(vac_arg& record, std::uint64_t bytes) {
  if (record.where == VAC_WHERE_INLINE && bytes <= record.bytes) {
    record.bytes = bytes;
    return reinterpret_cast<void*>(static_cast<std::uintptr_t>(record.value));
  }
  std::unique_ptr<std::byte[]> aside(new (std::nothrow) std::byte[bytes == 0 ? 1 : bytes]);
  if (aside == nullptr) return nullptr;
  void* memory = aside.get();
  entries_.push_back({&record, 0, bytes, nullptr, std::move(aside)});
  return memory;
}

void* Outputs::give_tensor(const vac_tensor* own, const vac_arg& record, std::uint32_t child,
                           std::uint64_t bytes, std::uint8_t type,
                           std::span<const std::int64_t> dims) {
  if (has(record, child)) return nullptr;
  if (own == nullptr) {
    TensorPointer tensor(make_tensor(type, dims, bytes, false));
    if (tensor == nullptr) return nullptr;
    void* memory = tensor->data;
    entries_.push_back({&record, child, bytes, std::move(tensor), nullptr});
    return memory;
  }
  if (own->type != type || own->bytes < bytes || !std::ranges::equal(own->shape(), dims)) {
    error_.emplace(Errc::invalid,
                   concat("output ", child, " is ", describe_tensor(type, dims),
                          ", the tensor given for it is ", describe_tensor(own->type, own->shape()),
                          ": give one of that type and shape, or none"));
    return nullptr;
  }
  own_filled_.set(index(record, child));
  return own->data;
}

bool Outputs::own_was_filled(const vac_arg& record, std::uint32_t child) const noexcept {
  // Of a list the caller gave tensors for its known children alone.
  const bool may_be_own =
      record.form == VAC_LIST ? record.count != VAC_ANY_COUNT && child < record.count : child == 0;
  return may_be_own && own_filled_[index(record, child)];
}

const Outputs::Entry* Outputs::find(const vac_arg& record, std::uint32_t child) const noexcept {
  for (const Entry& entry : entries_) {
    if (entry.record == &record && entry.child == child) return &entry;
  }
  return nullptr;
}

std::optional<std::uint64_t> Outputs::too_large(const vac_arg& record) const noexcept {
  const Entry* entry = find(record, 0);
  if (entry == nullptr || entry->aside == nullptr) return std::nullopt;
  return entry->bytes;
}

std::uint32_t Outputs::child_count(const vac_arg& list) const noexcept {
  std::uint32_t count = 0;
  for (const Entry& entry : entries_) {
    if (entry.record == &list) count = std::max(count, entry.child + 1);
  }
  const std::uint32_t known = list.count == VAC_ANY_COUNT ? 0 : list.count;
  for (std::uint32_t child = count; child < known; ++child) {
    if (own_filled_[index(list, child)]) count = child + 1;
  }
  return count;
}

TensorPointer Outputs::take(const vac_arg& record, std::uint32_t child) noexcept {
  for (Entry& entry : entries_) {
    if (entry.record == &record && entry.child == child) return std::move(entry.tensor);
  }
  return nullptr;
}

bool Outputs::has(const vac_arg& record, std::uint32_t child) const noexcept {
  return own_was_filled(record, child) || find(record, child) != nullptr;
}

}  // namespace vac::capi
