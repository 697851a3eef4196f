// SPDX-License-Identifier: Apache-2.0
#include <vac/tensor.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <utility>

#include "base/text.hpp"
#include "call/types.hpp"
#include "capi/handles.hpp"
#include "capi/last_error.hpp"
#include "capi/process.hpp"
#include "core/session.hpp"
#include "core/visit.hpp"

namespace vac::capi {
namespace {

constexpr std::size_t kAlignment = 64;

/// `owner`: what the tensor is made of, an argument of that name.
Status check_arguments(const void* owner, const char* name, std::size_t rank,
                       const std::int64_t* dims, vac_tensor** tensor) {
  const char* const missing = owner == nullptr               ? name
                              : rank != 0 && dims == nullptr ? "dims"
                              : tensor == nullptr            ? "tensor"
                                                             : nullptr;
  if (missing != nullptr) {
    return Error{Errc::invalid, concat("tensor: argument '", missing, "' is NULL")};
  }
  if (rank > VAC_MAX_RANK) {
    return Error{Errc::invalid, concat("tensor: rank ", rank, ", the most is ", VAC_MAX_RANK)};
  }
  return {};
}

Status check_new(const vac_session* session, std::size_t rank, const std::int64_t* dims,
                 vac_tensor** tensor) {
  VAC_CHECK(check_arguments(session, "session", rank, dims, tensor));
  const core::Visit visit(session->core, session->process);
  if (visit.session() == nullptr) return refused_visit(session).with_context("tensor");
  return {};
}

Result<std::uint64_t> numeric_bytes(std::uint8_t type, std::span<const std::int64_t> dims) {
  if (element_bytes(type) == 0 || type > VAC_C128) {
    return Error{Errc::invalid, concat("tensor: type ", type, " (", type_name(type),
                                       ") is not a number: use vac_tensor_wrap_bytes for strings")};
  }
  const auto bytes = tensor_bytes(type, dims);
  if (!bytes) {
    return Error{Errc::invalid, concat("tensor: shape ", describe_tensor(type, dims),
                                       " has a negative size or is too large")};
  }
  return *bytes;
}

vac_tensor* wrap(std::uint8_t type, std::span<const std::int64_t> dims, void* data,
                 std::uint64_t bytes) {
  auto* tensor = new vac_tensor;
  tensor->type = type;
  tensor->rank = static_cast<std::uint8_t>(dims.size());
  if (!dims.empty()) std::memcpy(tensor->dims, dims.data(), dims.size_bytes());
  tensor->data = data;
  tensor->bytes = bytes;
  return tensor;
}

Status check_part(const core::Buffer& buffer, std::size_t offset, std::uint8_t type,
                  std::uint64_t bytes) {
  if (offset % element_bytes(type) != 0) {
    return Error{Errc::invalid,
                 concat("tensor: offset ", offset, " is not a multiple of the ",
                        element_bytes(type), " bytes of an element of ", type_name(type))};
  }
  if (offset <= buffer.bytes() && bytes <= buffer.bytes() - offset) return {};
  return Error{Errc::invalid, concat("tensor: ", bytes, " bytes from offset ", offset,
                                     " on end beyond the buffer, which has ", buffer.bytes())};
}

/// Memory of its own from a session: zeroed.
Result<vac_tensor*> new_tensor(const core::Session& session, std::uint8_t type,
                               std::span<const std::int64_t> dims, std::uint64_t bytes) {
  if (bytes < core::kPageAlignment) {
    vac_tensor* const made = make_tensor(type, dims, bytes, true);
    if (made != nullptr) return made;
    return Error{Errc::no_memory, concat("tensor: no memory for ", bytes, " bytes")};
  }
  auto memory = session.new_buffer(bytes);
  if (!memory) return std::move(memory).error().with_context("tensor");
  const std::shared_ptr<core::Buffer> buffer = *std::move(memory);
  vac_tensor* const made = wrap(type, dims, buffer->data(), bytes);
  made->buffer = buffer;
  return made;
}

}  // namespace

vac_tensor* make_tensor(std::uint8_t type, std::span<const std::int64_t> dims, std::uint64_t bytes,
                        bool zeroed) noexcept {
  const std::uint64_t room = (bytes + kAlignment) & ~std::uint64_t{kAlignment - 1};
  if (room < bytes || room > SIZE_MAX) return nullptr;
  void* data = std::aligned_alloc(kAlignment, static_cast<std::size_t>(room));
  if (data == nullptr) return nullptr;
  if (zeroed) std::memset(data, 0, static_cast<std::size_t>(bytes));
  try {
    vac_tensor* tensor = wrap(type, dims, data, bytes);
    tensor->owns_data = true;
    return tensor;
  } catch (...) {
    std::free(data);
    return nullptr;
  }
}

std::string describe_tensor(std::uint8_t type, std::span<const std::int64_t> dims) {
  std::string text = concat(type_name(type), " [");
  for (std::size_t i = 0; i < dims.size(); ++i) text += concat(i == 0 ? "" : ",", dims[i]);
  return text + "]";
}

}  // namespace vac::capi

