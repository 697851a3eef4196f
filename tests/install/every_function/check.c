/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <stdio.h>
#include <string.h>

int checked, failed;

bool expect(bool condition, const char* text, const char* file, int line) {
  ++checked;
  if (condition) return true;
  ++failed;
  printf("%s:%d: not so: %s (last error: %s)\n", file, line, text, vac_error_message());
  return false;
}

bool expect_code(int got, int wanted, const char* text, const char* file, int line) {
  ++checked;
  if (got == wanted) return true;
  ++failed;
  printf("%s:%d: %s answers %s and not %s (last error: %s)\n", file, line, text,
         got == VAC_OK ? "VAC_OK" : vac_error_name(got),
         wanted == VAC_OK ? "VAC_OK" : vac_error_name(wanted), vac_error_message());
  return false;
}

bool expect_refusal(int got, int wanted, const char* part, const char* text, const char* file,
                    int line) {
  char end[64];
  const char* message = vac_error_message();
  if (!expect_code(got, wanted, text, file, line)) return false;
  ++checked;
  snprintf(end, sizeof end, " (%s)", vac_error_name(wanted));
  if (strstr(message, part) != NULL && strlen(message) > strlen(end) &&
      strcmp(message + strlen(message) - strlen(end), end) == 0)
    return true;
  ++failed;
  printf("%s:%d: %s says '%s' and not '%s ...%s'\n", file, line, text, message, part, end);
  return false;
}

const char* path_of(const struct context* context, const char* name) {
  static char path[4096];
  snprintf(path, sizeof path, "%s/%s", context->folder, name);
  return path;
}

vac_resource* open_model(const struct context* context) {
  vac_resource* model = NULL;
  EXPECT_CODE(vac_resource_open_file(context->session, path_of(context, "model.bin"), NULL, &model),
              VAC_OK);
  return model;
}

bool all_zero(const void* data, size_t bytes) {
  const unsigned char* byte = data;
  size_t i;
  for (i = 0; i < bytes; ++i) {
    if (byte[i] != 0) return false;
  }
  return true;
}
