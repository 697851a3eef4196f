// SPDX-License-Identifier: Apache-2.0
// Serves the model operations for TorchScript models.
#include <vac/plugin.hpp>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "batch.hpp"
#include "framework.hpp"
#include "model.hpp"
#include "model_info.hpp"
#include "run.hpp"

namespace vac::torch_plugin {
namespace {

using nlohmann::json;

/// The plugin's own configuration: defaults for the options of models.
struct State {
  Options defaults;
};

Result<std::unique_ptr<State>> open(Host /*host*/, std::string_view config_json) {
  auto state = std::make_unique<State>();
  VAC_TRY(state->defaults, read_options(config_json, {}));
  return state;
}

Status accepts(const vac_resource_view& view) {
  const std::string name = view.file_count == 0 ? "?" : view.names[0];
  const std::string resource = "resource '" + name + "' ";
  if (view.file_count != 1) {
    return Error{Errc::invalid,
                 resource + "is a directory, TorchScript is one file: open that file"};
  }
  const std::string stem = name.substr(0, name.rfind('.'));
  const std::string remedy = "export it with torch.jit.script(model).save(\"" + stem + ".pt\")";
  switch (classify(source_of(view))) {
    case FileKind::torchscript:
      return {};
    case FileKind::state_dictionary:
      return Error{Errc::invalid, resource + "is a state dictionary, not TorchScript; " + remedy};
    case FileKind::damaged:
      return Error{Errc::invalid,
                   resource + "is damaged or cut short: copy it again, or " + remedy};
    case FileKind::other:
      break;
  }
  return Error{Errc::invalid, resource + "is not a TorchScript file; " + remedy};
}

Result<std::unique_ptr<Model>> attach(State& state, const vac_resource_view& view) {
  VAC_TRY(Options options, read_options(view.options_json, state.defaults));
  return std::make_unique<Model>(view, std::move(options));
}

Status model_load(Call&, const ops::ModelLoad::Args& in) {
  VAC_CHECK(in.model.state<Model>().get());
  return {};
}

Status model_unload(Call&, const ops::ModelUnload::Args& in) {
  in.model.state<Model>().unload();
  return {};
}

Status model_describe(Call&, const ops::ModelDescribe::Args& in) {
  VAC_TRY(const std::shared_ptr<const Loaded> loaded, in.model.state<Model>().get());
  return in.json.assign(loaded->info.description.dump());
}

Status model_run(Call&, const ops::ModelRun::Args& in) {
  Model& model = in.model.state<Model>();
  VAC_TRY(const std::shared_ptr<const Loaded> loaded, model.get());
  VAC_TRY(const std::vector<Input> inputs, read_inputs(loaded->info, in));
  VAC_TRY(const std::unique_ptr<Results> results,
          framework([&] { return loaded->module->forward(inputs, model.options().threads); }));
  return write_outputs(loaded->info, *results, in);
}

Result<std::string> describe(State& state) {
  return json{{"framework", "torch"},
              {"framework_version", framework_version()},
              {"devices", cuda_device_count() > 0 ? json{"cpu", "cuda"} : json{"cpu"}},
              {"threads", state.defaults.threads}}
      .dump();
}

}  // namespace
}  // namespace vac::torch_plugin

namespace torch_plugin = vac::torch_plugin;

VAC_PLUGIN(vac::Plugin<torch_plugin::State>("torch", "1.0")
               .opens(torch_plugin::open)
               .accepts(torch_plugin::accepts)
               .attaches(torch_plugin::attach)
               .formats({"torchscript"})
               .describes(torch_plugin::describe)
               .handles<vac::ops::ModelLoad>(torch_plugin::model_load)
               .handles<vac::ops::ModelUnload>(torch_plugin::model_unload)
               .handles<vac::ops::ModelDescribe>(torch_plugin::model_describe)
               .handles<vac::ops::ModelRun>(torch_plugin::model_run,
                                            {.max_batch = torch_plugin::Options::kMostBatch,
                                             .batch_on_request = true})
               .batches<vac::ops::ModelRun>(torch_plugin::batch_key, torch_plugin::run_batch));
