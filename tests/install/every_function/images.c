/* SPDX-License-Identifier: Apache-2.0 */
/* The operations on photos, which all have the same arguments. */
#include <string.h>

#include "check.h"

typedef int image_operation(vac_session*, vac_resource*, const void*, size_t, uint32_t, char*,
                            size_t, size_t*, void*, size_t, size_t*);

static const struct {
  const char* name;
  image_operation* call;
} kOperations[] = {
    {"image_classify: ", vac_image_classify}, {"image_detect: ", vac_image_detect},
    {"image_segment: ", vac_image_segment},   {"image_pose: ", vac_image_pose},
    {"image_depth: ", vac_image_depth},
};

static void check_image(const struct context* context, vac_resource* model, image_operation* call,
                        const char* name) {
  vac_session* session = context->session;
  const char image[] = "a photo's bytes";
  char result[64] = "before", again[64] = "";
  unsigned char picture[64] = {0};
  size_t result_bytes = 7, again_bytes = 0, picture_bytes = 0;
  EXPECT_REFUSAL(call(NULL, NULL, image, sizeof image, 3, result, 64, &result_bytes, NULL, 0, NULL),
                 VAC_EINVAL, name);
  EXPECT_REFUSAL(call(session, NULL, NULL, 9, 3, result, 64, &result_bytes, NULL, 0, NULL),
                 VAC_EINVAL, name);
  EXPECT_REFUSAL(call(session, NULL, image, sizeof image, 3, result, 64, NULL, NULL, 0, NULL),
                 VAC_EINVAL, name);
  EXPECT_REFUSAL(
      call(session, NULL, image, sizeof image, 3, result, 64, &result_bytes, picture, 64, NULL),
      VAC_EINVAL, name);
  EXPECT(strcmp(result, "before") == 0 && result_bytes == 7);
  EXPECT_CODE(call(session, NULL, image, sizeof image, 3, again, 64, &again_bytes, NULL, 0, NULL),
              VAC_OK);
  EXPECT(strlen(again) == again_bytes && again_bytes > 0);
  EXPECT_CODE(call(session, model, image, sizeof image, 3, result, 64, &result_bytes, picture, 64,
                   &picture_bytes),
              VAC_OK);
  EXPECT(strlen(result) == result_bytes && picture_bytes > 0 && picture_bytes <= 64);
  EXPECT(strcmp(result, again) != 0);
}

void check_images(const struct context* context) {
  vac_resource* model = open_model(context);
  size_t i;
  if (model == NULL) return;
  for (i = 0; i < sizeof kOperations / sizeof *kOperations; ++i) {
    check_image(context, model, kOperations[i].call, kOperations[i].name);
  }
  vac_resource_close(model);
}
