// SPDX-License-Identifier: Apache-2.0
// A program that measures one thing when it is told to, so that several can be measured in turn in
// one run: commands come on standard input, a line of JSON answers each.
#pragma once

#include <vac/result.hpp>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "vaccel/bench_block.hpp"
#include "vaccel/json_output.hpp"

namespace vac::bench {

/// A subject for each client.
using Subjects = std::vector<std::unique_ptr<cli::Subject>>;
/// What a program does on a command of its own, which has one number.
using Commands = std::map<std::string, std::function<Result<cli::Json>(double)>>;

/// Serves until standard input ends, or a command fails:
///   calls N   so many calls of the first subject, after a twentieth as many: p50_us p90_us p99_us
///   calls load S    all subjects at once for so many seconds: calls_per_s and the same busy 1|0
///   begins and ends calls of all subjects that nobody times
/// Says {"ready": true} before. Returns the exit status.
int drive(const Subjects& subjects, const Commands& commands = {});

/// Tells on standard error why the program ends.
int fail(const Error& error);

}  // namespace vac::bench
