/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin in C, of <vac/plugin.h> alone, that offers fpga_arraycopy and has one fault: FAULT, one
 * of the names below, which is the plugin's name as well. The first three have none. */
#include <vac/plugin.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
  /* without a fault */
  sound,
  sound_asynchronous,
  sound_batches,
  /* of the table */
  null_entry,
  serves_any_major,
  refuses_newer_minor,
  other_major,
  short_table,
  other_name,
  Capital,
  no_version,
  no_submit,
  half_of_buffers,
  unknown_caps,
  control_operation,
  offers_twice,
  batch_of_0,
  extra_symbol,
  /* of its life */
  open_refused,
  open_is_silent,
  aborts_in_open,
  opens_once,
  opens_one,
  key_is_silent,
  describe_fits_all,
  describe_no_json,
  describe_writes_more,
  session_refused,
  null_buffer,
  unaligned_buffer,
  one_buffer,
  frees_by_session,
  aborts_at_exit,
  /* of resources */
  accepts_is_silent,
  aborts_in_attach,
  /* of calls */
  completes_twice,
  completes_and_returns,
  never_completes,
  writes_late,
  hangs,
  aborts,
  exits,
  unknown_code,
  negative_code,
  no_cap,
  no_text,
  changes_input,
  changes_record,
  writes_behind,
  writes_before,
  writes_behind_output,
  lies_about_size,
  makes_no_output,
  asks_twice,
  ignores_no_memory,
  not_equal,
  thread_matters,
  batch_returns,
  cancels_batch,
  forgets_in_batch
};

#define TEXT_OF(word) #word
#define NAME_OF(word) TEXT_OF(word)

static const struct vac_host* host;
static int opened, open_now;
static pthread_t opener;
static int32_t answers;
static _Atomic(unsigned char*) late; /* what is written when all is over */

static int fail(struct vac_call* call, int code, const char* text) {
  host->error(host->host, call, 0, text);
  return code;
}

static void* room_for(struct vac_call* call, struct vac_arg* out, uint64_t bytes) {
  if (FAULT == makes_no_output && out->where == VAC_WHERE_NOWHERE) return NULL;
  if (out->where == VAC_WHERE_INLINE && bytes <= out->bytes) {
    out->bytes = FAULT == lies_about_size ? out->bytes + 4 : bytes;
    return (void*)(uintptr_t)out->value;
  }
  void* room = host->output(call, 1, 0, bytes, VAC_I32, 0, NULL);
  if (FAULT == asks_twice) host->output(call, 1, 0, bytes, VAC_I32, 0, NULL);
  if (FAULT == writes_behind_output && room != NULL) ((char*)room)[bytes] ^= 1;
  return room;
}

static int copy(struct vac_call* call) {
  struct vac_arg* in = &call->args[0];
  struct vac_arg* out = &call->args[1];
  const uint64_t bytes = in->bytes;
  void* data = (void*)(uintptr_t)in->value;
  if (FAULT == unknown_code) return 4711;
  if (FAULT == negative_code) return -VAC_EINVAL;
  if (FAULT == no_text) return VAC_EBUSY;
  if (FAULT == aborts) abort();
  if (FAULT == exits) exit(3);
  while (FAULT == hangs) continue;
  if (FAULT == changes_input && bytes != 0) ((char*)data)[bytes - 1] ^= 1;
  if (FAULT == changes_record) in->bytes += 4;
  if (FAULT == writes_behind) ((char*)data)[bytes] ^= 1;
  if (FAULT == writes_before) ((char*)data)[-1] ^= 1;
  char* room = room_for(call, out, bytes);
  if (room == NULL && bytes != 0) {
    if (FAULT == ignores_no_memory) return VAC_OK;
    if (FAULT == makes_no_output && out->where == VAC_WHERE_NOWHERE) return VAC_OK;
    return fail(call, VAC_ENOMEM, "no memory for out_a");
  }
  if (bytes == 0) return VAC_OK;
  memcpy(room, data, bytes);
  if (FAULT == not_equal) room[0] = (char)++answers;
  if (FAULT == thread_matters && !pthread_equal(pthread_self(), opener)) room[0] ^= 1;
  if (FAULT == writes_late) late = (unsigned char*)room;
  return VAC_OK;
}

