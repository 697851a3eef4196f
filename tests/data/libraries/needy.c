/* SPDX-License-Identifier: Apache-2.0 */
/* Needs what nobody has. */
extern int vac_test_that_nobody_defines(void);

__attribute__((visibility("default"))) int needy(void) { return vac_test_that_nobody_defines(); }
