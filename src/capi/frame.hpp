// SPDX-License-Identifier: Apache-2.0
// A call under construction on the caller's stack: records, shapes and resources, in storage that
// invoke() provides.
#pragma once

#include <vac/call.h>
#include <vac/tensor.h>

#include <cstdint>
#include <cstring>
#include <span>

#include "capi/handles.hpp"

namespace vac::capi {

inline constexpr std::size_t kMostArguments = 16;

/// Whether two records of a call in memory share some.
inline bool share_memory(const vac_arg& one, const vac_arg& other) noexcept {
  const auto has_memory = [](const vac_arg& record) {
    return (record.form == VAC_ARRAY || record.form == VAC_TENSOR) && record.bytes != 0 &&
           record.where == VAC_WHERE_INLINE && record.value != 0;
  };
  return has_memory(one) && has_memory(other) && one.value < other.value + other.bytes &&
         other.value < one.value + one.bytes;
}

class Frame {
 public:
  Frame(std::span<vac_arg> records, std::span<std::int64_t> dims)
      : records_(records), dims_(dims) {}

  /// The record of the operation's next argument. Never fails: invoke() has room for every
  /// argument.
  vac_arg& argument(std::uint8_t type, std::uint8_t form, std::uint8_t dir) {
    vac_arg* record = next();
    if (argument_count_ < kMostArguments) {
      own_[argument_count_] = nullptr;
      by_argument_[argument_count_++] = record;
    }
    start(*record, type, form, dir);
    return *record;
  }

  /// The tensors that the caller gives to be filled, for the argument just added: one, or one for
  /// each child of a list. Entries may be NULL.
  void own_tensors(vac_tensor* const* tensors) { own_[argument_count_ - 1] = tensors; }

  /// The record of a list's next child; nullptr when 256 records are full, which ok() then tells.
  vac_arg* child(std::uint8_t type, std::uint8_t form, std::uint8_t dir) {
    if (used_ == records_.size()) {
      overflow_ = true;
      return nullptr;
    }
    vac_arg* record = &records_[used_++];
    start(*record, type, form, dir);
    return record;
  }

  void shape(vac_arg& record, std::span<const std::int64_t> dims) {
    record.rank = static_cast<std::uint8_t>(dims.size());
    if (dims.empty()) return;
    if (dims.size() > VAC_MAX_RANK || dims.size() > dims_.size() - dims_used_) {
      overflow_ = true;
      return;
    }
    record.meta = static_cast<std::uint32_t>(dims_used_ * sizeof(std::int64_t));
    std::memcpy(&dims_[dims_used_], dims.data(), dims.size_bytes());
    dims_used_ += dims.size();
  }

  /// Memory of the caller's that the call writes.
  void writes_to(const void* memory) { writes_ |= memory != nullptr; }
  bool writes_memory() const noexcept { return writes_; }

  void resource(core::Resource* resource) {
    if (resource_count_ < kMostArguments) resources_[resource_count_++] = resource;
  }

  bool ok() const noexcept { return !overflow_; }
  std::span<vac_arg> records() const noexcept { return records_.first(used_); }
  char* meta() const noexcept { return reinterpret_cast<char*>(dims_.data()); }
  std::uint32_t meta_bytes() const noexcept {
    return static_cast<std::uint32_t>(dims_used_ * sizeof(std::int64_t));
  }
  std::span<core::Resource* const> resources() const noexcept {
    return {resources_, resource_count_};
  }
  /// The record of an argument by its index in the operation's table; nullptr beyond the last.
  vac_arg* record_of(std::uint32_t argument) const noexcept {
    return argument < argument_count_ ? by_argument_[argument] : nullptr;
  }
  /// The caller's own tensor for an output; nullptr: he gave none.
  const vac_tensor* own_tensor(std::uint32_t argument, std::uint32_t child) const noexcept {
    vac_tensor* const* tensors = own_[argument];
    return tensors == nullptr ? nullptr : tensors[child];
  }

 private:
  /// One store, because the check reads type, form and direction as one word: a processor passes on
  /// what it has just stored only where it is not in parts.
  static void start(vac_arg& record, std::uint8_t type, std::uint8_t form, std::uint8_t dir) {
    const std::uint8_t head[] = {type, form, dir, 0};
    record = vac_arg{};
    std::memcpy(&record, head, sizeof head);
  }

  vac_arg* next() {
    if (used_ ==
        records_.size()) {  // only lists can have filled it: give the last one up, ok() says so
      overflow_ = true;
      --used_;
    }
    return &records_[used_++];
  }

  std::span<vac_arg> records_;
  std::span<std::int64_t> dims_;
  std::size_t used_ = 0, dims_used_ = 0, argument_count_ = 0, resource_count_ = 0;
  bool overflow_ = false;
  bool writes_ = false;
  vac_arg* by_argument_[kMostArguments];
  vac_tensor* const* own_[kMostArguments];
  core::Resource* resources_[kMostArguments];
};

}  // namespace vac::capi