static void* work(void* argument) {
  struct vac_call* call = argument;
  const int code = copy(call);
  host->complete(call, code, NULL);
  if (FAULT == completes_twice) host->complete(call, code, NULL);
  return NULL;
}

/* Each call has a thread, and is not over before the thread: only the kit's own patience is tested.
 */
static int begin(struct vac_call* call) {
  pthread_t thread;
  if (FAULT == never_completes) return VAC_EINPROGRESS;
  if (pthread_create(&thread, NULL, work, call) != 0) return fail(call, VAC_EAGAIN, "no thread");
  pthread_join(thread, NULL);
  return VAC_EINPROGRESS;
}

static int submit(void* plugin, struct vac_call* const* calls, size_t count) {
  (void)plugin;
  if (count == 1 && FAULT == completes_and_returns) {
    const int code = copy(calls[0]);
    host->complete(calls[0], code, NULL);
    return code;
  }
  if (count == 1) {
    const int asynchronous = FAULT == sound_asynchronous || FAULT == completes_twice ||
                             FAULT == never_completes || FAULT == no_cap || FAULT == writes_late;
    return asynchronous ? begin(calls[0]) : copy(calls[0]);
  }
  int given_up = 0;
  for (size_t i = 0; i < count; ++i) given_up |= host->cancelled(calls[i]);
  for (size_t i = FAULT == forgets_in_batch ? 1 : 0; i < count; ++i) {
    if (FAULT == cancels_batch && given_up) {
      host->complete(calls[i], VAC_ECANCELED, "cancelled");
    } else {
      host->complete(calls[i], copy(calls[i]), NULL);
    }
  }
  return FAULT == batch_returns ? VAC_OK : VAC_EINPROGRESS;
}

static void cancel(void* plugin, struct vac_call* call) { (void)plugin, (void)call; }

static uint64_t batch_key(void* plugin, const struct vac_call* call) {
  (void)plugin;
  return 1 + call->args[0].bytes / 64;
}

static int open_plugin(const struct vac_host* given, const char* config, void** plugin) {
  host = given;
  opener = pthread_self();
  if (FAULT == aborts_in_open) abort();
  if (FAULT == open_refused) return fail(NULL, VAC_ENODEV, "no such device");
  if (FAULT == open_is_silent) return VAC_ENODEV;
  if (FAULT == opens_once && opened) return fail(NULL, VAC_EBUSY, "was open");
  if (FAULT == opens_one && open_now) return fail(NULL, VAC_EBUSY, "is open");
  if (FAULT == key_is_silent && strcmp(config, "{}") != 0) return VAC_EINVAL;
  if (FAULT == aborts_at_exit) atexit(abort);
  opened = open_now = 1;
  *plugin = &opened;
  return VAC_OK;
}

static void close_plugin(void* plugin) {
  (void)plugin;
  open_now = 0;
  unsigned char* const room = late;
  if (room != NULL) *room ^= 1;
}

static int describe(void* plugin, char* json, size_t* bytes) {
  (void)plugin;
  static const char text[] = "{\"framework\":\"none\"}";
  const size_t size = FAULT == describe_no_json ? sizeof text - 2 : sizeof text - 1;
  const size_t room = *bytes;
  *bytes = size;
  if (room < size && FAULT != describe_fits_all) return VAC_ENOSPC;
  memcpy(json, text, room < size ? room : size);
  if (FAULT == describe_writes_more) json[size] = '\0';
  return VAC_OK;
}

static int session_open(void* plugin, const struct vac_session_view* view, void** session) {
  (void)plugin, (void)view, (void)session;
  return fail(NULL, VAC_EACCES, "nobody may");
}

