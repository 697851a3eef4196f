// SPDX-License-Identifier: Apache-2.0
// Calls made by hand: records, shapes, and the memory that the records point to.
#pragma once

#include <vac/plugin.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace vac::plugin_check {

/// Adds one record after the other. Data is copied into memory of its own, each piece of exactly
/// its size, so that a sanitizer sees every access beside it. Moved, never copied.
class BuiltCall {
 public:
  explicit BuiltCall(std::uint32_t op) : op_(op) {}

  BuiltCall& absent(std::uint8_t type, std::uint8_t dir);
  /// `tag` is for children of any[].
  BuiltCall& scalar(std::uint8_t type, std::uint64_t bits, std::uint8_t dir = VAC_IN,
                    std::uint32_t tag = 0);
  BuiltCall& out_scalar(std::uint8_t type);
  BuiltCall& resource(std::uint64_t id);
  BuiltCall& array(std::uint8_t type, std::span<const std::byte> data, std::uint8_t dir = VAC_IN,
                   std::uint32_t tag = 0);
  template <class T>
  BuiltCall& array(std::uint8_t type, const std::vector<T>& data, std::uint8_t dir = VAC_IN) {
    return array(type, std::as_bytes(std::span<const T>(data)), dir);
  }
  BuiltCall& string(std::string_view text, std::uint8_t dir = VAC_IN, std::uint32_t tag = 0);
  BuiltCall& bytes(std::string_view data);
  /// An output without memory.
  BuiltCall& out_array(std::uint8_t type, std::uint64_t capacity);
  /// An output with memory, which is zero.
  BuiltCall& out_array_in_place(std::uint8_t type, std::uint64_t capacity);
  BuiltCall& tensor(std::uint8_t type, const std::vector<std::int64_t>& dims,
                    std::span<const std::byte> data, std::uint8_t dir = VAC_IN,
                    std::uint32_t tag = 0);
  BuiltCall& out_tensor(std::uint64_t capacity);
  /// The next `count` records are its children.
  BuiltCall& list(std::uint8_t dir, std::uint32_t count);

  /// Until the next record is added.
  vac_call& call();
  std::vector<vac_arg>& records() { return records_; }
  std::span<const char> meta() const;

 private:
  vac_arg& add(std::uint8_t type, std::uint8_t form, std::uint8_t dir);
  std::uint64_t keep(std::span<const std::byte> data);

  std::uint32_t op_;
  std::vector<vac_arg> records_;
  std::vector<std::int64_t> dims_;
  std::vector<std::unique_ptr<std::byte[]>> memory_;
  vac_call call_{};
};

}  // namespace vac::plugin_check
