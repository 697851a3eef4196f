/* SPDX-License-Identifier: Apache-2.0 */
/* buffer.h, and tensors in buffers. */
#include <string.h>

#include "check.h"

static const int64_t kDims[] = {2, 3};

static void check_new(vac_session* session) {
  static const size_t kSizes[] = {0, 1, 4096, 3000001};
  vac_buffer* buffer = NULL;
  size_t i;
  EXPECT_REFUSAL(vac_buffer_new(NULL, 64, &buffer), VAC_EINVAL, "'session' is NULL");
  EXPECT_REFUSAL(vac_buffer_new(session, 64, NULL), VAC_EINVAL, "'buffer' is NULL");
  EXPECT_REFUSAL(vac_buffer_new(session, SIZE_MAX - 4096, &buffer), VAC_ENOMEM, "no memory");
  EXPECT(buffer == NULL);
  for (i = 0; i < sizeof kSizes / sizeof *kSizes; ++i) {
    if (!EXPECT_CODE(vac_buffer_new(session, kSizes[i], &buffer), VAC_OK)) return;
    EXPECT(vac_buffer_bytes(buffer) == kSizes[i]);
    EXPECT((uintptr_t)vac_buffer_data(buffer) % (kSizes[i] < 4096 ? 64 : 4096) == 0);
    EXPECT(vac_buffer_data(buffer) != NULL && all_zero(vac_buffer_data(buffer), kSizes[i]));
    memset(vac_buffer_data(buffer), 1, kSizes[i]);
    vac_buffer_free(buffer);
  }
}

static void check_tensor_in(vac_session* session) {
  vac_buffer* buffer = NULL;
  vac_tensor* tensor = NULL;
  if (!EXPECT_CODE(vac_buffer_new(session, 100, &buffer), VAC_OK)) return;
  EXPECT_REFUSAL(vac_tensor_in(NULL, 0, VAC_F32, 2, kDims, &tensor), VAC_EINVAL,
                 "'buffer' is NULL");
  EXPECT_REFUSAL(vac_tensor_in(buffer, 0, VAC_F32, 2, NULL, &tensor), VAC_EINVAL, "'dims' is NULL");
  EXPECT_REFUSAL(vac_tensor_in(buffer, 0, VAC_F32, 2, kDims, NULL), VAC_EINVAL, "'tensor' is NULL");
  EXPECT_REFUSAL(vac_tensor_in(buffer, 2, VAC_F32, 2, kDims, &tensor), VAC_EINVAL, "multiple of");
  EXPECT_REFUSAL(vac_tensor_in(buffer, 80, VAC_F32, 2, kDims, &tensor), VAC_EINVAL, "end beyond");
  EXPECT_REFUSAL(vac_tensor_in(buffer, 0, VAC_STRING, 2, kDims, &tensor), VAC_EINVAL, "string");
  EXPECT(tensor == NULL);
  if (EXPECT_CODE(vac_tensor_in(buffer, 76, VAC_F32, 2, kDims, &tensor), VAC_OK)) {
    EXPECT(vac_tensor_data(tensor) == (char*)vac_buffer_data(buffer) + 76);
    EXPECT(vac_tensor_bytes(tensor) == 24 && vac_tensor_rank(tensor) == 2);
    EXPECT(vac_tensor_type(tensor) == VAC_F32 && vac_tensor_dims(tensor)[1] == 3);
  }
  vac_buffer_free(buffer);
  if (tensor != NULL) memset(vac_tensor_data(tensor), 1, vac_tensor_bytes(tensor));
  vac_tensor_free(tensor);
}

static void check_call(vac_session* session) {
  vac_buffer* buffer = NULL;
  if (!EXPECT_CODE(vac_buffer_new(session, 8192, &buffer), VAC_OK)) return;
  EXPECT_CODE(vac_noop(session, vac_buffer_data(buffer), vac_buffer_bytes(buffer)), VAC_OK);
  vac_buffer_free(buffer);
}

/* A buffer may outlive its session, and so may a tensor in it. */
static void check_outlives(void) {
  vac_session* session = NULL;
  vac_buffer* buffer = NULL;
  vac_tensor* tensor = NULL;
  if (!EXPECT_CODE(vac_session_open("local:", NULL, &session), VAC_OK)) return;
  EXPECT_CODE(vac_buffer_new(session, 5000, &buffer), VAC_OK);
  vac_session_close(session);
  EXPECT_REFUSAL(vac_buffer_new(session, 64, &buffer), VAC_EBADF, "closed");
  EXPECT_CODE(vac_tensor_in(buffer, 0, VAC_U8, 2, kDims, &tensor), VAC_OK);
  vac_buffer_free(buffer);
  EXPECT(tensor != NULL && all_zero(vac_tensor_data(tensor), vac_tensor_bytes(tensor)));
  vac_tensor_free(tensor);
}

void check_buffers(const struct context* context) {
  check_new(context->session);
  check_tensor_in(context->session);
  check_call(context->session);
  check_outlives();
  EXPECT(vac_buffer_data(NULL) == NULL && vac_buffer_bytes(NULL) == 0);
  vac_buffer_free(NULL);
}
