/* SPDX-License-Identifier: Apache-2.0 */
/* A library that is no plugin. */
#include <vac/export.h>

VAC_API int something_else(void);
int something_else(void) { return 0; }
