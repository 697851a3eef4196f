// SPDX-License-Identifier: Apache-2.0
// Between the arguments of model_run and what the framework takes and gives.
#pragma once

#include <vac/plugin.hpp>

#include <vector>

#include "framework.hpp"
#include "model_info.hpp"

namespace vac::torch_plugin {

/// In the model's order, checked.
Result<std::vector<Input>> read_inputs(const ModelInfo& info, const ops::ModelRun::Args& in);

/// Those that were asked for, in that order; all of them where none was.
Status write_outputs(const ModelInfo& info, const Results& results, const ops::ModelRun::Args& in);

}  // namespace vac::torch_plugin
