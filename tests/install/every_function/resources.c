/* SPDX-License-Identifier: Apache-2.0 */
/* resource.h. */
#include <string.h>

#include "check.h"

static const char* kTextDigest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

static bool is_digest(const char* text) {
  return strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64;
}

static void check_bytes(const struct context* context) {
  vac_resource* resource = NULL;
  EXPECT_REFUSAL(vac_resource_open_bytes(NULL, "abc", 3, NULL, &resource), VAC_EINVAL, "NULL");
  EXPECT_REFUSAL(vac_resource_open_bytes(context->session, NULL, 3, NULL, &resource), VAC_EINVAL,
                 "NULL");
  EXPECT_REFUSAL(vac_resource_open_bytes(context->session, "abc", 3, NULL, NULL), VAC_EINVAL,
                 "NULL");
  EXPECT_REFUSAL(vac_resource_open_bytes(context->session, "abc", 3, "[1]", &resource), VAC_EINVAL,
                 "options");
  EXPECT(resource == NULL);
  if (!EXPECT_CODE(
          vac_resource_open_bytes(context->session, "abc", 3, "{\"device\":\"cpu\"}", &resource),
          VAC_OK))
    return;
  EXPECT(strcmp(vac_resource_digest(resource), kTextDigest) == 0);
  EXPECT_CODE(vac_model_load(context->session, resource), VAC_OK);
  vac_resource_close(resource);
}

static void check_file(const struct context* context) {
  vac_resource* resource = NULL;
  EXPECT_REFUSAL(vac_resource_open_file(NULL, "x", NULL, &resource), VAC_EINVAL, "NULL");
  EXPECT_REFUSAL(vac_resource_open_file(context->session, NULL, NULL, &resource), VAC_EINVAL,
                 "NULL");
  EXPECT_REFUSAL(vac_resource_open_file(context->session, "x", NULL, NULL), VAC_EINVAL, "NULL");
  EXPECT_REFUSAL(
      vac_resource_open_file(context->session, path_of(context, "missing"), NULL, &resource),
      VAC_ENOENT, "missing");
  EXPECT_REFUSAL(vac_resource_open_file(context->session, path_of(context, "set"), NULL, &resource),
                 VAC_EISDIR, "set");
  EXPECT(resource == NULL);
  if (!EXPECT_CODE(
          vac_resource_open_file(context->session, path_of(context, "model.bin"), NULL, &resource),
          VAC_OK))
    return;
  EXPECT(is_digest(vac_resource_digest(resource)));
  vac_resource_close(resource);
}

static void check_directory(const struct context* context) {
  vac_resource* resource = NULL;
  EXPECT_REFUSAL(vac_resource_open_directory(NULL, "x", NULL, &resource), VAC_EINVAL, "NULL");
  EXPECT_REFUSAL(vac_resource_open_directory(context->session, NULL, NULL, &resource), VAC_EINVAL,
                 "NULL");
  EXPECT_REFUSAL(
      vac_resource_open_directory(context->session, path_of(context, "model.bin"), NULL, &resource),
      VAC_ENOTDIR, "model.bin");
  EXPECT_REFUSAL(
      vac_resource_open_directory(context->session, path_of(context, "missing"), NULL, &resource),
      VAC_ENOENT, "missing");
  EXPECT(resource == NULL);
  if (!EXPECT_CODE(
          vac_resource_open_directory(context->session, path_of(context, "set"), NULL, &resource),
          VAC_OK))
    return;
  EXPECT(is_digest(vac_resource_digest(resource)));
  EXPECT_CODE(vac_model_load(context->session, resource), VAC_OK);
  vac_resource_close(resource);
}

static void check_uri(const struct context* context) {
  vac_resource* resource = NULL;
  EXPECT_REFUSAL(vac_resource_open_uri(NULL, "model://model", NULL, &resource), VAC_EINVAL, "NULL");
  EXPECT_REFUSAL(vac_resource_open_uri(context->session, NULL, NULL, &resource), VAC_EINVAL,
                 "NULL");
  if (context->local) {
    EXPECT_REFUSAL(vac_resource_open_uri(context->session, "model://model", NULL, &resource),
                   VAC_ENOTSUP, "'model://model'");
    EXPECT(resource == NULL);
    return;
  }
  EXPECT_REFUSAL(vac_resource_open_uri(context->session, "mode:/model", NULL, &resource),
                 VAC_EINVAL, "model://");
  EXPECT(resource == NULL);
  if (!EXPECT_CODE(vac_resource_open_uri(context->session, "model://model", NULL, &resource),
                   VAC_OK))
    return;
  EXPECT(strcmp(vac_resource_digest(resource), "") == 0);
  EXPECT_CODE(vac_model_load(context->session, resource), VAC_OK);
  vac_resource_close(resource);
}

/* Of another session, and one that is left to the session's end. */
static void check_owner(const struct context* context) {
  vac_session* other = NULL;
  vac_resource* resource = NULL;
  if (!EXPECT_CODE(vac_session_open("local:", NULL, &other), VAC_OK)) return;
  if (EXPECT_CODE(vac_resource_open_bytes(other, "abc", 3, NULL, &resource), VAC_OK)) {
    EXPECT_REFUSAL(vac_model_load(context->session, resource), VAC_EBADF, "another session");
    EXPECT_CODE(vac_model_load(other, resource), VAC_OK);
  }
  vac_session_close(other);
}

void check_resources(const struct context* context) {
  check_bytes(context);
  check_file(context);
  check_directory(context);
  check_uri(context);
  check_owner(context);
  vac_resource_close(NULL);
}
