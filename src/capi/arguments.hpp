// SPDX-License-Identifier: Apache-2.0
// One adapter for each way in which a C function takes an argument: it writes the argument's
// records, and after the call tells the caller what came. src/generated/ops_capi.cpp names them.
//
// Each has put(), which may refuse what it was given; room(), which fails where an output did not
// fit and says the size needed; and give(), which hands over and cannot fail. Nothing is handed
// over before every output has room.
#pragma once

#include <vac/call.h>
#include <vac/result.hpp>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>

#include "base/text.hpp"
#include "base/utf8.hpp"
#include "call/check.hpp"
#include "call/types.hpp"
#include "capi/frame.hpp"
#include "capi/outputs.hpp"

namespace vac::capi {

inline std::uint64_t pointer_bits(const void* pointer) noexcept {
  return reinterpret_cast<std::uintptr_t>(pointer);
}

template <class T>
std::uint64_t scalar_bits(const T& value) noexcept {
  static_assert(sizeof(T) <= 8);
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  return bits;
}

/// What most adapters have in common. kLists, kShapes: how much of the frame's room it may need.
struct Argument {
  static constexpr bool kList = false;
  static constexpr std::size_t kShapes = 0;
  static Status room(const Outputs&) { return {}; }
  static void give(Outputs&) {}
};

struct Absent {
  std::uint8_t type, dir;
  void put(Frame& frame) const { frame.argument(type, VAC_ABSENT, dir); }
};

// The texts below follow "argument 'name' ".

[[gnu::cold, gnu::noinline]] inline Status is_null() { return Error{Errc::invalid, "is NULL"}; }
[[gnu::cold, gnu::noinline]] inline Status is_null(std::size_t count) {
  return Error{Errc::invalid, concat("is NULL and has a size of ", count)};
}
[[gnu::cold, gnu::noinline]] inline Status is_null_item(std::size_t index) {
  return Error{Errc::invalid, concat("has NULL as item ", index)};
}
[[gnu::cold, gnu::noinline]] inline Status is_too_large(std::size_t count) {
  return Error{Errc::too_large, concat("has a size of ", count, ", more than memory can have")};
}
[[gnu::cold, gnu::noinline]] inline Status is_no_text() {
  return Error{Errc::invalid, "is not UTF-8"};
}
[[gnu::cold, gnu::noinline]] inline Status is_no_text(std::size_t index) {
  return Error{Errc::invalid, concat("item ", index, " is not UTF-8, or has a zero byte in it")};
}

/// Bytes of an array of `count` elements, into `bytes`. False: no memory is as large.
inline bool array_size(std::size_t count, std::uint32_t width, std::uint64_t& bytes) noexcept {
  return !__builtin_mul_overflow(std::uint64_t{count}, std::uint64_t{width}, &bytes) &&
         bytes <= std::uint64_t{PTRDIFF_MAX};
}

// --- Scalars

template <std::uint8_t kType, class T>
struct ScalarIn : Argument {
  const T* value;
  T copy;
  Status put(Frame& frame) const {
    if (value == nullptr) {
      frame.argument(kType, VAC_ABSENT, VAC_IN);
    } else {
      frame.argument(kType, VAC_SCALAR, VAC_IN).value = scalar_bits(copy);
    }
    return {};
  }
};

template <std::uint8_t kType, class T>
struct ScalarOut : Argument {
  T* to;
  bool optional;
  vac_arg* record = nullptr;
  Status put(Frame& frame) {
    if (to == nullptr && !optional) return is_null();
    record = &frame.argument(kType, to == nullptr ? VAC_ABSENT : VAC_SCALAR, VAC_OUT);
    return {};
  }
  void give(Outputs&) {
    if (to != nullptr) std::memcpy(to, &record->value, sizeof *to);
  }
};

template <std::uint8_t kType, class T>
ScalarIn<kType, T> in_scalar(T value) {
  static const T kPresent{};
  return {{}, &kPresent, value};
}
template <std::uint8_t kType, class T>
ScalarIn<kType, T> optional_scalar(const T* value) {
  return {{}, value, value == nullptr ? T{} : *value};
}
template <std::uint8_t kType, class T>
ScalarOut<kType, T> out_scalar(T* to) {
  return {{}, to, false};
}
template <std::uint8_t kType, class T>
ScalarOut<kType, T> optional_out_scalar(T* to) {
  return {{}, to, true};
}

// --- Arrays, text, bytes

/// In and inout. (nullptr, 0) is absent where that is allowed, else empty.
struct ArrayIn : Argument {
  std::uint8_t type, dir;
  bool optional;
  const void* data;
  std::size_t count;
  [[gnu::always_inline]] Status put(Frame& frame) const {
    if (data == nullptr && count != 0) return is_null(count);
    if (data == nullptr && optional) {
      frame.argument(type, VAC_ABSENT, dir);
      return {};
    }
    vac_arg& record = frame.argument(type, VAC_ARRAY, dir);
    record.value = pointer_bits(data);
    if (!array_size(count, element_bytes(type), record.bytes)) return is_too_large(count);
    if (dir != VAC_IN) frame.writes_to(data);
    return {};
  }
};

/// `capacity` and `count` are in elements. Text gets a NUL behind it, for which it needs room.
struct ArrayOut : Argument {
  std::uint8_t type;
  bool optional, text;
  void* to;
  std::size_t capacity;
  std::size_t* count;
  vac_arg* record = nullptr;

