// SPDX-License-Identifier: Apache-2.0
// Walks the records of a call in the order of the operation's table and makes typed arguments of
// them, for the generated vac::ops::...::Args::from.
#pragma once

#include <vac/detail/arg_outputs.hpp>
#include <vac/detail/arg_views.hpp>
#include <vac/detail/plugin_call.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>

namespace vac {
inline namespace plugin_api {

/// The host has checked the records against the table, so the reader does not. Each function takes
/// the next argument; the optional_ ones stand for types that end in "?".
class ArgReader {
 public:
  explicit ArgReader(const Call& call) noexcept
      : call_(call), next_(call.raw().args), states_(call.raw().resource_states) {}

  template <class T>
  T scalar() noexcept {
    return bits<T>(take());
  }
  template <class T>
  std::optional<T> optional_scalar() noexcept {
    const vac_arg& record = take();
    if (record.form == VAC_ABSENT) return std::nullopt;
    return bits<T>(record);
  }

  /// T is const but for inout.
  template <class T>
  std::span<T> array() noexcept {
    return elements<T>(take());
  }
  template <class T>
  std::optional<std::span<T>> optional_array() noexcept {
    const vac_arg& record = take();
    if (record.form == VAC_ABSENT) return std::nullopt;
    return elements<T>(record);
  }

  std::string_view text() noexcept { return record::text(take()); }
  std::optional<std::string_view> optional_text() noexcept {
    const vac_arg& record = take();
    if (record.form == VAC_ABSENT) return std::nullopt;
    return record::text(record);
  }

  template <class View>
  View tensor() noexcept {
    return record::tensor<View>(take(), meta());
  }
  template <class View>
  std::optional<View> optional_tensor() noexcept {
    const vac_arg& record = take();
    if (record.form == VAC_ABSENT) return std::nullopt;
    return record::tensor<View>(record, meta());
  }

  /// Optional or not: an absent one has its place among the states too.
  ResourceArg resource() noexcept {
    const vac_arg& record = take();
    void* state = states_ == nullptr ? nullptr : *states_++;
    if (record.form == VAC_ABSENT) return {};
    return {record.value, state};
  }

  template <class List>
  List list() noexcept {
    vac_arg& record = take();
    vac_arg* children = next_;
    next_ += record.count;
    return {children, record.count, meta()};
  }

  template <class T>
  OutScalar<T> out_scalar() noexcept {
    vac_arg& record = take();
    if (record.form == VAC_ABSENT) return {};
    return OutScalar<T>(record);
  }
  /// OutArray, OutText, OutTensor.
  template <class Out>
  Out out() noexcept {
    vac_arg& record = take();
    if (record.form == VAC_ABSENT) return {};
    return Out(OutputSlot(call_, record, index_ - 1));
  }
  OutTensors out_tensors() noexcept {
    vac_arg& record = take();
    if (record.count != VAC_ANY_COUNT) next_ += record.count;
    return {OutputSlot(call_, record, index_ - 1), record.count};
  }

 private:
  vac_arg& take() noexcept {
    ++index_;
    return *next_++;
  }
  const char* meta() const noexcept { return call_.raw().meta; }

  template <class T>
  static T bits(const vac_arg& record) noexcept {
    if constexpr (std::is_same_v<T, bool>) {
      return record.value != 0;
    } else {
      T value;
      std::memcpy(&value, &record.value, sizeof value);
      return value;
    }
  }
  template <class T>
  static std::span<T> elements(const vac_arg& record) noexcept {
    return {static_cast<T*>(record::pointer(record)), record.bytes / sizeof(T)};
  }

  const Call& call_;
  vac_arg* next_;
  void** states_;
  std::uint32_t index_ = 0;  // of the argument after the one taken last
};

}  // namespace plugin_api
}  // namespace vac
