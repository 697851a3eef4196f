// SPDX-License-Identifier: Apache-2.0
// Buffer: memory of a session that calls need not copy, shared by its copies and the tensors in it.
#pragma once

#include <vac/buffer.h>
#include <vac/tensor.h>
#include <vac/detail/last_error.hpp>
#include <vac/result.hpp>
#include <vac/tensor.hpp>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>

namespace vac {

/// Made by Session::buffer(), zeroed; ordinary memory where the session has no other, as
/// vac/buffer.h tells. Copies share one memory, which lives as long as one of them or a tensor in
/// it; it may outlive its session. Copies may be used and destroyed by any thread. A
/// default-constructed buffer is empty: no memory, no handle.
class Buffer {
 public:
  Buffer() = default;

  /// Takes over a buffer of the C interface; nullptr gives an empty one.
  static Buffer adopt(vac_buffer* handle) {
    Buffer buffer;
    buffer.handle_.reset(handle, &vac_buffer_free);
    return buffer;
  }

  explicit operator bool() const noexcept { return handle_ != nullptr; }
  vac_buffer* handle() const noexcept { return handle_.get(); }

  std::span<std::byte> bytes() const noexcept {
    return {static_cast<std::byte*>(vac_buffer_data(handle())), vac_buffer_bytes(handle())};
  }

  /// A tensor in it, from `offset` bytes on, with what lies there. VAC_EINVAL where the offset is
  /// not a multiple of an element's size, or the tensor would end beyond the buffer.
  template <class T>
  Result<Tensor> tensor(std::initializer_list<std::int64_t> shape, std::size_t offset = 0) const {
    return tensor<T>(std::span<const std::int64_t>(shape.begin(), shape.size()), offset);
  }
  template <class T>
  Result<Tensor> tensor(std::span<const std::int64_t> shape, std::size_t offset = 0) const {
    static_assert(type_of<T>() != Type::none, "no element type");
    return new_tensor(type_of<T>(), shape, offset);
  }
  Result<Tensor> new_tensor(Type type, std::span<const std::int64_t> shape,
                            std::size_t offset = 0) const {
    vac_tensor* tensor = nullptr;
    const int code = vac_tensor_in(handle(), offset, static_cast<std::uint8_t>(type), shape.size(),
                                   shape.data(), &tensor);
    if (code != VAC_OK) return last_error(code);
    return Tensor::adopt(tensor);
  }

 private:
  std::shared_ptr<vac_buffer> handle_;  // shared by the copies of this buffer
};

}  // namespace vac
