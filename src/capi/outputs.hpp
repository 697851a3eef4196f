// SPDX-License-Identifier: Apache-2.0
// Where a plugin's outputs go when the caller gave no memory for them, or too little.
#pragma once

#include <vac/plugin.h>
#include <vac/result.hpp>

#include <bitset>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "capi/frame.hpp"
#include "core/call_context.hpp"

namespace vac::capi {

struct TensorDeleter {
  void operator()(vac_tensor* tensor) const noexcept { vac_tensor_free(tensor); }
};
using TensorPointer = std::unique_ptr<vac_tensor, TensorDeleter>;

/// The sink of one call. Tensors become new ones, or fill the caller's own; an array larger than
/// its caller's capacity is kept aside, so that the plugin can finish, and its size told. Confined
/// to the call.
class Outputs final : public core::OutputSink {
 public:
  explicit Outputs(const Frame& frame) : frame_(frame) {}

  void* output(vac_call& call, std::uint32_t arg, std::uint32_t child, std::uint64_t bytes,
               std::uint8_t type, std::uint8_t rank, const std::int64_t* dims) noexcept override;

  /// What went wrong in output(), which the plugin knew as "no memory" only.
  const std::optional<Error>& error() const noexcept { return error_; }
  /// The size of an output that did not fit; nothing where all fitted.
  std::optional<std::uint64_t> too_large(const vac_arg& record) const noexcept;
  /// Children of a list that came, holes included.
  std::uint32_t child_count(const vac_arg& list) const noexcept;
  /// The new tensor for a tensor record, or a list's child; nullptr: the caller's own was filled,
  /// or none came.
  TensorPointer take(const vac_arg& record, std::uint32_t child) noexcept;
  /// Something came for it.
  bool has(const vac_arg& record, std::uint32_t child) const noexcept;

 private:
  struct Entry {
    const vac_arg* record;
    std::uint32_t child;
    std::uint64_t bytes;
    TensorPointer tensor;                // new
    std::unique_ptr<std::byte[]> aside;  // an array without enough room; one of the two
  };
  /// Where own_filled_ has the caller's own tensor for a tensor record, or a list's child.
  std::size_t index(const vac_arg& record, std::uint32_t child) const noexcept {
    return static_cast<std::size_t>(&record - frame_.records().data()) +
           (record.form == VAC_LIST ? 1 + child : 0);
  }
  bool own_was_filled(const vac_arg& record, std::uint32_t child) const noexcept;
  void* give(vac_arg& record, std::uint32_t arg, std::uint32_t child, std::uint64_t bytes,
             std::uint8_t type, std::span<const std::int64_t> dims);
  void* give_array(vac_arg& record, std::uint64_t bytes);
  void* give_tensor(const vac_tensor* own, const vac_arg& record, std::uint32_t child,
                    std::uint64_t bytes, std::uint8_t type, std::span<const std::int64_t> dims);
  const Entry* find(const vac_arg& record, std::uint32_t child) const noexcept;

  const Frame& frame_;
  std::vector<Entry> entries_;
  std::bitset<VAC_MAX_RECORDS>
      own_filled_;  // a bit a record: a call with own tensors allocates nothing
  std::optional<Error> error_;
};

}  // namespace vac::capi
