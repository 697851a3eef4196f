// SPDX-License-Identifier: Apache-2.0
#include "model.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

namespace vac::torch_plugin {
namespace {

using nlohmann::json;

constexpr int kMostThreads = 1024;
constexpr int kMostWarmups = 1000;

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

}  // namespace

Result<Options> read_options(std::string_view text, const Options& defaults) {
  const json object = json::parse(text, nullptr, false);
  if (!object.is_object()) return Error{Errc::invalid, "the options are not a JSON object"};
  Options options = defaults;
  for (const auto& [key, value] : object.items()) {
    static constexpr std::string_view kKnown[] = {"device",    "threads", "warmup",
                                                  "max_batch", "format",  "stateful"};
    if (std::find(std::begin(kKnown), std::end(kKnown), key) == std::end(kKnown)) {
      return Error{Errc::invalid,
                   "option '" + key +
                       "' is not known to torch: there are device, threads, warmup and "
                       "max_batch"};
    }
  }
  if (object.contains("device")) {
    if (!object["device"].is_string())
      return Error{Errc::invalid, "option 'device' must be a string"};
    options.device = object["device"].get<std::string>();
  }
  VAC_TRY(options.threads, read_number(object, "threads", 1, kMostThreads, options.threads));
  VAC_TRY(options.warmup, read_number(object, "warmup", 0, kMostWarmups, options.warmup));
  VAC_TRY(options.max_batch,
          read_number(object, "max_batch", 1, Options::kMostBatch, options.max_batch));
  return options;
}

Source source_of(const vac_resource_view& view) {
  return {view.paths[0], view.data[0], static_cast<std::size_t>(view.sizes[0])};
}

Result<std::shared_ptr<const Loaded>> Model::get() {
  const std::lock_guard lock(mutex_);
  if (loaded_ == nullptr) {
    VAC_TRY(loaded_, load());
  }
  return loaded_;
}

void Model::unload() {
  const std::lock_guard lock(mutex_);
  loaded_.reset();
}

Result<std::shared_ptr<const Loaded>> Model::load() const {
  auto loaded = std::make_shared<Loaded>();
  VAC_TRY(loaded->module,
          framework([&] { return torch_plugin::load(source_of(view_), options_.device); }));
  VAC_TRY(loaded->info, ModelInfo::of(*loaded->module, options_.device, options_.threads));
  VAC_CHECK(warm_up(*loaded));
  return std::shared_ptr<const Loaded>(std::move(loaded));
}

/// Runs the model on zeros, where its shapes are known: the first runs of TorchScript are slow.
Status Model::warm_up(const Loaded& loaded) const {
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

}  // namespace vac::torch_plugin
