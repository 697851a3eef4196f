/* SPDX-License-Identifier: Apache-2.0 */
/* async.h, and every operation submitted: what the functions that block answer. */
#include <string.h>

#include "check.h"

#define N 4

/* Both forms of an operation answer the same. What follows are the arguments after the session. */
#define EXPECT_SAME(operation, ...)                                                              \
  do {                                                                                           \
    vac_call_handle* submitted = NULL;                                                           \
    const int blocking = vac_##operation(session, __VA_ARGS__);                                  \
    if (EXPECT_CODE(vac_##operation##_submit(session, NULL, __VA_ARGS__, &submitted), VAC_OK)) { \
      EXPECT_CODE(vac_call_finish(submitted), blocking);                                         \
    }                                                                                            \
  } while (0)

static void submit_models(vac_session* session, vac_resource* model) {
  vac_tensor* none[8] = {NULL};
  char text[4096];
  size_t bytes = 0, count = 0, i;
  EXPECT_SAME(noop, "data", 4);
  EXPECT_SAME(model_load, model);
  EXPECT_SAME(model_unload, model);
  EXPECT_SAME(model_describe, model, text, sizeof text, &bytes);
  EXPECT(strlen(text) == bytes && bytes != 0);
  EXPECT_SAME(model_run, model, NULL, 0, NULL, 0, NULL, 0, NULL, 0, none, 0, &count);
  for (i = 0; i < 8; ++i) EXPECT(none[i] == NULL);
  EXPECT_SAME(exec, model, "f", NULL, 0, NULL, 0);
  EXPECT_SAME(opencv, NULL, 0, NULL, 0);
}

static void submit_photos(vac_session* session) {
  char text[64];
  size_t bytes = 0;
  EXPECT_SAME(image_classify, NULL, "photo", 5, 1, text, sizeof text, &bytes, NULL, 0, NULL);
  EXPECT_SAME(image_detect, NULL, "photo", 5, 1, text, sizeof text, &bytes, NULL, 0, NULL);
  EXPECT_SAME(image_segment, NULL, "photo", 5, 1, text, sizeof text, &bytes, NULL, 0, NULL);
  EXPECT_SAME(image_pose, NULL, "photo", 5, 1, text, sizeof text, &bytes, NULL, 0, NULL);
  EXPECT_SAME(image_depth, NULL, "photo", 5, 1, text, sizeof text, &bytes, NULL, 0, NULL);
  EXPECT(strlen(text) == bytes);
}

static void submit_arrays(vac_session* session) {
  const double data[N] = {3, 1, 4, 1};
  const float a[N] = {1, 2, 3, 4};
  const int32_t ints[N] = {1, 2, 3, 4};
  double result[N] = {0}, min = 0, max = 0;
  float c[N] = {0}, d[N] = {0};
  int32_t out[N] = {0};
  size_t count = 0, other = 0;
  EXPECT_SAME(minmax, data, N, 1, 2, result, N, &count, &min, &max);
  EXPECT(count == N && min != 0);
  EXPECT_SAME(sgemm, 2, 2, 2, 1, a, N, 2, a, N, 2, 0, c, N, 2);
  EXPECT_SAME(fpga_arraycopy, ints, N, out, N, &count);
  EXPECT_SAME(fpga_mmult, a, N, a, N, c, N, &count);
  EXPECT_SAME(fpga_vadd, a, N, a, N, c, N, &count);
  EXPECT_SAME(fpga_parallel, a, N, a, N, c, N, &count, d, N, &other);
}

static void count_call(void* user, vac_call_handle* call, int code) {
  (void)call;
  if (code == VAC_OK) ++*(int*)user;
}

static void check_completions(vac_session* session) {
  vac_completions* completions = NULL;
  vac_call_handle *submitted = NULL, *done = NULL;
  vac_call_options options;
  void* user = NULL;
  int number = 0;
  EXPECT_REFUSAL(vac_completions_new(NULL), VAC_EINVAL, "NULL");
  if (!EXPECT_CODE(vac_completions_new(&completions), VAC_OK)) return;
  EXPECT(vac_completions_fd(completions) >= 0 && vac_completions_fd(NULL) == -1);
  EXPECT_REFUSAL(vac_completions_next(completions, &done, &user), VAC_EAGAIN, "no call is done");
  EXPECT_REFUSAL(vac_completions_next(completions, NULL, NULL), VAC_EINVAL, "NULL");
  memset(&options, 0, sizeof options);
  options.struct_size = sizeof options;
  options.user = &number;
  options.completions = completions;
  if (EXPECT_CODE(vac_noop_submit(session, &options, NULL, 0, &submitted), VAC_OK)) {
    EXPECT_CODE(vac_call_wait(submitted, VAC_FOREVER), VAC_OK);
    EXPECT_CODE(vac_completions_next(completions, &done, &user), VAC_OK);
    EXPECT(done == submitted && user == &number);
    EXPECT_CODE(vac_call_finish(done), VAC_OK);
  }
  vac_completions_free(completions);
  vac_completions_free(NULL);
}

static void check_handles(vac_session* session) {
  int told = 0;
  size_t index = 9;
  vac_call_options options;
  vac_call_handle* calls[2] = {NULL, NULL};
  memset(&options, 0, sizeof options);
  EXPECT_REFUSAL(vac_noop_submit(session, &options, NULL, 0, &calls[1]), VAC_EINVAL, "struct_size");
  options.struct_size = sizeof options;
  options.done = count_call;
  options.user = &told;
  EXPECT_REFUSAL(vac_noop_submit(NULL, &options, NULL, 0, &calls[1]), VAC_EINVAL, "session");
  EXPECT_REFUSAL(vac_noop_submit(session, &options, NULL, 0, NULL), VAC_EINVAL, "handle");
  EXPECT_REFUSAL(vac_call_wait_any(calls, 2, VAC_FOREVER, &index), VAC_EINVAL, "no call");
  EXPECT_REFUSAL(vac_call_wait_any(calls, 2, VAC_FOREVER, NULL), VAC_EINVAL, "index");
  if (!EXPECT_CODE(vac_noop_submit(session, &options, NULL, 0, &calls[1]), VAC_OK)) return;
  EXPECT_CODE(vac_call_wait_any(calls, 2, VAC_FOREVER, &index), VAC_OK);
  EXPECT(index == 1 && told == 1);
  EXPECT_CODE(vac_call_wait(calls[1], 0), VAC_OK);
  EXPECT(vac_call_is_done(calls[1]) == 1);
  vac_call_cancel(calls[1]);
  EXPECT_CODE(vac_call_finish(calls[1]), VAC_OK);
  check_completions(session);
  EXPECT_REFUSAL(vac_call_finish(calls[1]), VAC_EBADF, "finished");
  EXPECT_REFUSAL(vac_call_finish(NULL), VAC_EINVAL, "NULL");
}

void check_async(const struct context* context) {
  vac_resource* const model = open_model(context);
  if (model == NULL) return;
  submit_models(context->session, model);
  vac_resource_close(model);
  submit_photos(context->session);
  submit_arrays(context->session);
  check_handles(context->session);
}
