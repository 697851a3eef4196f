// SPDX-License-Identifier: Apache-2.0
#include "open_model.hpp"

#include <utility>

namespace vac::cli {

Result<Model> open_model(const Session& session, const std::string& name) {
  if (name.find("://") != std::string::npos && !name.starts_with("model://")) {
    return Error{Errc::invalid, "'" + name +
                                    "' is not an address of a model: name a file by its path, or "
                                    "model://NAME of the agent"};
  }
  Result<Model> model = session.model(name);
  if (!model && model.error().code() == Errc::is_directory) {
    return Error{Errc::is_directory, "model '" + name + "' is a directory: name a file in it"};
  }
  return model;
}

}  // namespace vac::cli
