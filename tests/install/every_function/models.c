/* SPDX-License-Identifier: Apache-2.0 */
/* model.h, and the operations on models. */
#include <stdlib.h>
#include <string.h>

#include "check.h"

#define OUTPUTS 8

static const int64_t kFour[] = {4};

static void free_all(vac_tensor** tensors, size_t count) {
  size_t i;
  for (i = 0; i < count; ++i) vac_tensor_free(tensors[i]);
}

static void check_load(const struct context* context, vac_resource* model) {
  EXPECT_REFUSAL(vac_model_load(context->session, NULL), VAC_EINVAL, "model_load: ");
  EXPECT_REFUSAL(vac_model_load(NULL, model), VAC_EINVAL, "model_load: ");
  EXPECT_CODE(vac_model_load(context->session, model), VAC_OK);
  EXPECT_CODE(vac_model_load(context->session, model), VAC_OK);
  EXPECT_REFUSAL(vac_model_unload(context->session, NULL), VAC_EINVAL, "model_unload: ");
  EXPECT_CODE(vac_model_unload(context->session, model), VAC_OK);
}

static void check_describe(const struct context* context, vac_resource* model) {
  size_t needed = 0, bytes = 77;
  char* json;
  EXPECT_REFUSAL(vac_model_describe(context->session, NULL, NULL, 0, &needed), VAC_EINVAL,
                 "model_describe: ");
  EXPECT_REFUSAL(vac_model_describe(context->session, model, NULL, 0, NULL), VAC_EINVAL, "NULL");
  EXPECT_REFUSAL(vac_model_describe(context->session, model, NULL, 5, &bytes), VAC_EINVAL, "NULL");
  EXPECT(bytes == 77);
  EXPECT_REFUSAL(vac_model_describe(context->session, model, NULL, 0, &needed), VAC_ENOSPC,
                 "capacity");
  json = malloc(needed);
  if (!EXPECT(json != NULL)) return;
  EXPECT_REFUSAL(vac_model_describe(context->session, model, json, needed - 1, &bytes), VAC_ENOSPC,
                 "capacity");
  EXPECT(bytes == needed);
  if (EXPECT_CODE(vac_model_describe(context->session, model, json, needed, &bytes), VAC_OK)) {
    EXPECT(bytes == needed - 1 && strlen(json) == bytes);
    EXPECT(strstr(json, "\"inputs\"") != NULL);
  }
  free(json);
}

/* New tensors come back, and how many there are where there is no room for them. */
static void check_run(const struct context* context, vac_resource* model, vac_tensor* input) {
  static const char* const kNames[] = {"x"};
  static const char* const kNoName[] = {NULL};
  vac_session* session = context->session;
  vac_tensor *inputs[] = {input, NULL}, *outputs[OUTPUTS] = {NULL};
  size_t count = 99, needed = 0, i;
  EXPECT_REFUSAL(
      vac_model_run(session, NULL, NULL, 0, inputs, 1, NULL, 0, NULL, 0, outputs, OUTPUTS, &count),
      VAC_EINVAL, "model_run: ");
  EXPECT_REFUSAL(
      vac_model_run(session, model, NULL, 0, inputs, 2, NULL, 0, NULL, 0, outputs, OUTPUTS, &count),
      VAC_EINVAL, "argument 'inputs' has NULL as item 1");
  EXPECT_REFUSAL(vac_model_run(session, model, kNoName, 1, inputs, 1, NULL, 0, NULL, 0, outputs,
                               OUTPUTS, &count),
                 VAC_EINVAL, "argument 'in_names' has NULL as item 0");
  EXPECT_REFUSAL(vac_model_run(session, model, NULL, 0, inputs, 300, NULL, 0, NULL, 0, outputs,
                               OUTPUTS, &count),
                 VAC_EFBIG, "300");
  EXPECT(count == 99 && outputs[0] == NULL);
  EXPECT_REFUSAL(
      vac_model_run(session, model, kNames, 1, inputs, 1, NULL, 0, "opt", 3, NULL, 0, &needed),
      VAC_ENOSPC, "room for 0");
  if (!EXPECT_CODE(vac_model_run(session, model, kNames, 1, inputs, 1, NULL, 0, "opt", 3, outputs,
                                 OUTPUTS, &count),
                   VAC_OK))
    return;
  EXPECT(count >= 1 && count == needed);
  for (i = 0; i < count; ++i) EXPECT(outputs[i] != NULL && vac_tensor_rank(outputs[i]) >= 1);
  for (i = count; i < OUTPUTS; ++i) EXPECT(outputs[i] == NULL);
  free_all(outputs, count);
}

