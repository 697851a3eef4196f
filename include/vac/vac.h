/* SPDX-License-Identifier: Apache-2.0 */
/* The whole C interface of vAccel. Link with -lvac. */
#ifndef VAC_VAC_H
#define VAC_VAC_H

#include <vac/async.h>
#include <vac/buffer.h>
#include <vac/call.h>
#include <vac/error.h>
#include <vac/model.h>
#include <vac/ops.h>
#include <vac/resource.h>
#include <vac/session.h>
#include <vac/tensor.h>

#endif
