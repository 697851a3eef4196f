// SPDX-License-Identifier: Apache-2.0
// Calls that this plugin makes on its own behalf: the control operations of docs/protocol.md.
#pragma once

#include <vac/plugin.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace vac::remote {

enum class Control : std::uint32_t {
  ping = 1,
  resource_add = 2,
  resource_open = 3,
  resource_data = 4,
  resource_drop = 5,
  region_open = 7,
  region_ready = 8,
  region_drop = 9,
  caller_processor = 11,
};

/// One such call and its records. The arguments are given in the order of the operation's table;
/// what they point to must stay until the call is done. Stays at its address.
class ControlCall {
 public:
  /// On behalf of another call: with its deadline, its trace, and what may interrupt or cancel it.
  ControlCall(Control op, const vac_call& parent) noexcept : ControlCall(op, parent.deadline_ns) {
    call_.flags = parent.flags;
    call_.host_priv = parent.host_priv;
    std::memcpy(call_.trace, parent.trace, sizeof call_.trace);
  }
  ControlCall(Control op, std::int64_t deadline_ns) noexcept {
    call_.struct_size = sizeof call_;
    call_.op = static_cast<std::uint32_t>(op);
    call_.slot = VAC_NO_SLOT;
    call_.deadline_ns = deadline_ns;
    call_.args = args_.data();
  }
  ControlCall(const ControlCall&) = delete;
  ControlCall& operator=(const ControlCall&) = delete;

  void in_u32(std::uint32_t value) noexcept { add(VAC_U32, VAC_SCALAR, VAC_IN).value = value; }
  void in_u64(std::uint64_t value) noexcept { add(VAC_U64, VAC_SCALAR, VAC_IN).value = value; }
  void in_text(std::string_view text) noexcept {
    point(add(VAC_CHAR, VAC_ARRAY, VAC_IN), text.data(), text.size());
  }
  void in_bytes(const void* data, std::size_t bytes) noexcept {
    point(add(VAC_BYTE, VAC_ARRAY, VAC_IN), data, bytes);
  }
  void out_u32() noexcept { add(VAC_U32, VAC_SCALAR, VAC_OUT); }
  void out_u64() noexcept { add(VAC_U64, VAC_SCALAR, VAC_OUT); }
  void out_u32s(std::span<std::uint32_t> room) noexcept {
    point(add(VAC_U32, VAC_ARRAY, VAC_OUT), room.data(), room.size_bytes());
  }
  void out_text(std::span<char> room) noexcept {
    point(add(VAC_CHAR, VAC_ARRAY, VAC_OUT), room.data(), room.size());
  }

  vac_call& call() noexcept { return call_; }
  /// After the call: the value of a scalar, the size of an array.
  std::uint64_t value(std::size_t argument) const noexcept { return args_[argument].value; }
  std::uint64_t bytes(std::size_t argument) const noexcept { return args_[argument].bytes; }

 private:
  static constexpr std::size_t kMostArguments = 6;

  vac_arg& add(std::uint8_t type, std::uint8_t form, std::uint8_t dir) noexcept {
    vac_arg& arg = args_[call_.arg_count++];
    arg.type = type;
    arg.form = form;
    arg.dir = dir;
    return arg;
  }
  static void point(vac_arg& arg, const void* data, std::size_t bytes) noexcept {
    arg.value = reinterpret_cast<std::uintptr_t>(data);
    arg.bytes = bytes;
  }

  std::array<vac_arg, kMostArguments> args_{};
  vac_call call_{};
};

}  // namespace vac::remote