/* Tensors of the caller's own are filled in place. */
static void check_run_in_place(const struct context* context, vac_resource* model,
                               vac_tensor* input) {
  vac_session* session = context->session;
  static const char* const kWanted[] = {"y"};
  unsigned char bytes[4] = {0, 0, 0, 0};
  float number[4] = {1, 2, 3, 4};
  vac_tensor *own = NULL, *wrong = NULL;
  size_t count = 0;
  if (EXPECT_CODE(vac_tensor_wrap(session, VAC_U8, 1, kFour, bytes, &own), VAC_OK)) {
    vac_tensor* outputs[] = {own};
    EXPECT_CODE(
        vac_model_run(session, model, NULL, 0, &input, 1, kWanted, 1, NULL, 0, outputs, 1, &count),
        VAC_OK);
    EXPECT(count == 1 && outputs[0] == own);
    EXPECT(memcmp(bytes, "\0\0\0\0", 4) != 0);
  }
  if (EXPECT_CODE(vac_tensor_wrap(session, VAC_F32, 1, kFour, number, &wrong), VAC_OK)) {
    EXPECT_REFUSAL(
        vac_model_run(session, model, NULL, 0, &input, 1, kWanted, 1, NULL, 0, &wrong, 1, &count),
        VAC_EINVAL, "f32 [4]");
    EXPECT(number[0] == 1 && number[3] == 4);
  }
  vac_tensor_free(own);
  vac_tensor_free(wrong);
}

static void check_forward(const struct context* context, vac_resource* model, vac_tensor* input) {
  vac_tensor *outputs[OUTPUTS] = {NULL}, *same[OUTPUTS] = {NULL};
  size_t count = 0, same_count = 0;
  EXPECT_REFUSAL(vac_jitload_forward(context->session, NULL, &input, 1, outputs, OUTPUTS, &count),
                 VAC_EINVAL, "model_run: ");
  EXPECT_REFUSAL(vac_jitload_forward(NULL, model, &input, 1, outputs, OUTPUTS, &count), VAC_EINVAL,
                 "NULL");
  EXPECT_REFUSAL(vac_jitload_forward(context->session, model, &input, 1, outputs, OUTPUTS, NULL),
                 VAC_EINVAL, "NULL");
  EXPECT_CODE(vac_jitload_forward(context->session, model, &input, 1, outputs, OUTPUTS, &count),
              VAC_OK);
  EXPECT_CODE(vac_model_run(context->session, model, NULL, 0, &input, 1, NULL, 0, NULL, 0, same,
                            OUTPUTS, &same_count),
              VAC_OK);
  EXPECT(count == same_count && count >= 1);
  if (count >= 1 && same_count >= 1) {
    EXPECT(vac_tensor_bytes(outputs[0]) == vac_tensor_bytes(same[0]));
    EXPECT(memcmp(vac_tensor_data(outputs[0]), vac_tensor_data(same[0]),
                  vac_tensor_bytes(same[0])) == 0);
  }
  free_all(outputs, count);
  free_all(same, same_count);
}

void check_models(const struct context* context) {
  vac_resource* model = open_model(context);
  vac_tensor* input = NULL;
  if (model == NULL) return;
  check_load(context, model);
  check_describe(context, model);
  if (EXPECT_CODE(vac_tensor_new(context->session, VAC_F32, 1, kFour, &input), VAC_OK)) {
    ((float*)vac_tensor_data(input))[0] = 1.5F;
    check_run(context, model, input);
    check_run_in_place(context, model, input);
    check_forward(context, model, input);
  }
  vac_tensor_free(input);
  vac_resource_close(model);
}
