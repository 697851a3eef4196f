// SPDX-License-Identifier: Apache-2.0
// Tensor: element type, shape and data, shared by its copies.
#pragma once

#include <vac/tensor.h>
#include <vac/result.hpp>

#include <complex>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace vac {

/// The element types of tensors and arrays; the values are those of `enum vac_type`.
enum class Type : std::uint8_t {
  none = VAC_NONE,
  boolean = VAC_BOOL,
  i8 = VAC_I8,
  i16 = VAC_I16,
  i32 = VAC_I32,
  i64 = VAC_I64,
  u8 = VAC_U8,
  u16 = VAC_U16,
  u32 = VAC_U32,
  u64 = VAC_U64,
  f16 = VAC_F16,
  bf16 = VAC_BF16,
  f32 = VAC_F32,
  f64 = VAC_F64,
  c64 = VAC_C64,
  c128 = VAC_C128,
  string = VAC_STRING,
  opaque = VAC_OPAQUE,
};

/// The element type of a C++ type: type_of<float> is Type::f32.
template <class T>
inline constexpr Type type_of = Type::none;
template <>
inline constexpr Type type_of<bool> = Type::boolean;
template <>
inline constexpr Type type_of<std::int8_t> = Type::i8;
template <>
inline constexpr Type type_of<std::int16_t> = Type::i16;
template <>
inline constexpr Type type_of<std::int32_t> = Type::i32;
template <>
inline constexpr Type type_of<std::int64_t> = Type::i64;
template <>
inline constexpr Type type_of<std::uint8_t> = Type::u8;
template <>
inline constexpr Type type_of<std::uint16_t> = Type::u16;
template <>
inline constexpr Type type_of<std::uint32_t> = Type::u32;
template <>
inline constexpr Type type_of<std::uint64_t> = Type::u64;
template <>
inline constexpr Type type_of<float> = Type::f32;
template <>
inline constexpr Type type_of<double> = Type::f64;
template <>
inline constexpr Type type_of<std::complex<float>> = Type::c64;
template <>
inline constexpr Type type_of<std::complex<double>> = Type::c128;

/// Contiguous, row-major. Copies share one data; it may outlive its session. Copies may be read by
/// several threads at once, written by one. A default-constructed tensor is empty: no data, no
/// handle.
class Tensor {
 public:
  Tensor() = default;

  /// Takes over a tensor of the C interface; nullptr gives an empty one.
  static Tensor adopt(vac_tensor* handle) {
    Tensor tensor;
    tensor.handle_.reset(handle, &vac_tensor_free);
    return tensor;
  }

  explicit operator bool() const noexcept { return handle_ != nullptr; }
  vac_tensor* handle() const noexcept { return handle_.get(); }

  Type type() const noexcept { return static_cast<Type>(vac_tensor_type(handle())); }
  std::span<const std::int64_t> shape() const noexcept {
    return {vac_tensor_dims(handle()), vac_tensor_rank(handle())};
  }
  std::span<std::byte> bytes() const noexcept {
    return {static_cast<std::byte*>(vac_tensor_data(handle())), vac_tensor_bytes(handle())};
  }
  /// The elements; empty where the tensor's type is not T's.
  template <class T>
  std::span<T> span() const noexcept {
    static_assert(type_of<std::remove_const_t<T>> != Type::none, "no element type");
    if (type() != type_of<std::remove_const_t<T>>) return {};
    return {static_cast<T*>(vac_tensor_data(handle())), vac_tensor_bytes(handle()) / sizeof(T)};
  }

 private:
  std::shared_ptr<vac_tensor> handle_;  // shared by the copies of this tensor
};

using Tensors = std::vector<Tensor>;

}  // namespace vac