static int session_open_number(void* plugin, const struct vac_session_view* view, void** session) {
  static int number;
  (void)plugin, (void)view;
  *session = &number;
  return VAC_OK;
}

static int accepts(void* plugin, const struct vac_resource_view* view) {
  (void)plugin, (void)view;
  return VAC_EINVAL;
}

static int attach(void* plugin, void* session, const struct vac_resource_view* view, void** state) {
  (void)plugin, (void)session, (void)view, (void)state;
  abort();
}

static int buffer_alloc(void* plugin, void* session, uint64_t bytes, struct vac_buffer_view* view) {
  static _Alignas(64) char memory[8192];
  (void)plugin, (void)session;
  if (bytes > sizeof memory / 2) return fail(NULL, VAC_ENOSPC, "too many");
  view->data = FAULT == null_buffer                     ? NULL
               : FAULT == unaligned_buffer              ? memory + 32
               : FAULT == frees_by_session && bytes > 1 ? memory + sizeof memory / 2
                                                        : memory;
  view->bytes = bytes;
  return VAC_OK;
}

static void buffer_free(void* plugin, void* session, const struct vac_buffer_view* view) {
  (void)plugin, (void)view;
  if (FAULT == frees_by_session && session == NULL) abort();
}

#if defined(EXPORTS_MORE)
VAC_API int one_more(void);
int one_more(void) { return 1; }
#endif

static const struct vac_op_offer* offers(size_t* count) {
  static struct vac_op_offer all[2] = {{45, 1, 0, 0}, {45, 1, 0, 0}};
  *count = FAULT == offers_twice ? 2 : 1;
  if (FAULT == control_operation) all[0].op = 4;
  if (FAULT == batch_of_0) all[0].max_batch = 0;
  if (FAULT == sound_batches || FAULT == batch_returns || FAULT == cancels_batch ||
      FAULT == forgets_in_batch) {
    all[0].max_batch = 4;
  }
  if (FAULT == not_equal) all[0].concurrency = 1;
  return all;
}

static void add_functions(struct vac_plugin* table) {
  table->open = open_plugin;
  table->close = close_plugin;
  table->submit = FAULT == no_submit ? NULL : submit;
  table->cancel = cancel;
  table->batch_key = batch_key;
  table->describe = describe;
  if (FAULT == session_refused) table->session_open = session_open;
  if (FAULT == accepts_is_silent) table->accepts = accepts;
  if (FAULT == aborts_in_attach) table->resource_attach = attach;
  if (FAULT == frees_by_session) table->session_open = session_open_number;
  if (FAULT == null_buffer || FAULT == unaligned_buffer || FAULT == one_buffer ||
      FAULT == frees_by_session || FAULT == half_of_buffers)
    table->buffer_alloc = buffer_alloc;
  if (FAULT != half_of_buffers && table->buffer_alloc != NULL) table->buffer_free = buffer_free;
}

const struct vac_plugin* vac_plugin_entry(uint32_t host_major, uint32_t host_minor) {
  static struct vac_plugin table;
  if (FAULT == null_entry) return NULL;
  if (host_major != VAC_ABI_MAJOR && FAULT != serves_any_major) return NULL;
  if (FAULT == refuses_newer_minor && host_minor > VAC_ABI_MINOR) return NULL;
  table.struct_size = FAULT == short_table ? 64 : sizeof table;
  table.abi_major = FAULT == other_major ? VAC_ABI_MAJOR + 1 : VAC_ABI_MAJOR;
  table.abi_minor = VAC_ABI_MINOR;
  table.name = FAULT == other_name ? "another" : NAME_OF(FAULT);
  table.version = FAULT == no_version ? "" : "1.0";
  table.caps = VAC_CAP_ASYNC;
  if (FAULT == no_cap) table.caps = 0;
  if (FAULT == unknown_caps) table.caps = 1024;
  table.ops = offers(&table.op_count);
  add_functions(&table);
  return &table;
}
