// SPDX-License-Identifier: Apache-2.0
// What is known of a model's inputs and outputs: from vac.json, which our exporter stores in the
// file, else from the signature of forward().
#pragma once

#include <vac/result.hpp>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "framework.hpp"

namespace vac::torch_plugin {

struct Port {
  std::string name;
  std::string type;                                ///< "f32"; empty: not known
  std::optional<std::vector<std::int64_t>> shape;  ///< -1: any size
};

/// A value.
struct ModelInfo {
  std::vector<Port> inputs;
  std::vector<Port> outputs;   ///< empty: not known before a run
  bool any_inputs = false;     ///< forward() takes a list or a dictionary, of any number of tensors
  bool named_inputs = false;   ///< it takes a dictionary: every input needs its name
  nlohmann::json description;  ///< for model_describe

  static Result<ModelInfo> of(const Module& module, std::string_view device, int threads);
};

/// Puts named inputs into the order of the model's and checks number, names, types and shapes.
/// `inputs` all have names, or none.
Status arrange_inputs(const ModelInfo& info, std::vector<Input>& inputs);

/// "f32" for a code of the plugin ABI, as vac.json writes it; "?" for one that this plugin does not
/// take.
std::string_view type_text(std::uint8_t type);
std::uint8_t type_code_of(std::string_view text);
std::string shape_text(std::span<const std::int64_t> dims);

}  // namespace vac::torch_plugin
