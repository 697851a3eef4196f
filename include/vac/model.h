/* SPDX-License-Identifier: Apache-2.0 */
/* Conveniences over the model operations of ops.h. */
#ifndef VAC_MODEL_H
#define VAC_MODEL_H

#include <stddef.h>

#include <vac/export.h>
#include <vac/resource.h>
#include <vac/session.h>
#include <vac/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/* vac_model_run with inputs and outputs by position: runs a TorchScript model's forward(), or
 * whatever a model's format has in its place. outputs and outputs_count are as in vac_model_run. */
VAC_API int vac_jitload_forward(vac_session* session, vac_resource* model,
                                vac_tensor* const* inputs, size_t inputs_count,
                                vac_tensor** outputs, size_t outputs_capacity,
                                size_t* outputs_count);

#ifdef __cplusplus
}
#endif
#endif
