/* SPDX-License-Identifier: Apache-2.0 */
/* Buffers: memory of a session's that calls need not copy, where its transport has such memory;
 * else ordinary memory. Tensors lie in it by vac_tensor_in() (vac/tensor.h); any other argument may
 * point into it as well. */
#ifndef VAC_BUFFER_H
#define VAC_BUFFER_H

#include <stddef.h>

#include <vac/export.h>
#include <vac/session.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vac_buffer vac_buffer;

/* A buffer of that many bytes, zeroed, 64-byte aligned, from 4096 bytes on page-aligned; 0 bytes
 * are allowed. Where the shared memory of the session is used up, or a buffer is too large for it,
 * it is ordinary memory: that is no error. VAC_ENOMEM: there is no memory at all.
 *
 * The caller frees it. It may outlive its session, and its memory may be used by any thread; while
 * a call runs that takes it as an argument, nobody else may write it, nor read what the call
 * writes. That a call has ended with VAC_ETIMEDOUT or VAC_ECANCELED does not mean that the agent
 * has stopped: until it has answered, the call's results may still be written into memory of a
 * buffer that was given for them. Use other memory to try again, and free the buffer: its memory is
 * not given out again before the answer. A child of fork() has the memory too, which it may share
 * with its parent. */
VAC_API int vac_buffer_new(vac_session* session, size_t bytes, vac_buffer** buffer);

/* The memory goes when the buffer and every tensor in it are freed, in any order and by any thread,
 * also while another one closes the session; no call may be using it. NULL is ignored. */
VAC_API void vac_buffer_free(vac_buffer* buffer);

/* Valid until the memory goes. Of NULL: NULL and 0. */
VAC_API void* vac_buffer_data(const vac_buffer* buffer);
VAC_API size_t vac_buffer_bytes(const vac_buffer* buffer);

#ifdef __cplusplus
}
#endif
#endif
