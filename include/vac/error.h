/* SPDX-License-Identifier: Apache-2.0 */
/* Error codes and the text of the last error.
 *
 * A function that can fail returns VAC_OK (0) or a positive VAC_E... code. On failure handles,
 * numbers and counts for results are untouched, except for counts that say how much room a call
 * needs (VAC_ENOSPC); memory for arrays, text and tensors may have been written to.
 *
 * Arguments are checked: NULL for a handle, a source or the place of a result, shapes that do not
 * fit, text that is not UTF-8, memory that a call writes and that another argument has as well
 * (inputs may share) are VAC_EINVAL, as are sizes that no memory has, or VAC_EFBIG; handles that
 * are closed are VAC_EBADF. Not seen are memory that is not the caller's or is smaller than its
 * size says, a tensor that is freed, and a handle so long closed that its memory serves another.
 *
 * A function that tells what a handle holds cannot fail: of NULL it tells 0, NULL or "". Those that
 * close or free ignore NULL. */
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
