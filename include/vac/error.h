/* SPDX-License-Identifier: Apache-2.0 */
/* Error codes and the text of the last error.
 *
 * Every function returns VAC_OK (0) or a positive VAC_E... code. Outputs are untouched on failure,
 * except for counts that say how much room a call needs (VAC_ENOSPC). */
#ifndef VAC_ERROR_H
#define VAC_ERROR_H

#include <vac/error_codes.h>
#include <vac/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The last error of the calling thread as one line: what failed, with which value, why, what to do,
 * and the code in brackets. Never NULL; empty when no call of this thread has failed. Valid until
 * this thread's next failing call. */
VAC_API const char* vac_error_message(void);

/* The framework's own code of the last error of the calling thread, 0 where it gave none. */
VAC_API unsigned vac_error_detail(void);

/* "VAC_EINVAL" for a code; "VAC_E?" for a number that has no name. */
VAC_API const char* vac_error_name(int code);

#ifdef __cplusplus
}
#endif
#endif
