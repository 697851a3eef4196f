// SPDX-License-Identifier: Apache-2.0
// Several model_run calls in one run of their model: their inputs are put one below the other,
// along dimension 0, and so are its outputs.
#pragma once

#include <vac/plugin.hpp>

#include <cstdint>

namespace vac::torch_plugin {

/// Equal for calls that differ in the number of rows alone; 0 where a model's rows are not known to
/// be its calls'.
std::uint64_t batch_key(const Call& call, const ops::ModelRun::Args& in);

/// Leaves to the handler of single calls what it cannot put together, and all of it where the model
/// fails.
Status run_batch(Batch<ops::ModelRun>& batch);

}  // namespace vac::torch_plugin
