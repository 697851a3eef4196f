/* SPDX-License-Identifier: Apache-2.0 */
/* Calls every public function of libvac, with good arguments and with bad ones where the contract
 * says what is answered: every_function ADDRESS FOLDER. The session is served by the plugin noop,
 * whose answers follow from a call's inputs. An agent at ADDRESS has the model `model`. */
#include <stdio.h>
#include <string.h>

#include "check.h"

static int summary(void) {
  printf("%d checks, %d failed\n", checked, failed);
  return failed == 0 ? 0 : 1;
}

int main(int argc, char** argv) {
  struct context context = {NULL, NULL, false};
  if (argc != 3) {
    fprintf(stderr, "usage: every_function ADDRESS FOLDER\n");
    return 2;
  }
  context.folder = argv[2];
  context.local = strcmp(argv[1], "local:") == 0;
  check_no_error_yet();
  if (!EXPECT_CODE(vac_session_open(argv[1], "{\"name\":\"every_function\",\"timeout_ms\":60000}",
                                    &context.session),
                   VAC_OK))
    return summary();
  check_errors();
  check_session(&context, argv[1]);
  check_resources(&context);
  check_tensors(&context);
  check_buffers(&context);
  check_models(&context);
  check_images(&context);
  check_values(&context);
  check_numbers(&context);
  check_async(&context);
  vac_session_close(context.session);
  vac_session_close(NULL);
  return summary();
}
