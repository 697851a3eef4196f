/* SPDX-License-Identifier: Apache-2.0 */
/* error.h, session.h, and the operation that does nothing. */
#include <stdlib.h>
#include <string.h>

#include "check.h"

void check_no_error_yet(void) {
  EXPECT(strcmp(vac_error_message(), "") == 0);
  EXPECT(vac_error_detail() == 0);
}

#define EXPECT_NAME(name, value, enumerator, text)   \
  EXPECT(VAC_##name == (value) && strlen(text) > 0); \
  EXPECT(strcmp(vac_error_name(VAC_##name), "VAC_" #name) == 0);

void check_errors(void) {
  VAC_ERROR_CODES(EXPECT_NAME)
  EXPECT(strcmp(vac_error_name(VAC_OK), "VAC_OK") == 0);
  EXPECT(strcmp(vac_error_name(-1), "VAC_E?") == 0);
  EXPECT(strcmp(vac_error_name(12345), "VAC_E?") == 0);
  EXPECT_REFUSAL(vac_noop(NULL, NULL, 0), VAC_EINVAL, "noop: the session is NULL");
  EXPECT(vac_error_detail() == 0);
}

static void check_open(void) {
  vac_session* session = NULL;
  EXPECT_REFUSAL(vac_session_open("local:", NULL, NULL), VAC_EINVAL, "session_open: ");
  EXPECT_REFUSAL(vac_session_open("nowhere", NULL, &session), VAC_EINVAL, "'nowhere'");
  EXPECT_REFUSAL(vac_session_open("sideways://x", NULL, &session), VAC_EINVAL, "sideways");
  EXPECT_REFUSAL(vac_session_open("unix:///nonexistent/socket", NULL, &session), VAC_ECONNREFUSED,
                 "vaccel-agent --listen unix:///nonexistent/socket");
  EXPECT_REFUSAL(vac_session_open("local:", "not JSON", &session), VAC_EINVAL, "session options");
  EXPECT_REFUSAL(vac_session_open("local:", "{\"timeout\":1}", &session), VAC_EINVAL, "'timeout'");
  EXPECT_REFUSAL(vac_session_open("local:", "{\"timeout_ms\":-1}", &session), VAC_EINVAL,
                 "'timeout_ms'");
  EXPECT_REFUSAL(vac_session_open("local:", "{\"name\":1}", &session), VAC_EINVAL, "'name'");
  EXPECT(session == NULL);
}

/* The environment that this program is started with names no address. */
static void check_default_address(void) {
  vac_session* session = NULL;
  if (!EXPECT_CODE(vac_session_open(NULL, NULL, &session), VAC_OK)) return;
  EXPECT(strcmp(vac_session_address(session), "local:") == 0);
  vac_session_close(session);
  session = NULL;
  if (!EXPECT_CODE(vac_session_open("", "", &session), VAC_OK)) return;
  EXPECT(strcmp(vac_session_address(session), "local:") == 0);
  vac_session_close(session);
}

static void check_describe(const struct context* context) {
  size_t needed = 0, bytes = 0;
  char small[8] = "before";
  char* json;
  EXPECT_REFUSAL(vac_session_describe(NULL, small, sizeof small, &bytes), VAC_EINVAL, "NULL");
  EXPECT_REFUSAL(vac_session_describe(context->session, NULL, 8, &bytes), VAC_EINVAL, "NULL");
  EXPECT_REFUSAL(vac_session_describe(context->session, small, sizeof small, NULL), VAC_EINVAL,
                 "NULL");
  EXPECT_REFUSAL(vac_session_describe(context->session, NULL, 0, &needed), VAC_ENOSPC, "capacity");
  EXPECT_REFUSAL(vac_session_describe(context->session, small, sizeof small, &bytes), VAC_ENOSPC,
                 "capacity");
  EXPECT(bytes > sizeof small && needed > sizeof small);
  EXPECT(strcmp(small, "before") == 0);
  /* An agent also tells how long it runs, a number that may grow in the meantime. */
  needed += 64;
  json = malloc(needed);
  if (!EXPECT(json != NULL)) return;
  if (EXPECT_CODE(vac_session_describe(context->session, json, needed, &bytes), VAC_OK)) {
    EXPECT(strlen(json) == bytes);
    EXPECT(json[0] == '{' && json[bytes - 1] == '}');
    EXPECT(strstr(json, "\"noop\"") != NULL);
  }
  free(json);
}

/* What a program was told last. */
struct progress {
  uint32_t stage;
  uint64_t done, total;
};

static void keep_progress(void* user, uint32_t stage, uint64_t done, uint64_t total) {
  struct progress* const progress = user;
  progress->stage = stage;
  progress->done = done;
  progress->total = total;
}

static void check_progress(const struct context* context) {
  struct progress progress = {0, 0, 0};
  EXPECT_REFUSAL(vac_session_on_progress(NULL, keep_progress, &progress), VAC_EINVAL, "NULL");
  EXPECT_CODE(vac_session_on_progress(context->session, keep_progress, &progress), VAC_OK);
  vac_resource_close(open_model(context));
  EXPECT(progress.stage == VAC_PROGRESS_READ);
  EXPECT(progress.done != 0 && progress.done == progress.total);
  progress.stage = 77;
  EXPECT_CODE(vac_session_on_progress(context->session, NULL, NULL), VAC_OK);
  vac_resource_close(open_model(context));
  EXPECT(progress.stage == 77);
}

void check_session(const struct context* context, const char* address) {
  static const unsigned char data[1000] = {1, 2, 3};
  unsigned major = 0;
  check_open();
  check_default_address();
  check_describe(context);
  check_progress(context);
  EXPECT(strcmp(vac_session_address(context->session), address) == 0);
  for (major = 0; vac_version()[major] >= '0' && vac_version()[major] <= '9'; ++major) {
  }
  EXPECT(major > 0 && vac_version()[major] == '.');
  EXPECT_CODE(vac_noop(context->session, NULL, 0), VAC_OK);
  EXPECT_CODE(vac_noop(context->session, data, 0), VAC_OK);
  EXPECT_CODE(vac_noop(context->session, data, sizeof data), VAC_OK);
  EXPECT_REFUSAL(vac_noop(context->session, NULL, 5), VAC_EINVAL, "noop: ");
}
