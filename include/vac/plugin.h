/* SPDX-License-Identifier: Apache-2.0 */
/* The plugin ABI, version 1.0. A plugin exports vac_plugin_entry and nothing else; it links to
 * nothing of ours.
 *
 * Every struct starts with struct_size, the size its maker compiled; fields are appended, never
 * moved. A reader treats what lies beyond struct_size as absent. The four structs without it
 * (vac_arg, vac_value, vac_op_offer, vac_buffer_view) never change. No function of either table may
 * throw. plugin.hpp makes a plugin a dozen lines of C++.
 *
 * The plugin's file is NAME.so. The host contains what it can of a plugin that breaks a rule: what
 * it throws, codes and texts that are none, sizes larger than the room, completions of calls that
 * nobody waits for. It cannot contain writes outside of the memory that it gave, a submit that
 * never returns, or a `cancel` that does not. */
#ifndef VAC_PLUGIN_H
#define VAC_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#include <vac/call.h>
#include <vac/error_codes.h>
#include <vac/export.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VAC_ABI_MAJOR 1u
#define VAC_ABI_MINOR 0u

#define VAC_CALL_MAY_BLOCK 1u
#define VAC_CALL_INTERRUPTIBLE 2u
#define VAC_NO_SLOT 0xffffffffu /* vac_call.slot where concurrency is unlimited */

/* One call. The host owns it and all memory it points to from submit until it is done; a plugin
 * keeps nothing of it. */
struct vac_call {
  size_t struct_size;
  uint32_t op, arg_count; /* records, children of lists included */
  struct vac_arg* args;
  char* meta;
  uint32_t meta_bytes, slot;
  uint32_t flags;                         /* VAC_CALL_... */
  uint32_t queue_us, plugin_us, agent_us; /* set by the plugin before completion, where known */
  uint8_t trace[16];
  int64_t deadline_ns; /* CLOCK_MONOTONIC of this host, 0 none */
  void* session_state;
  void** resource_states; /* one for each resource argument, in order; NULL where absent */
  void* plugin_scratch;
  const void* host_priv;
};

/* tenant: whom the session serves in an agent, never empty there; empty in a process that makes its
 * calls itself. No client chooses it. */
struct vac_session_view {
  size_t struct_size;
  const char *address, *tenant, *options_json;
};

#define VAC_LOG_ERROR 0
#define VAC_LOG_WARNING 1
#define VAC_LOG_INFO 2
#define VAC_LOG_DEBUG 3

/* What the host offers. Any thread may call any of it. */
struct vac_host {
  size_t struct_size;
  uint32_t abi_major, abi_minor;
  void* host;
  /* Ends a call for which submit returned VAC_EINPROGRESS, exactly once; it may come before submit
   * has returned. message may be NULL. Anything else is ignored. */
  void (*complete)(struct vac_call*, int code, const char* message);
  /* The text and the framework's own code of a failure, before the failing return or complete. call
   * is NULL outside of calls (open, session_open, accepts, resource_attach, describe): then on the
   * same thread. */
  void (*error)(void* host, struct vac_call*, uint32_t detail, const char* message);
  /* Memory for an output whose size the caller did not know, 64-byte aligned, and for every tensor,
   * which may be the caller's own (call.h), aligned as he likes: arg is its index in
   * the operation's table, child its index in a list (else 0). type, rank and dims describe a
   * tensor; for arrays, rank 0. Once for each: NULL where there is no memory, for what is asked for
   * again, and for what the operation does not have; the call then fails. */
  void* (*output)(struct vac_call*, uint32_t arg, uint32_t child, uint64_t bytes, uint8_t type,
                  uint8_t rank, const int64_t* dims);
  int (*cancelled)(const struct vac_call*); /* poll in long loops */
  void (*progress)(struct vac_call*, uint64_t done, uint64_t total);
  void (*log)(void* host, int level, const char* text);
};

#define VAC_OFFER_QUICK                                                    \
  1u /* <= 20 us, never blocks: may run on a thread that reads connections \
      */

/* max_batch holds only where the host's settings ask for batches: what a row of its data is, a
 * model's owner knows. */
#define VAC_OFFER_BATCH_ON_REQUEST 2u

struct vac_op_offer {
  uint32_t op, max_batch, concurrency, flags; /* concurrency 0: unlimited */
};

#define VAC_RESOURCE_FILE 1u
#define VAC_RESOURCE_DIRECTORY 2u
#define VAC_RESOURCE_BYTES 3u
#define VAC_RESOURCE_URI 4u

