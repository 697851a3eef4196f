/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions: a program's context on one runtime, in this process or behind an agent. */
#ifndef VAC_SESSION_H
#define VAC_SESSION_H

#include <stddef.h>
#include <stdint.h>

#include <vac/error.h>
#include <vac/export.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vac_session vac_session;

/* Opens a session.
 *
 * address: "local:", "unix:///run/vaccel.sock", ...; NULL or "" for the environment variable
 *   VAC_ADDRESS, and "local:" where it is unset or empty.
 * options_json: NULL, "" or a JSON object. "timeout_ms" bounds every blocking call, 0 or absent: no
 *   bound. "name" is a text that the agent shows. Any other key is VAC_EINVAL.
 *
 * The session is thread-safe. The caller closes it. */
VAC_API int vac_session_open(const char* address, const char* options_json, vac_session** session);

/* What long work is at. */
#define VAC_PROGRESS_READ 1u /* a resource is opened: bytes of its files that have been read */
#define VAC_PROGRESS_CALL                                               \
  2u /* a call runs: bytes that the agent lacked and has now, or what a \
      * plugin counts while it loads */

/* total is 0 where it is not known. */
typedef void (*vac_progress_function)(void* user, uint32_t stage, uint64_t done, uint64_t total);

/* Tells of long work in this session from now on: a resource that is opened, a model that goes to
 * the agent or is loaded. The thread that does the work calls the function, which may be one of a
 * plugin's, and several at once where several work; it must return soon, throw nothing and leave
 * the session alone. NULL ends it. Nothing else may be done with the session meanwhile. */
VAC_API int vac_session_on_progress(vac_session* session, vac_progress_function function,
                                    void* user);

/* Ends the session and frees it. Any thread, at any time: calls that run in it are cancelled, and
 * it waits for their end; later ones are refused (VAC_EBADF). Calls that have not ended after 10 s
 * are left behind with the session's memory, which is then never freed, and the log says so.
 * Resources still open are closed. Tensors stay valid. NULL is ignored, and so is a session that is
 * closed; within a call of the session (from a plugin) it stays open and the log says so.
 *
 * In a child of fork() the parent's handles answer VAC_EOWNERDEAD, and closing them does nothing;
 * the child may open sessions of its own. exit() may be called at any time. */
VAC_API void vac_session_close(vac_session* session);

/* What serves the session, as a JSON object: plugins, operations, versions; remotely the agent's
 * answer. On success *bytes is the length of the text, which is followed by a NUL; VAC_ENOSPC when
 * capacity is too small, *bytes then says the capacity needed. */
VAC_API int vac_session_describe(vac_session* session, char* json, size_t capacity, size_t* bytes);

/* The address as it was resolved. Lives as long as the session. */
VAC_API const char* vac_session_address(const vac_session* session);

/* "1.2.3", the version of the library that runs. */
VAC_API const char* vac_version(void);

#ifdef __cplusplus
}
#endif
#endif
