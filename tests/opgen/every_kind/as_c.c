// SPDX-License-Identifier: Apache-2.0
#include <vac/ops.h>

int use_every_kind(vac_session* session, vac_tensor* tensor, vac_resource* resource);

int use_every_kind(vac_session* session, vac_tensor* tensor, vac_resource* resource) {
  const uint8_t boolean = 1;
  const vac_c64 complex = {1, 2};
  const char* names[] = {"a"};
  vac_value value = {0};
  vac_tensor* out[2] = {0};
  char text[8];
  size_t sizes[5];
  int code = vac_nothing(session);
  code |= vac_scalars_in(session, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12.0F, 13.0, complex);
  code |= vac_scalars_optional(session, &boolean, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
                               NULL, NULL, NULL, NULL, &complex);
  code |= vac_whole_in(session, "a", NULL, text, 8, NULL, 0, tensor, NULL, resource, NULL, names, 1,
                       out, 0, &value, 1);
  code |= vac_whole_out(session, text, 8, &sizes[0], NULL, 0, NULL, text, 8, &sizes[1], NULL, 0,
                        NULL, &out[0], NULL, tensor, NULL, out, 2, &sizes[2], out, 0, &value, 1);
  return code;
}
