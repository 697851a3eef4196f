/* SPDX-License-Identifier: Apache-2.0 */
/* Tensors: element type, shape, data. Contiguous and row-major. */
#ifndef VAC_TENSOR_H
#define VAC_TENSOR_H

#include <stddef.h>
#include <stdint.h>

#include <vac/buffer.h>
#include <vac/call.h>
#include <vac/session.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vac_tensor vac_tensor;

/* type: enum vac_type, a numeric one; rank 0..8; dims: rank sizes, each >= 0.
 * A tensor may be read by several threads at once, written by one. It may outlive its session. */

/* Memory of the tensor's own, 64-byte aligned, zeroed. From 4096 bytes on it is what a buffer of
 * the session has (vac/buffer.h), which calls need not copy where the session has such memory. As
 * with a buffer, after VAC_ETIMEDOUT or VAC_ECANCELED a result may still be written into a tensor
 * that the call named, until the agent has answered: try again with another one. */
VAC_API int vac_tensor_new(vac_session* session, uint8_t type, size_t rank, const int64_t* dims,
                           vac_tensor** tensor);
/* The caller's memory, which stays his and must live as long as the tensor. */
VAC_API int vac_tensor_wrap(vac_session* session, uint8_t type, size_t rank, const int64_t* dims,
                            void* data, vac_tensor** tensor);
/* The same for VAC_STRING and VAC_OPAQUE, whose size does not follow from the shape. */
VAC_API int vac_tensor_wrap_bytes(vac_session* session, uint8_t type, size_t rank,
                                  const int64_t* dims, void* data, size_t bytes,
                                  vac_tensor** tensor);
/* A part of a buffer, from `offset` bytes on, as it is: the tensor keeps the memory, also after
 * vac_buffer_free(). offset: a multiple of the element's size; VAC_EINVAL where it is not, or where
 * the tensor would end beyond the buffer. Any number of tensors may lie in a buffer and overlap;
 * any thread. */
VAC_API int vac_tensor_in(vac_buffer* buffer, size_t offset, uint8_t type, size_t rank,
                          const int64_t* dims, vac_tensor** tensor);
/* NULL is ignored. */
VAC_API void vac_tensor_free(vac_tensor* tensor);

VAC_API uint8_t vac_tensor_type(const vac_tensor* tensor);
VAC_API size_t vac_tensor_rank(const vac_tensor* tensor);
VAC_API const int64_t* vac_tensor_dims(const vac_tensor* tensor);
VAC_API void* vac_tensor_data(const vac_tensor* tensor);
VAC_API size_t vac_tensor_bytes(const vac_tensor* tensor);

/* Bytes of an element of a numeric type; 0 for others. */
VAC_API size_t vac_type_bytes(uint8_t type);
/* "f32" for VAC_F32; "?" for a number that is none. */
VAC_API const char* vac_type_name(uint8_t type);

#ifdef __cplusplus
}
#endif
#endif
