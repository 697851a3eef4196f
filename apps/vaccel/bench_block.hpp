// SPDX-License-Identifier: Apache-2.0
// Times calls one by one, the same way for the product and for its control.
#pragma once

#include <vac/result.hpp>

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "bench_statistics.hpp"

namespace vac::cli {

/// One round trip of whatever is measured.
class Subject {
 public:
  virtual ~Subject() = default;
  virtual Status call() = 0;
};

/// Runs blocks. Its memory for samples is taken and touched once, so that no page fault falls into
/// a block.
class BlockRunner {
 public:
  explicit BlockRunner(std::size_t most_calls) : samples_us_(most_calls, 0.0) {}

  /// `calls` of them (at most what the constructor was told), after so many that are not counted:
  /// without a number a twentieth as many, three at least.
  Result<Block> run(Subject& subject, std::size_t calls,
                    std::optional<std::size_t> warm_up_calls = {});

 private:
  std::vector<double> samples_us_;
};

/// How many calls of `subject` fill `time`, from 20 to `most`.
Result<std::size_t> calls_in(Subject& subject, std::chrono::duration<double> time,
                             std::size_t most);

}  // namespace vac::cli