using namespace vac::capi;  // NOLINT(google-build-using-namespace)

int vac_tensor_new(vac_session* session, std::uint8_t type, std::size_t rank,
                   const std::int64_t* dims, vac_tensor** tensor) {
  return guarded([&]() -> vac::Status {
    VAC_CHECK(check_arguments(session, "session", rank, dims, tensor));
    const vac::core::Visit visit(session->core, session->process);
    if (visit.session() == nullptr) return refused_visit(session).with_context("tensor");
    VAC_TRY(const std::uint64_t bytes, numeric_bytes(type, {dims, rank}));
    VAC_TRY(*tensor, new_tensor(*visit.session(), type, {dims, rank}, bytes));
    return {};
  });
}

int vac_tensor_in(vac_buffer* buffer, std::size_t offset, std::uint8_t type, std::size_t rank,
                  const std::int64_t* dims, vac_tensor** tensor) {
  return guarded([&]() -> vac::Status {
    VAC_CHECK(check_arguments(buffer, "buffer", rank, dims, tensor));
    VAC_TRY(const std::uint64_t bytes, numeric_bytes(type, {dims, rank}));
    VAC_CHECK(check_part(*buffer->memory, offset, type, bytes));
    *tensor =
        wrap(type, {dims, rank}, static_cast<std::byte*>(buffer->memory->data()) + offset, bytes);
    (*tensor)->buffer = buffer->memory;
    return {};
  });
}

int vac_tensor_wrap(vac_session* session, std::uint8_t type, std::size_t rank,
                    const std::int64_t* dims, void* data, vac_tensor** tensor) {
  return guarded([&]() -> vac::Status {
    VAC_CHECK(check_new(session, rank, dims, tensor));
    VAC_TRY(const std::uint64_t bytes, numeric_bytes(type, {dims, rank}));
    if (data == nullptr && bytes != 0)
      return vac::Error{vac::Errc::invalid, "tensor: argument 'data' is NULL"};
    *tensor = wrap(type, {dims, rank}, data, bytes);
    return {};
  });
}

int vac_tensor_wrap_bytes(vac_session* session, std::uint8_t type, std::size_t rank,
                          const std::int64_t* dims, void* data, std::size_t bytes,
                          vac_tensor** tensor) {
  return guarded([&]() -> vac::Status {
    VAC_CHECK(check_new(session, rank, dims, tensor));
    if (type != VAC_STRING && type != VAC_OPAQUE) {
      return vac::Error{vac::Errc::invalid,
                        vac::concat("tensor: type ", type, " (", vac::type_name(type),
                                    ") is not VAC_STRING or VAC_OPAQUE: use vac_tensor_wrap")};
    }
    const std::span<const std::int64_t> shape(dims, rank);
    const auto count = vac::element_count(shape);
    if (!count || bytes > PTRDIFF_MAX || !vac::element_bytes_fit(type, *count, bytes)) {
      return vac::Error{vac::Errc::invalid, vac::concat("tensor: ", describe_tensor(type, shape),
                                                        " cannot have ", bytes, " bytes")};
    }
    if (data == nullptr && bytes != 0) {
      return vac::Error{vac::Errc::invalid, "tensor: argument 'data' is NULL"};
    }
    *tensor = wrap(type, {dims, rank}, data, bytes);
    return {};
  });
}

void vac_tensor_free(vac_tensor* tensor) {
  if (tensor == nullptr) return;
  if (tensor->owns_data) std::free(tensor->data);
  delete tensor;
}

std::uint8_t vac_tensor_type(const vac_tensor* tensor) {
  return tensor == nullptr ? std::uint8_t{VAC_NONE} : tensor->type;
}
std::size_t vac_tensor_rank(const vac_tensor* tensor) {
  return tensor == nullptr ? 0 : tensor->rank;
}
const std::int64_t* vac_tensor_dims(const vac_tensor* tensor) {
  return tensor == nullptr ? nullptr : tensor->dims;
}
void* vac_tensor_data(const vac_tensor* tensor) {
  return tensor == nullptr ? nullptr : tensor->data;
}
std::size_t vac_tensor_bytes(const vac_tensor* tensor) {
  return tensor == nullptr ? 0 : tensor->bytes;
}
std::size_t vac_type_bytes(std::uint8_t type) { return vac::element_bytes(type); }
const char* vac_type_name(std::uint8_t type) { return vac::type_name(type); }
