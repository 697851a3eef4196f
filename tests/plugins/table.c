/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin with one fault in its table, which the macro of that name makes. */
#include <string.h>
#include <vac/plugin.h>

#if defined(NO_SYMBOL)
VAC_API int something_else(void) { return 0; }
#else

static const struct vac_op_offer kOffers[] = {{32, 1, 0, 0}};

static int submit(void* plugin, struct vac_call* const* calls, size_t n) {
  (void)plugin;
  (void)calls;
  (void)n;
  return VAC_OK;
}

/* As a later minor has it. */
struct NewerTable {
  struct vac_plugin table;
  void* appended[8];
};
static struct NewerTable made;

static void fill(struct vac_plugin* table) {
  table->struct_size = sizeof *table;
  table->abi_major = VAC_ABI_MAJOR;
  table->abi_minor = VAC_ABI_MINOR;
  table->name = BAD_NAME;
  table->version = "1.0";
  table->ops = kOffers;
  table->op_count = 1;
  table->submit = submit;
}

const struct vac_plugin* vac_plugin_entry(uint32_t host_major, uint32_t host_minor) {
  struct vac_plugin* table = &made.table;
  (void)host_major;
  (void)host_minor;
  fill(table);
#if defined(OTHER_MAJOR)
  table->abi_major = VAC_ABI_MAJOR + 1;
#elif defined(OLDER_MINOR)
  table->struct_size = offsetof(struct vac_plugin, cancel);
  /* What lies beyond the size must not be called. */
  memset((char*)table + table->struct_size, 0xff, sizeof *table - table->struct_size);
#elif defined(NEWER_MINOR)
  table->abi_minor = VAC_ABI_MINOR + 7;
  table->struct_size = sizeof made;
  memset(made.appended, 0xff, sizeof made.appended);
#elif defined(NO_TABLE)
  return NULL;
#elif defined(SHORT_TABLE)
  table->struct_size = 32;
#elif defined(NO_NAME)
  table->name = NULL;
#elif defined(OTHER_NAME)
  table->name = "somebody_else";
#elif defined(NO_SUBMIT)
  table->submit = NULL;
#endif
  return table;
}
#endif
