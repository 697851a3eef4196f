// SPDX-License-Identifier: Apache-2.0
// TorchScript behind a small interface without a header of libtorch, which must be compiled as
// C++17: so is this file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace vac::torch_plugin {

/// What a function of this file throws; `code` is a VAC_E... code.
class Failure : public std::runtime_error {
 public:
  Failure(int code, const std::string& text) : std::runtime_error(text), code_(code) {}
  int code() const noexcept { return code_; }

 private:
  int code_;
};

/// Where a model's bytes are: a file, or memory that outlives the load.
struct Source {
  const char* path = nullptr;  ///< may be null
  const void* data = nullptr;
  std::size_t size = 0;
};

enum class FileKind { torchscript, state_dictionary, damaged, other };
/// Looks at the first bytes and, in an archive, at its table of contents; loads nothing.
FileKind classify(const Source& source);

struct Input {
  std::string name;  ///< empty: by position
  std::uint8_t type = 0;
  std::vector<std::int64_t> dims;
  void* data = nullptr;  ///< read only; stays the caller's until forward() has returned
};

/// What a model's forward() takes.
struct Parameter {
  enum class Kind { tensor, tensors, named_tensors, other };
  std::string name;
  std::string type;  ///< as TorchScript prints it
  Kind kind = Kind::other;
  bool required = true;
};

/// The results of one run. Confined to the thread that made it.
class Results {
 public:
  virtual ~Results() = default;
  virtual std::size_t size() const = 0;
  virtual const std::string& name(
      std::size_t i) const = 0;  ///< of a dictionary's entry; else empty
  virtual std::uint8_t type(std::size_t i) const = 0;
  virtual std::vector<std::int64_t> dims(std::size_t i) const = 0;
  virtual std::size_t bytes(std::size_t i) const = 0;
  virtual void copy(std::size_t i, void* to) const = 0;
};

/// A loaded model. Thread-safe.
class Module {
 public:
  virtual ~Module() = default;
  /// The parameters of forward() without self.
  virtual const std::vector<Parameter>& parameters() const = 0;
  /// How many tensors forward() returns; 0 where its type does not tell.
  virtual std::size_t result_count() const = 0;
  /// The text that our exporter stored beside the code, empty without it.
  virtual const std::string& vac_json() const = 0;
  /// Runs forward() on `threads` threads of the framework. Inputs all have names, or none has.
  virtual std::unique_ptr<Results> forward(const std::vector<Input>& inputs, int threads) const = 0;
  /// Runs forward() once on the inputs of several calls, which are put one below the other along
  /// dimension 0: within a call all have as many rows, from call to call they differ in that number
  /// alone. The results of each call; none at all where the model did not answer each row by a row.
  virtual std::vector<std::unique_ptr<Results>> forward_rows(
      const std::vector<std::vector<Input>>& calls, int threads) const = 0;
};

/// device: "cpu", "cuda", "cuda:1".
std::unique_ptr<Module> load(const Source& source, const std::string& device);

/// "1.13.1"
std::string framework_version();
int cuda_device_count();

}  // namespace vac::torch_plugin