  bool absent() const { return optional && to == nullptr && count == nullptr; }
  std::size_t elements(std::uint64_t bytes) const {
    const std::uint32_t width = element_bytes(type);
    return width == 0 ? 0 : static_cast<std::size_t>(bytes / width);
  }
  Status put(Frame& frame) {
    if (absent()) {
      frame.argument(type, VAC_ABSENT, VAC_OUT);
      return {};
    }
    if (count == nullptr) return Error{Errc::invalid, "has no place for its size: it is NULL"};
    if (to == nullptr && capacity != 0) return is_null(capacity);
    record = &frame.argument(type, VAC_ARRAY, VAC_OUT);
    if (!array_size(capacity, element_bytes(type), record->bytes)) return is_too_large(capacity);
    if (text && capacity != 0) record->bytes -= 1;
    record->value = pointer_bits(to);
    frame.writes_to(to);
    if (to == nullptr) record->where = VAC_WHERE_NOWHERE;
    return {};
  }
  Status room(const Outputs& outputs) {
    if (absent()) return {};
    auto needed = outputs.too_large(*record);
    if (!needed && to == nullptr) needed = 0;  // no room was given: the size is what was asked for
    if (text && !needed && capacity == 0) needed = 0;
    if (!needed || (*needed == 0 && !text)) return {};
    *count = elements(*needed) + (text ? 1 : 0);
    return Error{Errc::no_space,
                 concat("needs a capacity of ", *count, ", ", capacity, " was given")};
  }
  void give(Outputs&) {
    if (absent()) return;
    const std::size_t length = to == nullptr ? 0 : elements(record->bytes);
    *count = length;
    if (text) static_cast<char*>(to)[length] = '\0';
  }
};

template <std::uint8_t kType, class T>
ArrayIn in_array(const T* data, std::size_t count) {
  return {{}, kType, VAC_IN, false, data, count};
}
template <std::uint8_t kType, class T>
ArrayIn optional_array(const T* data, std::size_t count) {
  return {{}, kType, VAC_IN, true, data, count};
}
template <std::uint8_t kType, class T>
ArrayIn inout_array(T* data, std::size_t count) {
  return {{}, kType, VAC_INOUT, false, data, count};
}
template <std::uint8_t kType, class T>
ArrayIn optional_inout_array(T* data, std::size_t count) {
  return {{}, kType, VAC_INOUT, true, data, count};
}
template <std::uint8_t kType, class T>
ArrayOut out_array(T* to, std::size_t capacity, std::size_t* count) {
  return {{}, kType, false, false, to, capacity, count};
}
template <std::uint8_t kType, class T>
ArrayOut optional_out_array(T* to, std::size_t capacity, std::size_t* count) {
  return {{}, kType, true, false, to, capacity, count};
}
inline ArrayIn in_bytes(const void* data, std::size_t bytes) {
  return {{}, VAC_BYTE, VAC_IN, false, data, bytes};
}
inline ArrayIn optional_bytes(const void* data, std::size_t bytes) {
  return {{}, VAC_BYTE, VAC_IN, true, data, bytes};
}
inline ArrayOut out_bytes(void* to, std::size_t capacity, std::size_t* bytes) {
  return {{}, VAC_BYTE, false, false, to, capacity, bytes};
}
inline ArrayOut optional_out_bytes(void* to, std::size_t capacity, std::size_t* bytes) {
  return {{}, VAC_BYTE, true, false, to, capacity, bytes};
}
inline ArrayOut out_string(char* to, std::size_t capacity, std::size_t* bytes) {
  return {{}, VAC_CHAR, false, true, to, capacity, bytes};
}
inline ArrayOut optional_out_string(char* to, std::size_t capacity, std::size_t* bytes) {
  return {{}, VAC_CHAR, true, true, to, capacity, bytes};
}

struct StringIn : Argument {
  const char* text;
  bool optional;
  Status put(Frame& frame) const {
    if (text == nullptr && !optional) return is_null();
    const std::size_t bytes = text == nullptr ? 0 : std::strlen(text);
    if (!valid_utf8(std::string_view(text, bytes))) return is_no_text();
    const ArrayIn array{{}, VAC_CHAR, VAC_IN, true, text, bytes};
    return array.put(frame);
  }
};
inline StringIn in_string(const char* text) { return {{}, text, false}; }
inline StringIn optional_string(const char* text) { return {{}, text, true}; }

// --- Resources and tensors

struct ResourceIn : Argument {
  vac_resource* resource;
  bool optional;
  Status put(Frame& frame) const {
    if (resource == nullptr && !optional) return is_null();
    vac_arg& record =
        frame.argument(VAC_RESOURCE, resource == nullptr ? VAC_ABSENT : VAC_SCALAR, VAC_IN);
    core::Resource* const core = resource == nullptr ? nullptr : resource->core.load();
    if (resource != nullptr && core == nullptr) {
      return Error{Errc::bad_handle, "is a resource that is closed"};
    }
    if (resource != nullptr) record.value = pointer_bits(resource);
    frame.resource(core);
    return {};
  }
};
inline ResourceIn in_resource(vac_resource* resource) { return {{}, resource, false}; }
inline ResourceIn optional_resource(vac_resource* resource) { return {{}, resource, true}; }

/// Whether the elements are sound; of strings the caller's own memory tells where they end.
inline bool sound_elements(const vac_tensor& tensor) noexcept {
  if (tensor.type != VAC_STRING) return true;
  const auto count = element_count(tensor.shape());
  return count && string_elements_fit({static_cast<const std::byte*>(tensor.data),
                                       static_cast<std::size_t>(tensor.bytes)},
                                      *count);
}

inline void fill_tensor(Frame& frame, vac_arg& record, const vac_tensor& tensor) {
  record.type = tensor.type;
  record.value = pointer_bits(tensor.data);
  record.bytes = tensor.bytes;
  frame.shape(record, tensor.shape());
  if (record.dir != VAC_IN) frame.writes_to(tensor.data);
}

[[gnu::cold, gnu::noinline]] inline Status bad_elements() {
  return Error{Errc::invalid, "has strings whose ends are not in order, or outside of it"};
}

struct TensorIn : Argument {
  static constexpr std::size_t kShapes = 1;
  const vac_tensor* tensor;
  std::uint8_t dir;
  bool optional;
  Status put(Frame& frame) const {
    if (tensor == nullptr && !optional) return is_null();
    if (tensor != nullptr && !sound_elements(*tensor)) return bad_elements();
    vac_arg& record = frame.argument(VAC_NONE, tensor == nullptr ? VAC_ABSENT : VAC_TENSOR, dir);
    if (tensor != nullptr) fill_tensor(frame, record, *tensor);
    return {};
  }
};
inline TensorIn in_tensor(const vac_tensor* tensor) { return {{}, tensor, VAC_IN, false}; }
inline TensorIn optional_tensor(const vac_tensor* tensor) { return {{}, tensor, VAC_IN, true}; }
inline TensorIn inout_tensor(vac_tensor* tensor) { return {{}, tensor, VAC_INOUT, false}; }
inline TensorIn optional_inout_tensor(vac_tensor* tensor) { return {{}, tensor, VAC_INOUT, true}; }

/// An output's record: the caller's own memory, or none yet.
inline void fill_output(Frame& frame, vac_arg& record, const vac_tensor* own) {
  if (own != nullptr) frame.writes_to(own->data);
  record.where = own == nullptr ? VAC_WHERE_NOWHERE : VAC_WHERE_INLINE;
  record.value = own == nullptr ? 0 : pointer_bits(own->data);
  record.bytes = own == nullptr ? VAC_ANY_BYTES : own->bytes;
}

struct TensorOut : Argument {
  vac_tensor** to;
  bool optional;
  vac_arg* record = nullptr;
  Status put(Frame& frame) {
    if (to == nullptr && !optional) return is_null();
    record = &frame.argument(VAC_NONE, to == nullptr ? VAC_ABSENT : VAC_TENSOR, VAC_OUT);
    if (to == nullptr) return {};
    frame.own_tensors(to);
    fill_output(frame, *record, *to);
    return {};
  }
  Status room(const Outputs& outputs) const {
    if (to == nullptr || outputs.has(*record, 0)) return {};
    return Error{Errc::failed, "was not made by the plugin"};
  }
  void give(Outputs& outputs) {
    if (to == nullptr) return;
    if (TensorPointer made = outputs.take(*record, 0)) *to = made.release();
  }
};
inline TensorOut out_tensor(vac_tensor** to) { return {{}, to, false}; }
inline TensorOut optional_out_tensor(vac_tensor** to) { return {{}, to, true}; }

// --- Lists

struct ListArgument : Argument {
  static constexpr bool kList = true;
};

inline Status check_list(const void* items, std::size_t count) {
  if (items == nullptr && count != 0) return is_null(count);
  if (count >= VAC_MAX_RECORDS) {
    return Error{Errc::too_large, concat("has ", count, " items, a call has room for ",
                                         VAC_MAX_RECORDS, " records")};
  }
  return {};
}

struct StringsIn : ListArgument {
  const char* const* texts;
  std::size_t count;
  Status put(Frame& frame) const {
    VAC_CHECK(check_list(texts, count));
    frame.argument(VAC_NONE, VAC_LIST, VAC_IN).count = static_cast<std::uint32_t>(count);
    for (std::size_t i = 0; i < count; ++i) {
      if (texts[i] == nullptr) return is_null_item(i);
      if (!valid_utf8(texts[i])) return is_no_text(i);
      vac_arg* record = frame.child(VAC_CHAR, VAC_ARRAY, VAC_IN);
      if (record == nullptr) return {};
      record->value = pointer_bits(texts[i]);
      record->bytes = std::strlen(texts[i]);
    }
    return {};
  }
};
inline StringsIn in_strings(const char* const* texts, std::size_t count) {
  return {{}, texts, count};
}

struct TensorsIn : ListArgument {
  vac_tensor* const* tensors;
  std::size_t count;
  std::uint8_t dir;
  Status put(Frame& frame) const {
    VAC_CHECK(check_list(tensors, count));
    frame.argument(VAC_NONE, VAC_LIST, dir).count = static_cast<std::uint32_t>(count);
    for (std::size_t i = 0; i < count; ++i) {
      if (tensors[i] == nullptr) return is_null_item(i);
      if (!sound_elements(*tensors[i])) return bad_elements();
      vac_arg* record = frame.child(VAC_NONE, VAC_TENSOR, dir);
      if (record == nullptr) return {};
      fill_tensor(frame, *record, *tensors[i]);
    }
    return {};
  }
};
inline TensorsIn in_tensors(vac_tensor* const* tensors, std::size_t count) {
  return {{}, tensors, count, VAC_IN};
}
inline TensorsIn inout_tensors(vac_tensor* const* tensors, std::size_t count) {
  return {{}, tensors, count, VAC_INOUT};
}

struct TensorsOut : ListArgument {
  vac_tensor** to;
  std::size_t capacity;
  std::size_t* count;
  vac_arg* record = nullptr;
  Status put(Frame& frame) {
    VAC_CHECK(check_list(to, capacity));
    if (count == nullptr) return Error{Errc::invalid, "has no place for its size: it is NULL"};
    record = &frame.argument(VAC_NONE, VAC_LIST, VAC_OUT);
    record->count = VAC_ANY_COUNT;
    if (std::all_of(to, to + capacity, [](const vac_tensor* own) { return own == nullptr; }))
      return {};
    record->count = static_cast<std::uint32_t>(capacity);
    frame.own_tensors(to);
    for (std::size_t i = 0; i < capacity; ++i) {
      vac_arg* child = frame.child(VAC_NONE, VAC_TENSOR, VAC_OUT);
      if (child == nullptr) return {};
      fill_output(frame, *child, to[i]);
    }
    return {};
  }
  Status room(const Outputs& outputs) {
    const std::uint32_t came = outputs.child_count(*record);
    for (std::uint32_t i = 0; i < came; ++i) {
      if (!outputs.has(*record, i)) {
        return Error{Errc::failed,
                     concat("has no item ", i, ": the plugin made ", came, " and left it out")};
      }
    }
    if (came <= capacity) return {};
    *count = came;
    return Error{Errc::no_space, concat("has ", came, " items, room for ", capacity, " was given")};
  }
  void give(Outputs& outputs) {
    const std::uint32_t came = outputs.child_count(*record);
    for (std::uint32_t i = 0; i < came; ++i) {
      if (TensorPointer made = outputs.take(*record, i)) to[i] = made.release();
    }
    *count = came;
  }
};
inline TensorsOut out_tensors(vac_tensor** to, std::size_t capacity, std::size_t* count) {
  return {{}, to, capacity, count};
}

[[gnu::cold, gnu::noinline]] inline Status bad_value(std::size_t index, std::string_view why) {
  return Error{Errc::invalid, concat("item ", index, " ", why)};
}

/// What the records' own check does not see.
inline Status check_value(const vac_value& value, std::size_t index) {
  if (value.rank > VAC_MAX_RANK) {
    return bad_value(index, concat("has a rank above ", VAC_MAX_RANK));
  }
  if (value.rank != 0 && value.dims == nullptr) return bad_value(index, "has dims that are NULL");
  if (value.form == VAC_SCALAR) {
    const bool fits = is_number(value.type) && value.type != VAC_C128;
    if (!fits) return bad_value(index, concat("is no scalar of type ", type_name(value.type)));
    return value.data == nullptr ? bad_value(index, "has data that is NULL") : Status{};
  }
  if (value.data == nullptr && value.bytes != 0) return bad_value(index, "has data that is NULL");
  if (value.bytes > std::uint64_t{PTRDIFF_MAX}) {
    return bad_value(index, concat("has a size of ", value.bytes, ", more than memory can have"));
  }
  const std::string_view text(static_cast<const char*>(value.data),
                              static_cast<std::size_t>(value.bytes));
  if (value.form == VAC_ARRAY && value.type == VAC_CHAR &&
      (!valid_utf8(text) || text.find('\0') != std::string_view::npos)) {
    return is_no_text(index);
  }
  return {};
}

struct Values : ListArgument {
  const vac_value* values;
  vac_value* changed;  // nullptr: inputs, or an empty list
  std::uint8_t dir;
  std::size_t count;
  vac_arg* list = nullptr;

