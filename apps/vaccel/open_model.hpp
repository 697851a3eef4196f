// SPDX-License-Identifier: Apache-2.0
// A model as --model names it.
#pragma once

#include <vac/vac.hpp>

#include <string>

namespace vac::cli {

/// Refuses an address that is not model://NAME. Any other text can be a file's path.
Status check_model_name(const std::string& name);

/// Opens a model's file, or model://NAME of an agent. How far that is, and the calls of this
/// session that load the model or send it, is shown on a terminal.
Result<Model> open_model(Session& session, const std::string& name);

/// What a person who waits for a model reads: "sending lite0.pt: 45 % of 18.6 MB". Empty where it
/// is done, or too small to be worth a word.
std::string progress_text(const std::string& name, const Progress& progress, bool remote);

}  // namespace vac::cli
