// SPDX-License-Identifier: Apache-2.0
// Reads the file that read_weights.py writes; its format is told there.
#pragma once

#include <torch/types.h>

#include <map>
#include <string>

namespace vac::models {

/// The tensors of a file by name. Asking for one that is missing, or has another shape, is an error
/// that names it: a network must not be built from weights that only nearly fit.
class Weights {
 public:
  /// Throws std::runtime_error if the file cannot be read or is not whole.
  static Weights read(const std::string& path);

  /// Throws std::runtime_error if there is no such tensor or its shape differs.
  const at::Tensor& get(const std::string& name, at::IntArrayRef shape) const;

 private:
  std::map<std::string, at::Tensor> tensors_;
};

}  // namespace vac::models
