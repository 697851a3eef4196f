// SPDX-License-Identifier: Apache-2.0
#include "bench_model.hpp"

#include <vac/vac.hpp>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <span>
#include <system_error>
#include <utility>

#include "base/text.hpp"
#include "command.hpp"
#include "model_description.hpp"
#include "open_model.hpp"

namespace vac::cli {
namespace {

constexpr int kWarmUp = 5;

/// The model at one address, with its input. The members end in the reverse of this order.
class Runner {
 public:
  static Result<Runner> open(const std::string& address, const ModelBenchOptions& options) {
    VAC_TRY(Session session, Session::open(address, {.name = "vaccel bench"}));
    VAC_TRY(Model model, open_model(session, options.model));
    VAC_TRY(const std::vector<std::int64_t> shape, shape_for(model, options));
    VAC_TRY(Tensor input, session.new_tensor(Type::f32, shape));
    const std::span<float> values = input.span<float>();
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = static_cast<float>(std::sin(static_cast<double>(i % 9973)));
    }
    return Runner(std::move(session), std::move(model), std::move(input));
  }

  Result<double> run_ms() const {
    const auto start = std::chrono::steady_clock::now();
    VAC_TRY(const Tensors outputs, model_.run({input_}));
    const auto end = std::chrono::steady_clock::now();
    return std::chrono::duration<double, std::milli>(end - start).count();
  }

 private:
  Runner(Session session, Model model, Tensor input)
      : session_(std::move(session)), model_(std::move(model)), input_(std::move(input)) {}

  static Result<std::vector<std::int64_t>> shape_for(const Model& model,
                                                     const ModelBenchOptions& options) {
    if (!options.shape.empty()) return options.shape;
    VAC_TRY(const std::string json, model.describe());
    VAC_TRY(ModelDescription description, parse_description(json, options.model));
    if (description.input_shape.empty()) {
      return Error{Errc::invalid,
                   concat("model '", options.model,
                          "' does not say its input's shape: add --shape 1,3,224,224")};
    }
    for (std::int64_t& side : description.input_shape) {
      if (side < 0) side = 1;
    }
    return std::move(description.input_shape);
  }

  Session session_;
  Model model_;
  Tensor input_;
};

Result<ModelReport> measure_pairs(const Runner& here, const Runner& there, int pairs) {
  std::vector<double> local_ms;
  std::vector<double> remote_ms;
  std::vector<double> percent;
  for (int i = -kWarmUp; i < pairs; ++i) {
    show_progress(concat("bench: pair ", std::max(i + 1, 0), " of ", pairs));
    const bool here_first = i % 2 == 0;
    VAC_TRY(const double one, (here_first ? here : there).run_ms());
    VAC_TRY(const double other, (here_first ? there : here).run_ms());
    if (i < 0) continue;
    const double local = here_first ? one : other;
    const double remote = here_first ? other : one;
    local_ms.push_back(local);
    remote_ms.push_back(remote);
    percent.push_back((remote - local) / local * 100);
  }
  show_progress("");
  ModelReport report{median(local_ms), quantile(local_ms, 0.99), std::nullopt};
  report.remote = {median(remote_ms), quantile(remote_ms, 0.99), median_range(percent)};
  return report;
}

Result<ModelReport> measure_here(const Runner& here, int runs) {
  std::vector<double> local_ms;
  for (int i = -kWarmUp; i < runs; ++i) {
    VAC_TRY(const double ms, here.run_ms());
    if (i >= 0) local_ms.push_back(ms);
  }
  return ModelReport{median(local_ms), quantile(local_ms, 0.99), std::nullopt};
}

}  // namespace

Result<std::vector<std::int64_t>> parse_shape(std::string_view text) {
  std::vector<std::int64_t> shape;
  for (std::string_view rest = text;;) {
    const std::string_view side = rest.substr(0, rest.find(','));
    std::int64_t value = 0;
    const char* const end = side.data() + side.size();
    const auto read = std::from_chars(side.data(), end, value);
    if (read.ec != std::errc() || read.ptr != end || value < 1) break;
    shape.push_back(value);
    if (side.size() == rest.size()) return shape;
    rest.remove_prefix(side.size() + 1);
  }
  return Error{Errc::invalid,
               concat("'", text, "' is not a shape: write whole numbers such as 1,3,224,224")};
}

Result<ModelReport> measure_model(const ModelBenchOptions& options) {
  VAC_TRY(const Runner here, Runner::open("local:", options));
  if (options.address == "local:") return measure_here(here, options.pairs);
  VAC_TRY(const Runner there, Runner::open(options.address, options));
  return measure_pairs(here, there, options.pairs);
}

}  // namespace vac::cli
