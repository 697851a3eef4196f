/* SPDX-License-Identifier: Apache-2.0 */
/* Says which library it is, and cannot be unloaded. */
#include <vac/call.h>

#include <stddef.h>

#ifndef ANSWER
#define ANSWER 1
#endif

__attribute__((visibility("default"))) int answer(const vac_value* read, size_t read_count,
                                                  vac_value* write, size_t write_count) {
  (void)read;
  (void)read_count;
  if (write_count != 1) return -1;
  *(int32_t*)write[0].data = ANSWER;
  return 0;
}
