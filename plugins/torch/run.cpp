// SPDX-License-Identifier: Apache-2.0
#include "run.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "model.hpp"

namespace vac::torch_plugin {
namespace {

std::string output_name(const ModelInfo& info, const Results& results, std::size_t i) {
  if (!results.name(i).empty()) return results.name(i);
  if (i < info.outputs.size()) return info.outputs[i].name;
  return "output_" + std::to_string(i);
}

/// The results in the order asked for; all of them where nothing is asked for.
Result<std::vector<std::size_t>> choose_outputs(const ModelInfo& info, const Results& results,
                                                const StringList& wanted) {
  std::vector<std::size_t> chosen;
  if (wanted.empty()) {
    for (std::size_t i = 0; i < results.size(); ++i) chosen.push_back(i);
    return chosen;
  }
  std::string names;
  for (std::size_t i = 0; i < results.size(); ++i) {
    names += (i == 0 ? "" : ", ") + output_name(info, results, i);
  }
  for (const std::string_view name : wanted) {
    std::size_t i = 0;
    while (i < results.size() && output_name(info, results, i) != name) ++i;
    if (i == results.size()) {
      return Error{Errc::invalid,
                   "the model has no output '" + std::string(name) + "': its outputs are " + names};
    }
    chosen.push_back(i);
  }
  return chosen;
}

}  // namespace

Result<std::vector<Input>> read_inputs(const ModelInfo& info, const ops::ModelRun::Args& in) {
  if (!in.in_names.empty() && in.in_names.size() != in.inputs.size()) {
    return Error{Errc::invalid, std::to_string(in.inputs.size()) + " inputs and " +
                                    std::to_string(in.in_names.size()) +
                                    " names for them: give one each, or none"};
  }
  std::vector<Input> inputs;
  for (std::size_t i = 0; i < in.inputs.size(); ++i) {
    const TensorView view = in.inputs[i];
    Input& input = inputs.emplace_back();
    if (!in.in_names.empty()) input.name = in.in_names[i];
    if (!in.in_names.empty() && input.name.empty()) {
      return Error{Errc::invalid, "input " + std::to_string(i) + " has an empty name"};
    }
    input.type = view.type;
    input.dims.assign(view.dims.begin(), view.dims.end());
    input.data = const_cast<void*>(view.data);
  }
  VAC_CHECK(arrange_inputs(info, inputs));
  return inputs;
}

Status write_outputs(const ModelInfo& info, const Results& results, const ops::ModelRun::Args& in) {
  VAC_TRY(const std::vector<std::size_t> chosen, choose_outputs(info, results, in.out_names));
  for (std::uint32_t child = 0; child < chosen.size(); ++child) {
    const std::size_t i = chosen[child];
    VAC_TRY(const std::uint8_t type, framework([&] { return results.type(i); }));
    VAC_TRY(void* room, in.outputs.create(child, type, results.dims(i), results.bytes(i)));
    results.copy(i, room);
  }
  return {};
}

}  // namespace vac::torch_plugin
