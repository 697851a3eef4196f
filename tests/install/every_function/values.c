/* SPDX-License-Identifier: Apache-2.0 */
/* The operations on values of any type. */
#include <string.h>

#include "check.h"

static const int64_t kShape[] = {2, 2};

struct data {
  double scalar;
  int32_t array[4];
  float tensor[4];
};

static void fill(struct data* data, vac_value values[3]) {
  static const struct data kData = {1.5, {1, 2, 3, 4}, {1, 2, 3, 4}};
  *data = kData;
  memset(values, 0, 3 * sizeof *values);
  values[0].type = VAC_F64;
  values[0].form = VAC_SCALAR;
  values[0].tag = 7;
  values[0].data = &data->scalar;
  values[0].bytes = sizeof data->scalar;
  values[1].type = VAC_I32;
  values[1].form = VAC_ARRAY;
  values[1].data = data->array;
  values[1].bytes = sizeof data->array;
  values[2].type = VAC_F32;
  values[2].form = VAC_TENSOR;
  values[2].rank = 2;
  values[2].data = data->tensor;
  values[2].bytes = sizeof data->tensor;
  values[2].dims = kShape;
}

static void check_exec(const struct context* context, vac_resource* library) {
  vac_session* session = context->session;
  struct data in, out, untouched;
  vac_value read[3], write[3], same[3];
  fill(&in, read);
  fill(&out, write);
  fill(&untouched, same);
  EXPECT_REFUSAL(vac_exec(NULL, library, "f", read, 3, write, 3), VAC_EINVAL, "exec: ");
  EXPECT_REFUSAL(vac_exec(session, NULL, "f", read, 3, write, 3), VAC_EINVAL, "exec: ");
  EXPECT_REFUSAL(vac_exec(session, library, NULL, read, 3, write, 3), VAC_EINVAL, "exec: ");
  EXPECT_REFUSAL(vac_exec(session, library, "f", NULL, 3, write, 3), VAC_EINVAL, "exec: ");
  EXPECT_REFUSAL(vac_exec(session, library, "f", read, 256, write, 3), VAC_EFBIG, "256");
  EXPECT(memcmp(&out, &untouched, sizeof out) == 0);
  EXPECT_CODE(vac_exec(session, library, "f", NULL, 0, NULL, 0), VAC_OK);
  EXPECT_CODE(vac_exec(session, library, "f", read, 3, write, 3), VAC_OK);
  EXPECT(memcmp(&in, &untouched, sizeof in) == 0);
  EXPECT(out.scalar != untouched.scalar);
  EXPECT(memcmp(out.array, untouched.array, sizeof out.array) != 0);
  EXPECT(memcmp(out.tensor, untouched.tensor, sizeof out.tensor) != 0);
  EXPECT(write[1].bytes == sizeof out.array && write[2].dims == kShape && write[0].tag == 7);
}

static void check_refused_values(const struct context* context) {
  vac_session* session = context->session;
  struct data in;
  vac_value read[3];
  fill(&in, read);
  read[0].data = NULL;
  EXPECT_REFUSAL(vac_opencv(session, read, 3, NULL, 0), VAC_EINVAL, "item 0");
  fill(&in, read);
  read[1].bytes = 15;
  EXPECT_REFUSAL(vac_opencv(session, read, 3, NULL, 0), VAC_EINVAL, "15");
  fill(&in, read);
  read[2].dims = NULL;
  EXPECT_REFUSAL(vac_opencv(session, read, 3, NULL, 0), VAC_EINVAL, "item 2");
  fill(&in, read);
  read[2].rank = 9;
  EXPECT_REFUSAL(vac_opencv(session, read, 3, NULL, 0), VAC_EINVAL, "item 2");
  fill(&in, read);
  read[2].bytes = 12;
  EXPECT_REFUSAL(vac_opencv(session, read, 3, NULL, 0), VAC_EINVAL, "12");
  fill(&in, read);
  read[1].type = VAC_RESOURCE;
  EXPECT_REFUSAL(vac_opencv(session, read, 3, NULL, 0), VAC_EINVAL, "opencv: ");
  fill(&in, read);
  read[1].form = VAC_LIST;
  EXPECT_REFUSAL(vac_opencv(session, read, 3, NULL, 0), VAC_EINVAL, "opencv: ");
}

static void check_opencv(const struct context* context) {
  vac_session* session = context->session;
  struct data in, out, untouched;
  vac_value read[3], write[3], same[3];
  fill(&in, read);
  fill(&out, write);
  fill(&untouched, same);
  EXPECT_REFUSAL(vac_opencv(NULL, read, 3, write, 3), VAC_EINVAL, "opencv: ");
  EXPECT_REFUSAL(vac_opencv(session, read, 3, NULL, 3), VAC_EINVAL, "opencv: ");
  EXPECT_CODE(vac_opencv(session, read, 3, write, 3), VAC_OK);
  EXPECT(memcmp(&out, &untouched, sizeof out) != 0);
  EXPECT(memcmp(&in, &untouched, sizeof in) == 0);
}

void check_values(const struct context* context) {
  vac_resource* library = open_model(context);
  if (library == NULL) return;
  check_exec(context, library);
  check_refused_values(context);
  check_opencv(context);
  vac_resource_close(library);
}
