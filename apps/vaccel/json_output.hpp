// SPDX-License-Identifier: Apache-2.0
// JSON as commands print it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace vac::cli {

using Json = nlohmann::ordered_json;

/// With a line end: indented for a person at a terminal, one line for whatever else reads stdout.
/// Text that is not UTF-8 is mended.
std::string json_text(const Json& document);

/// The text of an object's member, "" where it has none, as what is no object.
std::string text_of(const Json& object, const char* key);

}  // namespace vac::cli
