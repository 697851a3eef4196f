// SPDX-License-Identifier: Apache-2.0
// Serves the model operations for TorchScript models.
#include <vac/plugin.hpp>

#include <algorithm>
#include <functional>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "framework.hpp"
#include "model_info.hpp"

namespace vac::torch_plugin {
namespace {

using nlohmann::json;

constexpr int kMostThreads = 1024;
constexpr int kMostWarmups = 1000;

struct Options {
  std::string device = "cpu";
  int threads = 1;
  int warmup = 0;
};

/// A whole number of `object[key]`, within 0..most; `fallback` where it is absent.
Result<int> read_number(const json& object, const char* key, int least, int most, int fallback) {
  if (!object.contains(key)) return fallback;
  const json& value = object[key];
  if (!value.is_number_integer() || value.get<std::int64_t>() < least ||
      value.get<std::int64_t>() > most) {
    return Error{Errc::invalid, std::string("option '") + key + "' is " + value.dump() +
                                    ", must be a whole number from " + std::to_string(least) +
                                    " to " + std::to_string(most)};
  }
  return value.get<int>();
}

Result<Options> read_options(std::string_view text, const Options& defaults) {
  const json object = json::parse(text, nullptr, false);
  if (!object.is_object()) return Error{Errc::invalid, "the options are not a JSON object"};
  Options options = defaults;
  for (const auto& [key, value] : object.items()) {
    static constexpr std::string_view kKnown[] = {"device", "threads", "warmup", "format",
                                                  "stateful"};
    if (std::find(std::begin(kKnown), std::end(kKnown), key) == std::end(kKnown)) {
      return Error{
          Errc::invalid,
          "option '" + key + "' is not known to torch: there are device, threads and warmup"};
    }
  }
  if (object.contains("device")) {
    if (!object["device"].is_string())
      return Error{Errc::invalid, "option 'device' must be a string"};
    options.device = object["device"].get<std::string>();
  }
  VAC_TRY(options.threads, read_number(object, "threads", 1, kMostThreads, options.threads));
  VAC_TRY(options.warmup, read_number(object, "warmup", 0, kMostWarmups, options.warmup));
  return options;
}

/// The plugin's own configuration: defaults for the options of models.
struct State {
  Options defaults;
};

/// A model in loaded state.
struct Loaded {
  std::unique_ptr<Module> module;
  ModelInfo info;
};

Source source_of(const vac_resource_view& view) {
  return {view.paths[0], view.data[0], static_cast<std::size_t>(view.sizes[0])};
}

/// Runs something of the framework and turns what it throws into an Error.
template <class Body>
auto framework(Body&& body) -> Result<decltype(body())> {
  try {
    return body();
  } catch (const Failure& failure) {
    return Error{static_cast<Errc>(failure.code()), failure.what()};
  }
}

/// A resource attached. Thread-safe: one loads, the others wait for it; runs take no lock.
class Model {
 public:
  Model(const vac_resource_view& view, Options options)
      : view_(view), options_(std::move(options)) {}

  Result<std::shared_ptr<const Loaded>> get() {
    const std::lock_guard lock(mutex_);
    if (loaded_ == nullptr) {
      VAC_TRY(loaded_, load());
    }
    return loaded_;
  }
  void unload() {
    const std::lock_guard lock(mutex_);
    loaded_.reset();
  }
  const Options& options() const noexcept { return options_; }

 private:
  Result<std::shared_ptr<const Loaded>> load() const {
    auto loaded = std::make_shared<Loaded>();
    VAC_TRY(loaded->module,
            framework([&] { return torch_plugin::load(source_of(view_), options_.device); }));
    VAC_TRY(loaded->info, ModelInfo::of(*loaded->module, options_.device, options_.threads));
    VAC_CHECK(warm_up(*loaded));
    return std::shared_ptr<const Loaded>(std::move(loaded));
  }

  /// Runs the model on zeros, where its shapes are known: the first runs of TorchScript are slow.
  Status warm_up(const Loaded& loaded) const {
    std::vector<Input> inputs;
    std::vector<std::vector<double>> zeros;
    for (const Port& port : loaded.info.inputs) {
      if (!port.shape || type_code_of(port.type) == VAC_NONE) return {};
      Input input{port.name, type_code_of(port.type), *port.shape, nullptr};
      std::size_t count = 1;
      for (std::int64_t& dim : input.dims) {
        if (dim == -1) dim = 1;
        count *= static_cast<std::size_t>(dim);
      }
      zeros.emplace_back(count);  // of the widest type, so that it has room for each
      input.data = zeros.back().data();
      inputs.push_back(std::move(input));
    }
    for (int i = 0; i < options_.warmup; ++i) {
      VAC_CHECK(framework([&] { return loaded.module->forward(inputs, options_.threads); }));
    }
    return {};
  }

  const vac_resource_view& view_;
  const Options options_;
  std::mutex mutex_;
  // Shared by this state and the runs that use it, so that an unload does not pull it from under
  // them.
  std::shared_ptr<const Loaded> loaded_;
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

Status model_run(Call&, const ops::ModelRun::Args& in) {
  Model& model = in.model.state<Model>();
  VAC_TRY(const std::shared_ptr<const Loaded> loaded, model.get());
  VAC_TRY(const std::vector<Input> inputs, read_inputs(loaded->info, in));
  VAC_TRY(const std::unique_ptr<Results> results,
          framework([&] { return loaded->module->forward(inputs, model.options().threads); }));
  VAC_TRY(const std::vector<std::size_t> chosen,
          choose_outputs(loaded->info, *results, in.out_names));
  for (std::uint32_t child = 0; child < chosen.size(); ++child) {
    const std::size_t i = chosen[child];
    VAC_TRY(const std::uint8_t type, framework([&] { return results->type(i); }));
    VAC_TRY(void* room, in.outputs.create(child, type, results->dims(i), results->bytes(i)));
    results->copy(i, room);
  }
  return {};
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
               .handles<vac::ops::ModelRun>(torch_plugin::model_run));
