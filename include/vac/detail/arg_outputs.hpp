// SPDX-License-Identifier: Apache-2.0
// What a plugin's handler writes. An output of known room is written in place, any other in room
// that the host gives. All are handles: cheap to copy, used within their call. `if (out)` tells
// whether the caller wants an optional output; writing one that he does not want does nothing.
#pragma once

#include <vac/plugin.h>
#include <vac/detail/plugin_call.hpp>
#include <vac/result.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace vac {
inline namespace plugin_api {

/// The code of a C++ element type. std::uint16_t is u16; half-precision types are named explicitly.
template <class T>
constexpr std::uint8_t type_code() noexcept {
  if constexpr (std::is_same_v<T, bool>)
    return VAC_BOOL;
  else if constexpr (std::is_same_v<T, float>)
    return VAC_F32;
  else if constexpr (std::is_same_v<T, double>)
    return VAC_F64;
  else if constexpr (std::is_same_v<T, vac_c64>)
    return VAC_C64;
  else if constexpr (std::is_same_v<T, vac_c128>)
    return VAC_C128;
  else {
    static_assert(std::is_integral_v<T>, "no element type of vAccel");
    constexpr std::uint8_t kSigned = sizeof(T) == 1   ? VAC_I8
                                     : sizeof(T) == 2 ? VAC_I16
                                     : sizeof(T) == 4 ? VAC_I32
                                                      : VAC_I64;
    return std::is_signed_v<T> ? kSigned : static_cast<std::uint8_t>(kSigned + (VAC_U8 - VAC_I8));
  }
}

/// Where an output lies: its record, and its index in the operation's table.
class OutputSlot {
 public:
  OutputSlot() = default;
  OutputSlot(const Call& call, vac_arg& record, std::uint32_t index) noexcept
      : call_(&call), record_(&record), index_(index), capacity_(record.bytes) {}

  explicit operator bool() const noexcept { return record_ != nullptr; }
  vac_arg& record() const noexcept { return *record_; }
  /// Bytes that the caller has room for; VAC_ANY_BYTES where any size will do.
  std::uint64_t capacity() const noexcept { return capacity_; }

  /// Room for an array of that size, in place where the caller's is large enough.
  Result<void*> array(std::uint64_t bytes) const {
    if (record_->where == VAC_WHERE_INLINE && capacity_ != VAC_ANY_BYTES && bytes <= capacity_) {
      record_->bytes = bytes;
      return reinterpret_cast<void*>(static_cast<std::uintptr_t>(record_->value));
    }
    VAC_TRY(void* room, ask(0, bytes, record_->type, {}));
    record_->bytes = bytes;
    return room;
  }

  /// Room that the host finds: for tensors, and for arrays that do not fit.
  Result<void*> ask(std::uint32_t child, std::uint64_t bytes, std::uint8_t type,
                    std::span<const std::int64_t> dims) const {
    if (dims.size() > VAC_MAX_RANK) {
      return Error{Errc::invalid, "an output has " + std::to_string(dims.size()) +
                                      " dimensions, a tensor has at most 8"};
    }
    void* room = call_->host().output(&call_->raw(), index_, child, bytes, type,
                                      static_cast<std::uint8_t>(dims.size()), dims.data());
    if (room == nullptr && bytes != 0) {
      return Error{Errc::no_memory,
                   "no memory for an output of " + std::to_string(bytes) + " bytes"};
    }
    return room;
  }

  /// The bytes of a tensor with elements of that width.
  static Result<std::uint64_t> tensor_bytes(std::span<const std::int64_t> dims,
                                            std::uint64_t width) {
    std::uint64_t bytes = width;
    for (const std::int64_t dim : dims) {
      if (dim < 0 || __builtin_mul_overflow(bytes, static_cast<std::uint64_t>(dim), &bytes)) {
        return Error{Errc::invalid, "an output has a dimension of " + std::to_string(dim)};
      }
    }
    return bytes;
  }

 private:
  const Call* call_ = nullptr;
  vac_arg* record_ = nullptr;
  std::uint32_t index_ = 0;
  std::uint64_t capacity_ = 0;
};

/// A number.
template <class T>
class OutScalar {
 public:
  OutScalar() = default;
  explicit OutScalar(vac_arg& record) noexcept : record_(&record) {}

  explicit operator bool() const noexcept { return record_ != nullptr; }
  void set(T value) const noexcept {
    if (record_ == nullptr) return;
    record_->value = 0;
    std::memcpy(&record_->value, &value, sizeof value);
  }

 private:
  vac_arg* record_ = nullptr;
};

/// An array of numbers, or bytes.
template <class T>
class OutArray {
 public:
  OutArray() = default;
  explicit OutArray(OutputSlot slot) noexcept : slot_(slot) {}

  explicit operator bool() const noexcept { return static_cast<bool>(slot_); }
  /// Elements that the caller has room for; nothing where any number will do.
  std::optional<std::size_t> capacity() const noexcept {
    if (!slot_ || slot_.capacity() == VAC_ANY_BYTES) return std::nullopt;
    return slot_.capacity() / sizeof(T);
  }
  /// Sets the number of elements and returns where to write them. Call it once.
  Result<std::span<T>> resize(std::size_t count) const {
    if (!slot_) return std::span<T>();
    if (count > std::numeric_limits<std::size_t>::max() / sizeof(T)) {
      return Error{Errc::invalid,
                   "an output of " + std::to_string(count) + " elements is too large"};
    }
    VAC_TRY(void* room, slot_.array(count * sizeof(T)));
    return std::span<T>(static_cast<T*>(room), count);
  }
  /// Sets the whole array.
  Status assign(std::span<const T> elements) const {
    if (!slot_) return {};
    VAC_TRY(const std::span<T> room, resize(elements.size()));
    if (!elements.empty()) std::memcpy(room.data(), elements.data(), elements.size_bytes());
    return {};
  }

 private:
  OutputSlot slot_;
};

using OutBytes = OutArray<std::byte>;

/// Text, UTF-8 without NUL.
class OutText {
 public:
  OutText() = default;
  explicit OutText(OutputSlot slot) noexcept : chars_(slot) {}

  explicit operator bool() const noexcept { return static_cast<bool>(chars_); }
  Status assign(std::string_view text) const { return chars_.assign({text.data(), text.size()}); }

 private:
  OutArray<char> chars_;
};

/// The children of an output list of tensors; a single tensor is child 0 of its own record.
class OutTensors {
 public:
  OutTensors() = default;
  OutTensors(OutputSlot slot, std::uint32_t wanted) noexcept : slot_(slot), wanted_(wanted) {}

  /// How many tensors the caller has room for; nothing where any number will do.
  std::optional<std::uint32_t> wanted() const noexcept {
    if (wanted_ == VAC_ANY_COUNT) return std::nullopt;
    return wanted_;
  }
  /// Makes tensor number `child`, in any order, each once; the highest number tells how many there
  /// are. T is its element type.
  template <class T>
  Result<std::span<T>> create(std::uint32_t child, std::span<const std::int64_t> dims) const {
    VAC_TRY(const std::uint64_t bytes, OutputSlot::tensor_bytes(dims, sizeof(T)));
    VAC_TRY(void* room, create(child, type_code<T>(), dims, bytes));
    return std::span<T>(static_cast<T*>(room), bytes / sizeof(T));
  }
  template <class T>
  Result<std::span<T>> create(std::uint32_t child, std::initializer_list<std::int64_t> dims) const {
    return create<T>(child, std::span(dims.begin(), dims.size()));
  }
  /// The same for an element type known at run time; bytes must fit the shape.
  Result<void*> create(std::uint32_t child, std::uint8_t type, std::span<const std::int64_t> dims,
                       std::uint64_t bytes) const {
    return slot_.ask(child, bytes, type, dims);
  }

 private:
  OutputSlot slot_;
  std::uint32_t wanted_ = 0;
};

/// One tensor.
class OutTensor {
 public:
  OutTensor() = default;
  explicit OutTensor(OutputSlot slot) noexcept : present_(true), tensors_(slot, 1) {}

  explicit operator bool() const noexcept { return present_; }
  /// Call one of these once, and only where the caller wants the tensor.
  template <class T>
  Result<std::span<T>> create(std::span<const std::int64_t> dims) const {
    return tensors_.create<T>(0, dims);
  }
  template <class T>
  Result<std::span<T>> create(std::initializer_list<std::int64_t> dims) const {
    return tensors_.create<T>(0, dims);
  }
  Result<void*> create(std::uint8_t type, std::span<const std::int64_t> dims,
                       std::uint64_t bytes) const {
    return tensors_.create(0, type, dims, bytes);
  }

 private:
  bool present_ = false;
  OutTensors tensors_;
};

}  // namespace plugin_api
}  // namespace vac
