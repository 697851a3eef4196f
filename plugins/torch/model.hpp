// SPDX-License-Identifier: Apache-2.0
// A model as the plugin keeps it between calls, and the options that it was opened with.
#pragma once

#include <vac/plugin.h>
#include <vac/result.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "framework.hpp"
#include "model_info.hpp"

namespace vac::torch_plugin {

/// A value.
struct Options {
  std::string device = "cpu";
  int threads = 1;
  int warmup = 0;
  int max_batch = kMostBatch;  ///< calls in one run

  static constexpr int kMostBatch = 4096;
};

/// Of a JSON object; what it does not name is as in `defaults`.
Result<Options> read_options(std::string_view text, const Options& defaults);

/// A model in loaded state.
struct Loaded {
  std::unique_ptr<Module> module;
  ModelInfo info;
};

/// Runs something of the framework and turns what it throws into an Error.
template <class Body>
auto framework(Body&& body) -> Result<decltype(body())> {
  try {
    return body();
  } catch (const Failure& failure) {
    return Error{static_cast<Errc>(failure.code()), failure.what()};
  }
}

Source source_of(const vac_resource_view& view);

/// A resource attached. Thread-safe: one loads, the others wait for it; runs take no lock.
class Model {
 public:
  Model(const vac_resource_view& view, Options options)
      : view_(view), options_(std::move(options)) {}

  Result<std::shared_ptr<const Loaded>> get();
  void unload();
  const Options& options() const noexcept { return options_; }

  /// Whether rows of several calls may be run as one, as far as is known.
  bool runs_rows() const noexcept { return options_.max_batch > 1 && by_rows_.load(); }
  /// It has turned out that it does not answer row by row.
  void found_not_by_rows() noexcept { by_rows_.store(false); }

 private:
  Result<std::shared_ptr<const Loaded>> load() const;
  Status warm_up(const Loaded& loaded) const;

  const vac_resource_view& view_;
  const Options options_;
  std::atomic<bool> by_rows_{true};
  std::mutex mutex_;
  // Shared by this state and the runs that use it, so that an unload does not pull it from under
  // them.
  std::shared_ptr<const Loaded> loaded_;
};

}  // namespace vac::torch_plugin
