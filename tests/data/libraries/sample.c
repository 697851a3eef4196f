/* SPDX-License-Identifier: Apache-2.0 */
/* Functions as exec calls them, and some that do what they must not. */
#include <vac/call.h>

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define EXPORTED __attribute__((visibility("default")))
#define FUNCTION(name)                                                          \
  EXPORTED int name(const vac_value* read, size_t read_count, vac_value* write, \
                    size_t write_count);                                        \
  int name(const vac_value* read, size_t read_count, vac_value* write, size_t write_count)
#define UNUSED() ((void)read, (void)read_count, (void)write, (void)write_count)

EXPORTED int calls = 0; /* data, no function */

/* write[0][i] = read[0] * read[1][i], as many as there are; its size follows. */
FUNCTION(scale) {
  if (read_count != 2 || write_count != 1) return 1;
  if (read[0].form != VAC_SCALAR || read[1].type != VAC_F64 || write[0].type != VAC_F64) return 2;
  if (write[0].bytes < read[1].bytes) return 3;
  const double factor = *(const double*)read[0].data;
  const double* from = read[1].data;
  double* to = write[0].data;
  for (size_t i = 0; i < read[1].bytes / sizeof(double); ++i) to[i] = factor * from[i];
  write[0].bytes = read[1].bytes;
  return 0;
}

/* Adds 1 to every scalar i32 and to each element of tensors of i32. */
FUNCTION(increment) {
  UNUSED();
  for (size_t i = 0; i < write_count; ++i) {
    int32_t* values = write[i].data;
    for (size_t k = 0; k < write[i].bytes / sizeof *values; ++k) ++values[k];
  }
  return 0;
}

/* How often it was called since the library was loaded. */
FUNCTION(count) {
  UNUSED();
  *(int32_t*)write[0].data = ++calls;
  return 0;
}

FUNCTION(fail) {
  UNUSED();
  return -7;
}
FUNCTION(grow) {
  UNUSED();
  write[0].bytes += 8;
  return 0;
}
FUNCTION(shrink_by_one) {
  UNUSED();
  write[0].bytes -= 1;
  return 0;
}
FUNCTION(move) {
  UNUSED();
  write[0].data = &calls;
  return 0;
}
FUNCTION(retype) {
  UNUSED();
  write[0].type = VAC_F32;
  return 0;
}
/* That libc is needed, and has functions of other names. */
FUNCTION(environment) {
  UNUSED();
  return getenv("VAC_TEST_THAT_NOBODY_SETS") == NULL ? 0 : 1;
}
