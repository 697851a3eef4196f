/* SPDX-License-Identifier: Apache-2.0 */
/* The operations on plain arrays. */
#include <string.h>

#include "check.h"

#define N 9

static const float kA[N] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
static const float kB[N] = {9, 8, 7, 6, 5, 4, 3, 2, 1};

static void check_minmax(vac_session* session) {
  const double data[] = {3, 1, 2};
  double result[3] = {0}, other[3] = {0}, min = 0, max = 0, other_min = 0;
  size_t count = 99;
  EXPECT_REFUSAL(vac_minmax(NULL, data, 3, 0, 1, result, 3, &count, &min, &max), VAC_EINVAL,
                 "minmax: ");
  EXPECT_REFUSAL(vac_minmax(session, NULL, 3, 0, 1, result, 3, &count, &min, &max), VAC_EINVAL,
                 "minmax: ");
  EXPECT_REFUSAL(vac_minmax(session, data, 3, 0, 1, NULL, 3, &count, &min, &max), VAC_EINVAL,
                 "minmax: ");
  EXPECT_REFUSAL(vac_minmax(session, data, 3, 0, 1, result, 3, NULL, &min, &max), VAC_EINVAL,
                 "minmax: ");
  EXPECT_REFUSAL(vac_minmax(session, data, 3, 0, 1, result, 3, &count, NULL, &max), VAC_EINVAL,
                 "minmax: ");
  EXPECT_REFUSAL(vac_minmax(session, data, 3, 0, 1, result, 3, &count, &min, NULL), VAC_EINVAL,
                 "minmax: ");
  EXPECT_REFUSAL(vac_minmax(session, data, SIZE_MAX, 0, 1, result, 3, &count, &min, &max),
                 VAC_EFBIG, "minmax: ");
  EXPECT(count == 99 && min == 0 && max == 0 && result[0] == 0);
  EXPECT_CODE(vac_minmax(session, data, 3, 0, 1, result, 3, &count, &min, &max), VAC_OK);
  EXPECT(count == 3 && min != 0 && max != 0 && result[2] != 0);
  EXPECT_CODE(vac_minmax(session, data, 3, 0, 2, other, 3, &count, &other_min, &max), VAC_OK);
  EXPECT(memcmp(result, other, sizeof other) != 0 && min != other_min);
}

static void check_sgemm(vac_session* session) {
  float c[N] = {0}, other[N] = {0};
  EXPECT_REFUSAL(vac_sgemm(NULL, 3, 3, 3, 1, kA, N, 3, kB, N, 3, 0, c, N, 3), VAC_EINVAL,
                 "sgemm: ");
  EXPECT_REFUSAL(vac_sgemm(session, 3, 3, 3, 1, NULL, N, 3, kB, N, 3, 0, c, N, 3), VAC_EINVAL,
                 "sgemm: ");
  EXPECT_REFUSAL(vac_sgemm(session, 3, 3, 3, 1, kA, N, 3, NULL, N, 3, 0, c, N, 3), VAC_EINVAL,
                 "sgemm: ");
  EXPECT_REFUSAL(vac_sgemm(session, 3, 3, 3, 1, kA, N, 3, kB, N, 3, 0, NULL, N, 3), VAC_EINVAL,
                 "sgemm: ");
  EXPECT_CODE(vac_sgemm(session, 3, 3, 3, 1, kA, N, 3, kB, N, 3, 0, c, N, 3), VAC_OK);
  EXPECT_CODE(vac_sgemm(session, 3, 3, 3, 2, kA, N, 3, kB, N, 3, 0, other, N, 3), VAC_OK);
  EXPECT(c[0] != 0 && memcmp(c, other, sizeof c) != 0);
}

static void check_arraycopy(vac_session* session) {
  const int32_t a[] = {1, 2, 3};
  int32_t out[3] = {0}, same[3] = {0};
  size_t count = 99;
  EXPECT_REFUSAL(vac_fpga_arraycopy(NULL, a, 3, out, 3, &count), VAC_EINVAL, "fpga_arraycopy: ");
  EXPECT_REFUSAL(vac_fpga_arraycopy(session, NULL, 3, out, 3, &count), VAC_EINVAL,
                 "fpga_arraycopy: ");
  EXPECT_REFUSAL(vac_fpga_arraycopy(session, a, 3, out, 3, NULL), VAC_EINVAL, "fpga_arraycopy: ");
  EXPECT(count == 99);
  EXPECT_CODE(vac_fpga_arraycopy(session, a, 3, out, 3, &count), VAC_OK);
  EXPECT_CODE(vac_fpga_arraycopy(session, a, 3, same, 3, &count), VAC_OK);
  EXPECT(count == 3 && memcmp(out, same, sizeof out) == 0 && out[0] != 0);
}

static void check_two_to_one(vac_session* session, const char* name,
                             int (*call)(vac_session*, const float*, size_t, const float*, size_t,
                                         float*, size_t, size_t*)) {
  float c[N] = {0}, other[N] = {0};
  size_t count = 99;
  EXPECT_REFUSAL(call(NULL, kA, N, kB, N, c, N, &count), VAC_EINVAL, name);
  EXPECT_REFUSAL(call(session, NULL, N, kB, N, c, N, &count), VAC_EINVAL, name);
  EXPECT_REFUSAL(call(session, kA, N, NULL, N, c, N, &count), VAC_EINVAL, name);
  EXPECT_REFUSAL(call(session, kA, N, kB, N, NULL, N, &count), VAC_EINVAL, name);
  EXPECT_REFUSAL(call(session, kA, N, kB, N, c, N, NULL), VAC_EINVAL, name);
  EXPECT(count == 99 && c[0] == 0);
  EXPECT_CODE(call(session, kA, N, kB, N, c, N, &count), VAC_OK);
  EXPECT(count == N && c[N - 1] != 0);
  EXPECT_CODE(call(session, kA, N, kA, N, other, N, &count), VAC_OK);
  EXPECT(memcmp(c, other, sizeof c) != 0);
}

static void check_parallel(vac_session* session) {
  float add[N] = {0}, mult[N] = {0};
  size_t add_count = 99, mult_count = 99;
  EXPECT_REFUSAL(vac_fpga_parallel(NULL, kA, N, kB, N, add, N, &add_count, mult, N, &mult_count),
                 VAC_EINVAL, "fpga_parallel: ");
  EXPECT_REFUSAL(vac_fpga_parallel(session, kA, N, kB, N, add, N, &add_count, mult, N, NULL),
                 VAC_EINVAL, "fpga_parallel: ");
  EXPECT_REFUSAL(
      vac_fpga_parallel(session, kA, N, kB, N, NULL, N, &add_count, mult, N, &mult_count),
      VAC_EINVAL, "fpga_parallel: ");
  EXPECT(add_count == 99 && mult_count == 99);
  EXPECT_CODE(vac_fpga_parallel(session, kA, N, kB, N, add, N, &add_count, mult, N, &mult_count),
              VAC_OK);
  EXPECT(add_count == N && mult_count == N && memcmp(add, mult, sizeof add) != 0);
}

void check_numbers(const struct context* context) {
  check_minmax(context->session);
  check_sgemm(context->session);
  check_arraycopy(context->session);
  check_two_to_one(context->session, "fpga_mmult: ", vac_fpga_mmult);
  check_two_to_one(context->session, "fpga_vadd: ", vac_fpga_vadd);
  check_parallel(context->session);
}
