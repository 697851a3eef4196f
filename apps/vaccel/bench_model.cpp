// SPDX-License-Identifier: Apache-2.0
#include "bench_model.hpp"

#include <vac/vac.hpp>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <numeric>
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

/// What tensors of so many f32 take.
Result<std::size_t> bytes_of(std::span<const std::int64_t> shape) {
  constexpr std::size_t kMost = std::size_t{1} << 40;
  std::size_t bytes = sizeof(float);
  for (const std::int64_t side : shape) {
    if (static_cast<std::size_t>(side) > kMost / bytes) {
      return Error{Errc::too_large,
                   "the input's shape has more than 1 TiB: name a smaller --shape"};
    }
    bytes *= std::max<std::size_t>(1, static_cast<std::size_t>(side));
  }
  return bytes;
}

/// The model at one address, with its tensors. The members end in the reverse of this order.
class Runner {
 public:
  static Result<Runner> open(const std::string& address, const ModelBenchOptions& options) {
    VAC_TRY(Session session, Session::open(address, {.name = "vaccel bench"}));
    const bool region = options.memory == PayloadMemory::region;
    if (region && address != "local:") {
      VAC_TRY(const AgentCounts counts, read_counts(session));
      if (!counts.shares_memory) return no_shared_memory();
    }
    VAC_TRY(Model model, open_model(session, options.model));
    VAC_TRY(const std::vector<std::int64_t> shape, shape_for(model, options));
    Runner runner(std::move(session), std::move(model));
    VAC_CHECK(runner.make_input(shape, options.memory));
    if (region) VAC_CHECK(runner.make_outputs());
    return runner;
  }

  Result<double> run_ms() const {
    Tensors results;
    const auto start = std::chrono::steady_clock::now();
    if (outputs_.empty()) {
      VAC_TRY(results, model_.run({input_}));
    } else {
      VAC_CHECK(model_.run_into(std::span(&input_, 1), outputs_));
    }
    const auto end = std::chrono::steady_clock::now();
    return std::chrono::duration<double, std::milli>(end - start).count();
  }

  Result<AgentCounts> counts() const { return read_counts(session_); }

 private:
  Runner(Session session, Model model) : session_(std::move(session)), model_(std::move(model)) {}

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

  Status make_input(std::span<const std::int64_t> shape, std::optional<PayloadMemory> memory) {
    VAC_TRY(const std::size_t bytes, bytes_of(shape));
    if (!memory) {
      VAC_TRY(input_, session_.new_tensor(Type::f32, shape));
    } else if (*memory == PayloadMemory::message) {
      ordinary_.resize(bytes / sizeof(float));
      VAC_TRY(input_, session_.wrap<float>(ordinary_, shape));
    } else {
      VAC_TRY(const Buffer buffer, session_.buffer(bytes));
      VAC_TRY(input_, buffer.tensor<float>(shape));
    }
    const std::span<float> values = input_.span<float>();
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = static_cast<float>(std::sin(static_cast<double>(i % 9973)));
    }
    return {};
  }

  /// In buffers, of the shapes that a first run gives.
  Status make_outputs() {
    VAC_TRY(const Tensors given, model_.run({input_}));
    for (const Tensor& like : given) {
      VAC_TRY(const Buffer buffer, session_.buffer(like.bytes().size()));
      VAC_TRY(Tensor output, buffer.new_tensor(like.type(), like.shape()));
      outputs_.push_back(std::move(output));
    }
    return {};
  }

  Session session_;
  Model model_;
  std::vector<float> ordinary_;
  Tensor input_;
  Tensors outputs_;  // empty: each run makes new ones
};

/// The times of each pair.
struct Pairs {
  std::vector<double> local_ms, remote_ms, percent;

  Status run(const Runner& here, const Runner& there, bool here_first) {
    VAC_TRY(const double one, (here_first ? here : there).run_ms());
    VAC_TRY(const double other, (here_first ? there : here).run_ms());
    local_ms.push_back(here_first ? one : other);
    remote_ms.push_back(here_first ? other : one);
    percent.push_back((remote_ms.back() / local_ms.back() - 1) * 100);
    return {};
  }
};

Result<ModelReport> measure_pairs(const Runner& here, const Runner& there, int pairs) {
  Pairs warm_up, measured;
  show_progress(concat("bench: pair 0 of ", pairs));
  for (int i = 0; i < kWarmUp; ++i) VAC_CHECK(warm_up.run(here, there, i % 2 == 0));
  VAC_TRY(const AgentCounts before, there.counts());
  for (int i = 0; i < pairs; ++i) {
    show_progress(concat("bench: pair ", i + 1, " of ", pairs));
    VAC_CHECK(measured.run(here, there, i % 2 == 0));
  }
  VAC_TRY(const AgentCounts after, there.counts());
  show_progress("");
  const std::vector<double>& remote_ms = measured.remote_ms;
  const Spent calls{remote_ms.size(),
                    std::accumulate(remote_ms.begin(), remote_ms.end(), 0.0) * 1e3};
  ModelReport report{median(measured.local_ms), quantile(measured.local_ms, 0.99), std::nullopt};
  report.remote = {.remote_ms = median(remote_ms),
                   .remote_p99_ms = quantile(remote_ms, 0.99),
                   .remote_mean_ms = calls.us / 1e3 / pairs,
                   .overhead_percent = median_range(measured.percent),
                   .stages = stages_between(before, after, calls),
                   .copies = copies_between(before, after, calls.calls)};
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
