/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that go on while the program does other things: vac/ops.h has a vac_<operation>_submit for
 * every operation, whose arguments are those of the function that blocks.
 *
 * Submitting gives a handle and does not wait. Everything that the arguments point to belongs to
 * the call until vac_call_finish() has returned: data, text, tensors, resources, results and their
 * counts. Only the arrays that list inputs may go as soon as the call is submitted. Results are
 * there once vac_call_finish() has returned VAC_OK. Any number of calls may be under way; those
 * that are too many for a connection or a plugin wait their turn. */
#ifndef VAC_ASYNC_H
#define VAC_ASYNC_H

#include <stddef.h>
#include <stdint.h>

#include <vac/export.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vac_call_handle vac_call_handle;

/* Told once that a call is done, with its code, by a thread of the library. It must return soon and
 * throw nothing. It may submit and finish calls; functions that block are refused there
 * (VAC_EDEADLK). For everybody else the call is done when this has returned. */
typedef void (*vac_call_function)(void* user, vac_call_handle* call, int code);

/* Calls that are done, for an event loop of the program's: vac_completions_fd() polls readable. */
typedef struct vac_completions vac_completions;

struct vac_call_options {
  size_t struct_size;           /* sizeof(vac_call_options) */
  vac_call_function done;       /* NULL: nobody is told */
  void* user;                   /* for done, and for vac_completions_next() */
  vac_completions* completions; /* where the call comes when it is done, after `done`; or NULL */
  uint32_t timeout_ms;          /* from submitting to the end; 0: the session's timeout_ms */
};
typedef struct vac_call_options vac_call_options;

#define VAC_FOREVER UINT32_MAX

/* Whether a call is done: 1 or 0. Waits for nothing. */
VAC_API int vac_call_is_done(const vac_call_handle* call);

/* Waits until the call is done: VAC_OK, whatever became of the call; VAC_ETIMEDOUT when the time
 * has passed first, which leaves the call as it was. Any thread. */
VAC_API int vac_call_wait(vac_call_handle* call, uint32_t timeout_ms);

/* The same for any one of several calls; *index says which, the first of those that are done.
 * Entries may be NULL. VAC_EINVAL when there is none to wait for. */
VAC_API int vac_call_wait_any(vac_call_handle* const* calls, size_t count, uint32_t timeout_ms,
                              size_t* index);

/* Asks the call to end soon with VAC_ECANCELED; one that is done stays what it is. Any thread. */
VAC_API void vac_call_cancel(vac_call_handle* call);

/* Waits until the call is done, hands over its results and frees the handle; to be called once for
 * every handle. Returns the call's code; vac_error_message() then says why it has failed. */
VAC_API int vac_call_finish(vac_call_handle* call);

/* Makes an empty queue of calls that are done. The caller frees it, which calls that are still to
 * come there survive: they are then finished as those without a queue. */
VAC_API int vac_completions_new(vac_completions** completions);
VAC_API void vac_completions_free(vac_completions* completions);
/* Polls readable (POLLIN) while a call is there. Do not read it; it lives as long as the queue. */
VAC_API int vac_completions_fd(const vac_completions* completions);
/* Takes the call that has been done longest, and what its options said of `user` (NULL: not
 * wanted); the caller finishes it, which does not wait. VAC_EAGAIN: none is done. A call that is
 * finished without being taken is not given here. Any thread. */
VAC_API int vac_completions_next(vac_completions* completions, vac_call_handle** call, void** user);

#ifdef __cplusplus
}
#endif
#endif
