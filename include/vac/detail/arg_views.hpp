// SPDX-License-Identifier: Apache-2.0
// What a plugin's handler reads: views of tensors, lists and resources over the records of its
// call. Nothing is copied or allocated, and nothing of it may be kept after the call. The host has
// checked the records before it submits a call.
#pragma once

#include <vac/call.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <span>
#include <string_view>
#include <type_traits>

namespace vac {
// An inline namespace of its own keeps these names apart from the core's where both are linked into
// one program.
inline namespace plugin_api {

/// A tensor of the caller: contiguous, row-major. `Data` is const void, or void where it may be
/// changed in place.
template <class Data>
struct BasicTensorView {
  std::uint8_t type = VAC_NONE;  ///< enum vac_type
  std::span<const std::int64_t> dims;
  Data* data = nullptr;
  std::uint64_t bytes = 0;

  /// The elements. T must be of the width of `type`; a tail that is no whole element is left out.
  template <class T>
  auto as() const {
    using Element = std::conditional_t<std::is_const_v<Data>, const T, T>;
    return std::span<Element>(static_cast<Element*>(data), bytes / sizeof(T));
  }
};

using TensorView = BasicTensorView<const void>;
using MutableTensorView = BasicTensorView<void>;

/// A resource argument and the state that the plugin's attach made for it.
class ResourceArg {
 public:
  ResourceArg() = default;
  ResourceArg(std::uint64_t id, void* state) : id_(id), state_(state), present_(true) {}

  /// False where an optional resource is absent.
  explicit operator bool() const noexcept { return present_; }
  std::uint64_t id() const noexcept { return id_; }
  /// What attach returned; T must be its type. Only where the plugin has an attach.
  template <class T>
  T& state() const noexcept {
    return *static_cast<T*>(state_);
  }

 private:
  std::uint64_t id_ = 0;
  void* state_ = nullptr;
  bool present_ = false;
};

namespace record {

/// In memory the value of anything but a scalar is a pointer.
inline void* pointer(const vac_arg& record) noexcept {
  return reinterpret_cast<void*>(static_cast<std::uintptr_t>(record.value));
}

inline std::span<const std::int64_t> dims(const vac_arg& record, const char* meta) noexcept {
  if (record.rank == 0) return {};
  return {reinterpret_cast<const std::int64_t*>(meta + record.meta), record.rank};
}

inline std::string_view text(const vac_arg& record) noexcept {
  return {static_cast<const char*>(pointer(record)), static_cast<std::size_t>(record.bytes)};
}

template <class View>
View tensor(const vac_arg& record, const char* meta) noexcept {
  return {record.type, dims(record, meta), pointer(record), record.bytes};
}

/// The width of a scalar's bits; 0 for what has none.
constexpr std::uint64_t scalar_bytes(std::uint8_t type) noexcept {
  constexpr std::uint8_t kBytes[] = {0, 1, 1, 2, 4, 8, 1, 2, 4, 8, 2, 2, 4, 8, 8};
  return type < sizeof kBytes ? kBytes[type] : 0;
}

/// A leaf of an any[]; that of a scalar points into the record.
inline vac_value value(vac_arg& record, const char* meta) noexcept {
  const bool scalar = record.form == VAC_SCALAR;
  return {record.type,
          record.form,
          record.rank,
          0,
          record.count,
          scalar ? static_cast<void*>(&record.value) : pointer(record),
          scalar ? scalar_bytes(record.type) : record.bytes,
          dims(record, meta).data()};
}

}  // namespace record

/// A list argument: as many leaves as it has records. Traits::view makes what an element looks
/// like.
template <class Traits>
class RecordList {
 public:
  using value_type = typename Traits::View;

  RecordList() = default;
  RecordList(vac_arg* first, std::uint32_t count, const char* meta)
      : first_(first), count_(count), meta_(meta) {}

  std::size_t size() const noexcept { return count_; }
  bool empty() const noexcept { return count_ == 0; }
  value_type operator[](std::size_t i) const noexcept { return Traits::view(first_[i], meta_); }

  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = typename Traits::View;
    using difference_type = std::ptrdiff_t;
    using pointer = void;
    using reference = value_type;

    Iterator() = default;
    Iterator(vac_arg* at, const char* meta) : at_(at), meta_(meta) {}
    value_type operator*() const noexcept { return Traits::view(*at_, meta_); }
    Iterator& operator++() noexcept { return ++at_, *this; }
    Iterator operator++(int) noexcept { return {at_++, meta_}; }
    bool operator==(const Iterator& other) const noexcept { return at_ == other.at_; }

   private:
    vac_arg* at_ = nullptr;
    const char* meta_ = nullptr;
  };
  Iterator begin() const noexcept { return {first_, meta_}; }
  Iterator end() const noexcept { return {first_ + count_, meta_}; }

 private:
  vac_arg* first_ = nullptr;
  std::uint32_t count_ = 0;
  const char* meta_ = nullptr;
};

struct StringTraits {
  using View = std::string_view;
  static View view(const vac_arg& record, const char* /*meta*/) noexcept {
    return record::text(record);
  }
};
template <class TheView>
struct TensorTraits {
  using View = TheView;
  static View view(const vac_arg& record, const char* meta) noexcept {
    return record::tensor<View>(record, meta);
  }
};
struct ValueTraits {
  using View = vac_value;
  static View view(vac_arg& record, const char* meta) noexcept {
    return record::value(record, meta);
  }
};

using StringList = RecordList<StringTraits>;
using TensorList = RecordList<TensorTraits<TensorView>>;
using MutableTensorList = RecordList<TensorTraits<MutableTensorView>>;
/// The data of an `in any[]` is read only, that of an `inout any[]` is changed in place.
using ValueList = RecordList<ValueTraits>;

}  // namespace plugin_api
}  // namespace vac