/* Lives until its detach. */
struct vac_resource_view {
  size_t struct_size;
  uint64_t id;
  const char *digest, *uri;
  uint32_t kind, file_count;
  const char *const *names, *const *paths, *const *digests; /* each file: path, data or both */
  const void* const* data;
  const uint64_t* sizes;
  const char* options_json; /* canonical: keys sorted, no spaces; "{}" for none */
};

/* Memory that a plugin lends: 64-byte aligned, at least as many bytes as were asked for, no other
 * buffer's. It need not be zeroed: the host does that. cookie: the plugin's own, which buffer_free
 * gets back with the rest as it was. */
struct vac_buffer_view {
  void* data;
  uint64_t bytes, cookie;
};

#define VAC_CAP_REMOTE 1u /* serves addresses other than local: */
/* submit may return VAC_EINPROGRESS. Such a plugin gets copies of a call's inputs, and asks for
 * memory for each array and tensor that it returns: a call that it does not complete in its time,
 * or 5 s after `cancel`, is answered, and what it has of the call is left to it for ever. */
#define VAC_CAP_ASYNC 2u
#define VAC_CAP_WORKER_ONLY 4u /* runs in a worker process only */
/* A submit without VAC_CALL_MAY_BLOCK does not wait: it returns VAC_EINPROGRESS and has taken the
 * call, or VAC_EAGAIN and has left it as it was, for a thread that may block. What it takes are the
 * caller's own arguments and memory, which it uses until `complete` and no longer: unlike with
 * VAC_CAP_ASYNC the host trusts it to complete each call once, and soon after `cancel`. With
 * VAC_CAP_REMOTE alone, and with session_cancel. */
#define VAC_CAP_NO_WAIT 8u

struct vac_plugin {
  size_t struct_size;
  uint32_t abi_major, abi_minor;
  const char *name, *version;
  uint64_t caps;
  const struct vac_op_offer* ops;
  size_t op_count;
  const char* const* formats; /* model formats, NULL-terminated; may be NULL */
  /* Any slot below may be NULL where the plugin has no need of it, but submit. */
  int (*open)(const struct vac_host*, const char* config_json, void** plugin);
  void (*close)(void* plugin);
  int (*session_open)(void* plugin, const struct vac_session_view*, void** session);
  void (*session_close)(void* plugin, void* session);
  int (*accepts)(void* plugin, const struct vac_resource_view*);
  int (*resource_attach)(void* plugin, void* session, const struct vac_resource_view*,
                         void** state);
  void (*resource_detach)(void* plugin, void* state);
  /* n = 1: the final code, or VAC_EINPROGRESS. n > 1, a batch of one operation's calls that have
   * equal keys and resources and share a slot: VAC_EINPROGRESS, or one error for all. Without
   * VAC_CAP_ASYNC each of a batch is completed, by any thread, before submit returns. May block. */
  int (*submit)(void* plugin, struct vac_call* const* calls, size_t n);
  /* Once for a call that runs; the call lives until it returns, and may be ending meanwhile. Not to
   * wait in. A submit that blocks polls `cancelled` as well: of a deadline, and of a caller behind
   * an agent who cancels, it is told in no other way. */
  void (*cancel)(void* plugin, struct vac_call*);
  /* Calls of equal keys may come in one submit, up to the offer's max_batch; 0: alone. Asked of a
   * call that has to wait, on a thread that must not: looks at records, shapes and text alone,
   * since the data of other arrays and of tensors may still change. No batches where it is NULL, or
   * the plugin has VAC_CAP_ASYNC: that gets all its calls at once. */
  uint64_t (*batch_key)(void* plugin, const struct vac_call*);
  /* Both or none. Any thread, several at once. Whatever code buffer_alloc fails with, the host uses
   * ordinary memory. Any plugin may be handed a buffer as an argument; who lent it knows it by its
   * address. buffer_free comes once for each: with its session, which stays open meanwhile, or with
   * NULL after session_close has returned, until close. */
  int (*buffer_alloc)(void* plugin, void* session, uint64_t bytes, struct vac_buffer_view*);
  void (*buffer_free)(void* plugin, void* session, const struct vac_buffer_view*);
  /* The framework's version and devices as a JSON object. bytes: capacity in, size out; VAC_ENOSPC
   * when too small. */
  int (*describe)(void* plugin, char* json, size_t* bytes);
  /* As cancel, of all calls of a session that were taken without waiting: it is about to close. Any
   * thread. Not to wait in. */
  void (*session_cancel)(void* plugin, void* session);
};

/* The one exported symbol. NULL: cannot serve this host. The table must stay valid while the plugin
 * is loaded. */
VAC_API const struct vac_plugin* vac_plugin_entry(uint32_t host_major, uint32_t host_minor);

#ifdef __cplusplus
}
#endif
#endif