  Status put(Frame& frame) {
    VAC_CHECK(check_list(values, count));
    list = &frame.argument(VAC_NONE, VAC_LIST, dir);
    list->count = static_cast<std::uint32_t>(count);
    for (std::size_t i = 0; i < count; ++i) {
      const vac_value& value = values[i];
      VAC_CHECK(check_value(value, i));
      vac_arg* record = frame.child(value.type, value.form, dir);
      if (record == nullptr) return {};
      record->count = value.tag;
      if (value.form == VAC_SCALAR) {
        std::memcpy(&record->value, value.data, element_bytes(value.type));
        continue;
      }
      record->value = pointer_bits(value.data);
      record->bytes = value.bytes;
      if (changed != nullptr) frame.writes_to(value.data);
      if (value.form == VAC_TENSOR) frame.shape(*record, {value.dims, value.rank});
    }
    return {};
  }
  void give(Outputs&) {
    if (changed == nullptr) return;
    for (std::size_t i = 0; i < count; ++i) {
      const vac_arg& record = list[1 + i];
      if (changed[i].form == VAC_SCALAR) {
        std::memcpy(changed[i].data, &record.value, element_bytes(changed[i].type));
      } else {
        changed[i].bytes = record.bytes;
      }
    }
  }
};
inline Values in_any(const vac_value* values, std::size_t count) {
  return {{}, values, nullptr, VAC_IN, count};
}
inline Values inout_any(vac_value* values, std::size_t count) {
  return {{}, values, values, VAC_INOUT, count};
}

}  // namespace vac::capi
