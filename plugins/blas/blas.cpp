// SPDX-License-Identifier: Apache-2.0
// Serves `sgemm` with OpenBLAS.
#include <vac/plugin.hpp>

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "openblas.hpp"
#include "sgemm.hpp"

namespace vac::blas {
namespace {

using nlohmann::json;

constexpr int kMostThreads = 1024;
// OpenBLAS ends the process when more threads than it was built for work at once, which is 128 on
// Debian; libtorch may have some of them.
constexpr std::uint32_t kMostCalls = 32;

Result<int> read_threads(std::string_view config_json) {
  const json config = json::parse(config_json, nullptr, false);
  if (!config.is_object()) return Error{Errc::invalid, "the settings are not a JSON object"};
  int threads = 1;
  for (const auto& [key, value] : config.items()) {
    if (key != "threads") {
      return Error{Errc::invalid, "setting '" + key + "' is not known to blas: there is threads"};
    }
    if (!value.is_number_integer() || value.get<std::int64_t>() < 1 ||
        value.get<std::int64_t>() > kMostThreads) {
      return Error{Errc::invalid, "setting 'threads' is " + value.dump() +
                                      ", must be a whole number from 1 to " +
                                      std::to_string(kMostThreads)};
    }
    threads = value.get<int>();
  }
  return threads;
}

Result<std::unique_ptr<OpenBlas>> open(Host /*host*/, std::string_view config_json) {
  VAC_TRY(const int threads, read_threads(config_json));
  VAC_CHECK(OpenBlas::check(threads));
  return std::make_unique<OpenBlas>(threads);
}

Status sgemm(OpenBlas& blas, Call& /*call*/, const ops::Sgemm::Args& in) {
  VAC_TRY(const Product product, checked_product(in));
  if (product.m != 0 && product.n != 0) blas.multiply(product);
  return {};
}

Result<std::string> describe(OpenBlas& blas) {
  return json{{"framework", "OpenBLAS"},
              {"framework_version", OpenBlas::version()},
              {"framework_config", OpenBlas::config()},
              {"devices", {"cpu"}},
              {"threads", blas.threads()}}
      .dump();
}

}  // namespace
}  // namespace vac::blas

VAC_PLUGIN(vac::Plugin<vac::blas::OpenBlas>("blas", "1.0")
               .opens(vac::blas::open)
               .describes(vac::blas::describe)
               .handles<vac::ops::Sgemm>(vac::blas::sgemm, {.concurrency = vac::blas::kMostCalls}));
