// SPDX-License-Identifier: Apache-2.0
#include "batch.hpp"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "framework.hpp"
#include "model.hpp"
#include "run.hpp"

namespace vac::torch_plugin {
namespace {

/// FNV-1a.
class Hash {
 public:
  void add(std::uint64_t value) {
    for (int i = 0; i < 8; ++i) add_byte(static_cast<unsigned char>(value >> (8 * i)));
  }
  void add(std::string_view text) {
    add(text.size());
    for (const char c : text) add_byte(static_cast<unsigned char>(c));
  }
  void add(const StringList& texts) {
    add(texts.size());
    for (const std::string_view text : texts) add(text);
  }
  /// Never 0, which is no key.
  std::uint64_t value() const { return value_ == 0 ? 1 : value_; }

 private:
  void add_byte(unsigned char byte) { value_ = (value_ ^ byte) * 0x100000001b3ULL; }
  std::uint64_t value_ = 0xcbf29ce484222325ULL;
};

/// One call of a batch, with its inputs in the model's order.
struct Part {
  BatchItem<ops::ModelRun>* item;
  std::vector<Input> inputs;
};

/// Whether the rows of one may stand below those of the other. What has an equal key does, but for
/// a coincidence of hashes.
bool fits_below(const std::vector<Input>& above, const std::vector<Input>& below) {
  return std::equal(
      above.begin(), above.end(), below.begin(), below.end(), [](const Input& a, const Input& b) {
        return a.name == b.name && a.type == b.type && a.dims.size() == b.dims.size() &&
               std::equal(a.dims.begin() + 1, a.dims.end(), b.dims.begin() + 1);
      });
}

/// Whether the model says of an input how many rows it has.
bool fixes_rows(const ModelInfo& info) {
  return std::ranges::any_of(info.inputs, [](const Port& port) {
    return port.shape && !port.shape->empty() && port.shape->front() != -1;
  });
}

/// Ends the calls whose arguments are wrong; the others' inputs.
std::vector<Part> read_parts(const ModelInfo& info, Batch<ops::ModelRun>& batch) {
  std::vector<Part> parts;
  parts.reserve(batch.size());
  for (BatchItem<ops::ModelRun>& item : batch) {
    if (item.call().cancelled()) {
      item.finish(Error{Errc::cancelled});
      continue;
    }
    Result<std::vector<Input>> inputs = read_inputs(info, item.args());
    if (!inputs) {
      item.finish(std::move(inputs).error());
    } else if (parts.empty() || fits_below(parts.front().inputs, *inputs)) {
      parts.push_back({&item, *std::move(inputs)});
    }
  }
  return parts;
}

/// Runs some of the calls as one. An error: of all of them together, none is finished.
Status run_parts(Model& model, const Loaded& loaded, std::span<Part> parts) {
  std::vector<std::vector<Input>> inputs;
  inputs.reserve(parts.size());
  for (Part& part : parts) inputs.push_back(std::move(part.inputs));
  VAC_TRY(const auto results,
          framework([&] { return loaded.module->forward_rows(inputs, model.options().threads); }));
  if (results.empty()) model.found_not_by_rows();
  for (std::size_t i = 0; i < results.size(); ++i) {
    BatchItem<ops::ModelRun>& item = *parts[i].item;
    item.finish(write_outputs(loaded.info, *results[i], item.args()));
  }
  return {};
}

}  // namespace

std::uint64_t batch_key(const Call& /*call*/, const ops::ModelRun::Args& in) {
  // Options have no meaning here that is known; what they mean might be one call's alone.
  if (!in.model.state<Model>().runs_rows() || in.inputs.empty() || in.options) return 0;
  Hash hash;
  hash.add(in.in_names);
  hash.add(in.out_names);
  hash.add(in.inputs.size());
  for (const TensorView input : in.inputs) {
    if (input.dims.empty() || input.dims[0] < 1 || input.dims[0] != in.inputs[0].dims[0]) return 0;
    hash.add(input.type);
    hash.add(input.dims.size());
    for (const std::int64_t dim : input.dims.subspan(1)) hash.add(static_cast<std::uint64_t>(dim));
  }
  return hash.value();
}

Status run_batch(Batch<ops::ModelRun>& batch) {
  Model& model = batch[0].args().model.state<Model>();
  VAC_TRY(const std::shared_ptr<const Loaded> loaded, model.get());
  if (fixes_rows(loaded->info)) model.found_not_by_rows();
  if (!model.runs_rows()) return {};
  std::vector<Part> parts = read_parts(loaded->info, batch);
  std::span<Part> left = parts;
  const auto most = static_cast<std::size_t>(model.options().max_batch);
  while (left.size() > 1 && model.runs_rows()) {
    const std::size_t count = std::min(most, left.size());
    VAC_CHECK(run_parts(model, *loaded, left.first(count)));
    left = left.subspan(count);
  }
  return {};
}

}  // namespace vac::torch_plugin
