// SPDX-License-Identifier: Apache-2.0
// A model as --model names it.
#pragma once

#include <vac/vac.hpp>

#include <string>

namespace vac::cli {

/// Opens a model's file, or model://NAME of an agent.
Result<Model> open_model(const Session& session, const std::string& name);

}  // namespace vac::cli
