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
#include <type_traits>
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

/// The element type of a C++ type: type_of<float>() is Type::f32; Type::none where there is none.
template <class T>
consteval Type type_of() noexcept {
  if (std::is_same_v<T, bool>) return Type::boolean;
  if (std::is_same_v<T, std::int8_t>) return Type::i8;
  if (std::is_same_v<T, std::int16_t>) return Type::i16;
  if (std::is_same_v<T, std::int32_t>) return Type::i32;
  if (std::is_same_v<T, std::int64_t>) return Type::i64;
  if (std::is_same_v<T, std::uint8_t>) return Type::u8;
  if (std::is_same_v<T, std::uint16_t>) return Type::u16;
  if (std::is_same_v<T, std::uint32_t>) return Type::u32;
  if (std::is_same_v<T, std::uint64_t>) return Type::u64;
  if (std::is_same_v<T, float>) return Type::f32;
  if (std::is_same_v<T, double>) return Type::f64;
  if (std::is_same_v<T, std::complex<float>>) return Type::c64;
  if (std::is_same_v<T, std::complex<double>>) return Type::c128;
  return Type::none;
}

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
    static_assert(type_of<std::remove_const_t<T>>() != Type::none, "no element type");
    if (type() != type_of<std::remove_const_t<T>>()) return {};
    return {static_cast<T*>(vac_tensor_data(handle())), vac_tensor_bytes(handle()) / sizeof(T)};
  }

 private:
  std::shared_ptr<vac_tensor> handle_;  // shared by the copies of this tensor
};

using Tensors = std::vector<Tensor>;

}  // namespace vac
