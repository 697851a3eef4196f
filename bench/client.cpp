// SPDX-License-Identifier: Apache-2.0
// bench-client: calls through an agent (or in process) when it is told to, see driver.hpp.
// `idle N` opens so many more sessions that do nothing, or closes those that are too many.
#include <vac/vac.hpp>

#include <CLI/CLI.hpp>
#include <array>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>

#include "base/malloc_policy.hpp"
#include "driver.hpp"
#include "vaccel/bench_noop.hpp"
#include "vaccel/open_model.hpp"

namespace vac::bench {
namespace {

struct Options {
  std::string address = "local:";
  std::uint64_t bytes = 64;
  bool region = false;
  std::optional<std::uint64_t> burn_us;
  std::string model;
  std::int64_t batch = 1;
  std::size_t clients = 1;
  bool tuned = false;
};

/// A session of its own, and no-ops in it.
class Noop final : public cli::Subject {
 public:
  static Result<std::unique_ptr<Subject>> open(const Options& options) {
    VAC_TRY(Session session, Session::open(options.address, {.name = "bench"}));
    auto noop = std::make_unique<Noop>(std::move(session));
    VAC_TRY(auto call, cli::NoopCall::make(noop->session_, options.bytes,
                                           options.region ? cli::PayloadMemory::region
                                                          : cli::PayloadMemory::message));
    noop->call_.emplace(std::move(call));
    VAC_CHECK(cli::first_call(*noop->call_, options.address));
    return noop;
  }
  explicit Noop(Session session) : session_(std::move(session)) {}

  Status call() override { return call_->call(); }

 private:
  Session session_;
  std::optional<cli::NoopCall> call_;
};

/// The plugin mbench, for so many microseconds.
class Burn final : public cli::Subject {
 public:
  static Result<std::unique_ptr<Subject>> open(const Options& options) {
    VAC_TRY(Session session, Session::open(options.address, {.name = "bench"}));
    auto burn = std::make_unique<Burn>(std::move(session), *options.burn_us);
    VAC_CHECK(burn->call());
    return burn;
  }
  Burn(Session session, std::uint64_t microseconds) : session_(std::move(session)) {
    for (std::size_t i = 0; i < sizeof data_; ++i) {
      data_[i] = static_cast<unsigned char>(microseconds >> (8 * i));
    }
  }

  Status call() override {
    const int code = vac_noop(session_.handle(), data_, sizeof data_);
    return code == VAC_OK ? Status{} : Status{last_error(code)};
  }

 private:
  Session session_;
  unsigned char data_[8];
};

/// Runs of a model whose input is a batch of images.
class ModelRun final : public cli::Subject {
 public:
  static Result<std::unique_ptr<Subject>> open(const Options& options) {
    VAC_TRY(Session session, Session::open(options.address, {.name = "bench"}));
    VAC_TRY(Model model, cli::open_model(session, options.model));
    const std::array<std::int64_t, 4> shape{options.batch, 3, 224, 224};
    VAC_TRY(Tensor input, session.new_tensor(Type::f32, shape));
    const std::span<float> values = input.span<float>();
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = static_cast<float>(std::sin(static_cast<double>(i % 9973)));
    }
    auto run = std::make_unique<ModelRun>(std::move(session), std::move(model), std::move(input));
    VAC_CHECK(run->call());
    return run;
  }
  ModelRun(Session session, Model model, Tensor input)
      : session_(std::move(session)), model_(std::move(model)), input_(std::move(input)) {}

  Status call() override {
    VAC_TRY(const Tensors outputs, model_.run({input_}));
    return {};
  }

 private:
  Session session_;
  Model model_;
  Tensor input_;
};

Result<std::unique_ptr<cli::Subject>> open_subject(const Options& options) {
  if (!options.model.empty()) return ModelRun::open(options);
  return options.burn_us ? Burn::open(options) : Noop::open(options);
}

int run(const Options& options) {
  if (options.tuned) keep_freed_memory();
  Subjects subjects;
  for (std::size_t i = 0; i < options.clients; ++i) {
    auto subject = open_subject(options);
    if (!subject) return fail(subject.error());
    subjects.push_back(std::move(*subject));
  }
  std::vector<Session> idle;
  const auto set_idle = [&](double number) -> Result<cli::Json> {
    const auto wanted = static_cast<std::size_t>(number);
    while (idle.size() > wanted) idle.pop_back();
    while (idle.size() < wanted) {
      VAC_TRY(auto session, Session::open(options.address, {.name = "bench"}));
      idle.push_back(std::move(session));
    }
    return cli::Json{{"idle", idle.size()}};
  };
  return drive(subjects, {{"idle", set_idle}});
}

}  // namespace
}  // namespace vac::bench

int main(int argc, char** argv) {
  vac::bench::Options options;
  CLI::App app("Calls through an agent, when told to on standard input");
  app.add_option("--at", options.address);
  app.add_option("--bytes", options.bytes);
  app.add_flag("--region", options.region);
  app.add_option("--burn-us", options.burn_us);
  app.add_option("--model", options.model);
  app.add_option("--batch", options.batch);
  app.add_option("--clients", options.clients)->check(CLI::Range(1, 256));
  app.add_flag("--tuned", options.tuned);
  CLI11_PARSE(app, argc, argv);
  return vac::bench::run(options);
}
