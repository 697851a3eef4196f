// SPDX-License-Identifier: Apache-2.0
// What `vaccel bench` prints.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "bench_control.hpp"
#include "bench_load.hpp"
#include "bench_model.hpp"
#include "bench_round_trip.hpp"
#include "json_output.hpp"

namespace vac::cli {

/// What was measured.
struct BenchSubject {
  std::string name;  ///< of the operation or the model's file
  std::string address;
  std::uint64_t bytes = 0;  ///< of an operation's payload
  std::optional<PayloadMemory> memory;
  int pairs = 0;
};

Json round_trip_json(const RoundTripReport& report, const BenchSubject& subject);
std::string round_trip_text(const RoundTripReport& report, const BenchSubject& subject);

Json load_json(const LoadReport& report, const LoadOptions& options);
std::string load_text(const LoadReport& report, const LoadOptions& options);

Json model_json(const ModelReport& report, const BenchSubject& subject);
std::string model_text(const ModelReport& report, const BenchSubject& subject);

}  // namespace vac::cli
