// SPDX-License-Identifier: Apache-2.0
// vaccel bench: how long a call takes, always beside what there is to compare it with.
#pragma once

#include "command.hpp"

namespace vac::cli {

void add_bench_command(CLI::App& app, ExitStatus& status);

}  // namespace vac::cli
