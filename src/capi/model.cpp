// SPDX-License-Identifier: Apache-2.0
#include <vac/model.h>
#include <vac/ops.h>

#include <cstddef>

int vac_jitload_forward(vac_session* session, vac_resource* model, vac_tensor* const* inputs,
                        std::size_t inputs_count, vac_tensor** outputs,
                        std::size_t outputs_capacity, std::size_t* outputs_count) {
  return vac_model_run(session, model, nullptr, 0, inputs, inputs_count, nullptr, 0, nullptr, 0,
                       outputs, outputs_capacity, outputs_count);
}
