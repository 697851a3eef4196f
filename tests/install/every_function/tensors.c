/* SPDX-License-Identifier: Apache-2.0 */
/* tensor.h. */
#include <string.h>

#include "check.h"

static const int64_t kDims[] = {2, 3};

static void check_new(vac_session* session) {
  vac_tensor* tensor = NULL;
  EXPECT_REFUSAL(vac_tensor_new(NULL, VAC_F32, 2, kDims, &tensor), VAC_EINVAL, "NULL");
  EXPECT_REFUSAL(vac_tensor_new(session, VAC_F32, 2, NULL, &tensor), VAC_EINVAL, "NULL");
  EXPECT_REFUSAL(vac_tensor_new(session, VAC_F32, 2, kDims, NULL), VAC_EINVAL, "NULL");
  EXPECT_REFUSAL(vac_tensor_new(session, VAC_F32, 9, kDims, &tensor), VAC_EINVAL, "rank 9");
  EXPECT_REFUSAL(vac_tensor_new(session, VAC_NONE, 2, kDims, &tensor), VAC_EINVAL, "type 0");
  EXPECT_REFUSAL(vac_tensor_new(session, VAC_STRING, 2, kDims, &tensor), VAC_EINVAL,
                 "vac_tensor_wrap_bytes");
  EXPECT_REFUSAL(vac_tensor_new(session, 200, 2, kDims, &tensor), VAC_EINVAL, "type 200");
  EXPECT_REFUSAL(vac_tensor_new(session, VAC_F32, 1, (const int64_t[]){-1}, &tensor), VAC_EINVAL,
                 "[-1]");
  EXPECT_REFUSAL(
      vac_tensor_new(session, VAC_F32, 2, (const int64_t[]){INT64_MAX, INT64_MAX}, &tensor),
      VAC_EINVAL, "too large");
  EXPECT_REFUSAL(vac_tensor_new(session, VAC_U8, 1, (const int64_t[]){INT64_MAX - 4096}, &tensor),
                 VAC_ENOMEM, "no memory");
  EXPECT(tensor == NULL);
  if (!EXPECT_CODE(vac_tensor_new(session, VAC_F32, 2, kDims, &tensor), VAC_OK)) return;
  EXPECT(vac_tensor_type(tensor) == VAC_F32);
  EXPECT(vac_tensor_rank(tensor) == 2);
  EXPECT(vac_tensor_dims(tensor)[0] == 2 && vac_tensor_dims(tensor)[1] == 3);
  EXPECT(vac_tensor_bytes(tensor) == 24);
  EXPECT((uintptr_t)vac_tensor_data(tensor) % 64 == 0);
  EXPECT(all_zero(vac_tensor_data(tensor), 24));
  vac_tensor_free(tensor);
}

static void check_wrap(vac_session* session) {
  int64_t values[6] = {1, 2, 3, 4, 5, 6};
  vac_tensor* tensor = NULL;
  EXPECT_REFUSAL(vac_tensor_wrap(NULL, VAC_I64, 2, kDims, values, &tensor), VAC_EINVAL, "NULL");
  EXPECT_REFUSAL(vac_tensor_wrap(session, VAC_I64, 2, NULL, values, &tensor), VAC_EINVAL, "NULL");
  EXPECT_REFUSAL(vac_tensor_wrap(session, VAC_I64, 2, kDims, NULL, &tensor), VAC_EINVAL, "NULL");
  EXPECT_REFUSAL(vac_tensor_wrap(session, VAC_I64, 2, kDims, values, NULL), VAC_EINVAL, "NULL");
  EXPECT_REFUSAL(vac_tensor_wrap(session, VAC_CHAR, 2, kDims, values, &tensor), VAC_EINVAL, "char");
  EXPECT(tensor == NULL);
  if (EXPECT_CODE(vac_tensor_wrap(session, VAC_I64, 2, kDims, values, &tensor), VAC_OK)) {
    EXPECT(vac_tensor_data(tensor) == values && vac_tensor_bytes(tensor) == sizeof values);
    vac_tensor_free(tensor);
  }
  /* A number has no shape, and an empty tensor no data. */
  if (EXPECT_CODE(vac_tensor_wrap(session, VAC_I64, 0, NULL, values, &tensor), VAC_OK)) {
    EXPECT(vac_tensor_rank(tensor) == 0 && vac_tensor_bytes(tensor) == 8);
    vac_tensor_free(tensor);
  }
  if (EXPECT_CODE(vac_tensor_wrap(session, VAC_I64, 1, (const int64_t[]){0}, NULL, &tensor),
                  VAC_OK)) {
    EXPECT(vac_tensor_bytes(tensor) == 0);
    vac_tensor_free(tensor);
  }
}

static void check_wrap_bytes(vac_session* session) {
  /* Two strings: the offsets of their ends, then their bytes. */
  struct {
    uint64_t ends[2];
    char text[8];
  } strings = {{3, 8}, "abcdefgh"};
  const int64_t two[] = {2};
  vac_tensor* tensor = NULL;
  EXPECT_REFUSAL(vac_tensor_wrap_bytes(NULL, VAC_STRING, 1, two, &strings, sizeof strings, &tensor),
                 VAC_EINVAL, "NULL");
  EXPECT_REFUSAL(vac_tensor_wrap_bytes(session, VAC_F32, 1, two, &strings, sizeof strings, &tensor),
                 VAC_EINVAL, "VAC_STRING");
  EXPECT_REFUSAL(vac_tensor_wrap_bytes(session, VAC_STRING, 1, two, NULL, sizeof strings, &tensor),
                 VAC_EINVAL, "NULL");
  EXPECT(tensor == NULL);
  if (EXPECT_CODE(
          vac_tensor_wrap_bytes(session, VAC_STRING, 1, two, &strings, sizeof strings, &tensor),
          VAC_OK)) {
    EXPECT(vac_tensor_type(tensor) == VAC_STRING && vac_tensor_bytes(tensor) == sizeof strings);
    vac_tensor_free(tensor);
  }
}

static void check_types(void) {
  static const unsigned char widths[] = {0, 1, 1, 2, 4, 8, 1, 2, 4, 8, 2, 2, 4, 8, 8, 16};
  uint8_t type;
  for (type = 0; type < sizeof widths; ++type) EXPECT(vac_type_bytes(type) == widths[type]);
  EXPECT(vac_type_bytes(VAC_STRING) == 0 && vac_type_bytes(200) == 0);
  EXPECT(strcmp(vac_type_name(VAC_F32), "f32") == 0);
  EXPECT(strcmp(vac_type_name(VAC_OPAQUE), "opaque") == 0);
  EXPECT(strcmp(vac_type_name(200), "?") == 0);
}

/* A tensor may outlive its session. */
static void check_outlives(void) {
  vac_session* session = NULL;
  vac_tensor* tensor = NULL;
  if (!EXPECT_CODE(vac_session_open("local:", NULL, &session), VAC_OK)) return;
  EXPECT_CODE(vac_tensor_new(session, VAC_U8, 2, kDims, &tensor), VAC_OK);
  vac_session_close(session);
  EXPECT(tensor != NULL && all_zero(vac_tensor_data(tensor), vac_tensor_bytes(tensor)));
  vac_tensor_free(tensor);
}

void check_tensors(const struct context* context) {
  check_new(context->session);
  check_wrap(context->session);
  check_wrap_bytes(context->session);
  check_types();
  check_outlives();
  vac_tensor_free(NULL);
}
