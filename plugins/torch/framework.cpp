// SPDX-License-Identifier: Apache-2.0
// The one source that includes libtorch; C++17, because clang cannot compile libtorch 1.13 as
// C++20.
#include "framework.hpp"

#include <ATen/Parallel.h>
#include <caffe2/serialize/inline_container.h>
#include <caffe2/serialize/read_adapter_interface.h>
#include <torch/script.h>
#include <torch/version.h>
#include <vac/call.h>
#include <vac/error_codes.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <sstream>
#include <streambuf>
#include <utility>

namespace vac::torch_plugin {
namespace {

struct TypePair {
  std::uint8_t ours;
  at::ScalarType torch;
};
constexpr TypePair kTypes[] = {{VAC_F32, at::kFloat}, {VAC_F64, at::kDouble},
                               {VAC_I32, at::kInt},   {VAC_I64, at::kLong},
                               {VAC_U8, at::kByte},   {VAC_BOOL, at::kBool}};
constexpr const char* kTypeList = "f32, f64, i32, i64, u8 and bool";

at::ScalarType to_torch(std::uint8_t type) {
  for (const TypePair& pair : kTypes) {
    if (pair.ours == type) return pair.torch;
  }
  throw Failure(VAC_ENOTSUP, std::string("an input's element type is not one of ") + kTypeList);
}

std::uint8_t to_ours(at::ScalarType type, std::size_t output) {
  for (const TypePair& pair : kTypes) {
    if (pair.torch == type) return pair.ours;
  }
  throw Failure(VAC_ENOTSUP, "output " + std::to_string(output) + " is of type " +
                                 c10::toString(type) + ", this plugin returns " + kTypeList +
                                 ": cast it in the model");
}

/// The first sentences of what libtorch says: what follows is a trace of its own code.
std::string first_lines(const std::string& text) {
  std::string line;
  std::istringstream lines(text);
  std::string result;
  while (std::getline(lines, line) && result.size() < 400) {
    const std::size_t begin = line.find_first_not_of(" \t");
    if (begin == std::string::npos) continue;
    if (line.find("TorchScript interpreter") != std::string::npos ||
        line.find("Traceback of TorchScript") != std::string::npos) {
      continue;
    }
    result += (result.empty() ? "" : " ") + line.substr(begin);
  }
  return result.empty() ? "libtorch gave no reason" : result;
}

/// The message of a model's own `raise`, which ends libtorch's trace; else the first lines.
std::string reason(const std::exception& error) {
  const auto* torch_error = dynamic_cast<const c10::Error*>(&error);
  const std::string text =
      torch_error == nullptr ? error.what() : torch_error->what_without_backtrace();
  const std::size_t raised = text.rfind("RuntimeError: ");
  if (raised != std::string::npos) return first_lines(text.substr(raised));
  const std::size_t any = text.rfind("Error: ");
  if (any != std::string::npos) {
    const std::size_t line = text.rfind('\n', any);
    return first_lines(text.substr(line == std::string::npos ? 0 : line));
  }
  return first_lines(text);
}

/// A stream over memory, so that a model in memory is not copied to be read.
class MemoryBuffer : public std::streambuf {
 public:
  MemoryBuffer(const void* data, std::size_t size) {
    char* begin = const_cast<char*>(static_cast<const char*>(data));
    setg(begin, begin, begin + size);
  }

 protected:
  pos_type seekoff(off_type offset, std::ios_base::seekdir from, std::ios_base::openmode) override {
    char* base = from == std::ios_base::beg   ? eback()
                 : from == std::ios_base::cur ? gptr()
                                              : egptr();
    if (offset < eback() - base || offset > egptr() - base) return pos_type(off_type(-1));
    setg(eback(), base + offset, egptr());
    return gptr() - eback();
  }
  pos_type seekpos(pos_type at, std::ios_base::openmode mode) override {
    return seekoff(off_type(at), std::ios_base::beg, mode);
  }
};

std::string first_bytes(const Source& source) {
  char bytes[4] = {};
  std::size_t count = 0;
  if (source.path != nullptr) {
    if (std::FILE* file = std::fopen(source.path, "rb")) {
      count = std::fread(bytes, 1, sizeof bytes, file);
      std::fclose(file);
    }
  } else {
    count = std::min(source.size, sizeof bytes);
    std::memcpy(bytes, source.data, count);
  }
  return {bytes, count};
}

std::unique_ptr<caffe2::serialize::PyTorchStreamReader> open_archive(const Source& source,
                                                                     std::istream& memory) {
  using caffe2::serialize::PyTorchStreamReader;
  if (source.path != nullptr)
    return std::make_unique<PyTorchStreamReader>(std::string(source.path));
  return std::make_unique<PyTorchStreamReader>(&memory);
}

Parameter::Kind kind_of(const c10::TypePtr& type) {
  if (type->isSubtypeOf(*c10::TensorType::get())) return Parameter::Kind::tensor;
  if (auto optional = type->cast<c10::OptionalType>()) return kind_of(optional->getElementType());
  if (auto list = type->cast<c10::ListType>()) {
    if (list->getElementType()->isSubtypeOf(*c10::TensorType::get()))
      return Parameter::Kind::tensors;
  }
  if (auto dict = type->cast<c10::DictType>()) {
    if (dict->getKeyType()->kind() == c10::TypeKind::StringType &&
        dict->getValueType()->isSubtypeOf(*c10::TensorType::get())) {
      return Parameter::Kind::named_tensors;
    }
  }
  return Parameter::Kind::other;
}

class TorchResults final : public Results {
 public:
  explicit TorchResults(const c10::IValue& value) {
    if (value.isGenericDict()) {
      for (const auto& entry : value.toGenericDict()) add(entry.key().toStringRef(), entry.value());
    } else if (value.isTuple()) {
      for (const c10::IValue& element : value.toTupleRef().elements()) add({}, element);
    } else if (value.isTensorList()) {
      for (const at::Tensor& element : value.toTensorVector()) add({}, element);
    } else {
      add({}, value);
    }
  }
  /// Rows of other results, which share their memory.
  TorchResults(const TorchResults& all, std::int64_t first, std::int64_t count)
      : names_(all.names_) {
    for (const at::Tensor& tensor : all.tensors_) {
      tensors_.push_back(tensor.narrow(0, first, count));
    }
  }

  bool has_rows(std::int64_t count) const {
    return std::all_of(tensors_.begin(), tensors_.end(), [count](const at::Tensor& tensor) {
      return tensor.dim() > 0 && tensor.size(0) == count;
    });
  }
  std::size_t size() const override { return tensors_.size(); }
  const std::string& name(std::size_t i) const override { return names_[i]; }
  std::uint8_t type(std::size_t i) const override { return to_ours(tensors_[i].scalar_type(), i); }
  std::vector<std::int64_t> dims(std::size_t i) const override { return tensors_[i].sizes().vec(); }
  std::size_t bytes(std::size_t i) const override { return tensors_[i].nbytes(); }
  void copy(std::size_t i, void* to) const override {
    if (bytes(i) != 0) std::memcpy(to, tensors_[i].data_ptr(), bytes(i));
  }

 private:
  void add(const std::string& name, const c10::IValue& value) {
    if (!value.isTensor()) {
      throw Failure(VAC_ENOTSUP,
                    "output " + std::to_string(tensors_.size()) + " is a " + value.tagKind() +
                        ", not a tensor: the model must return a tensor, or a tuple, list or "
                        "dictionary of tensors");
    }
    names_.push_back(name);
    tensors_.push_back(value.toTensor().to(at::kCPU).contiguous());
  }
  std::vector<std::string> names_;
  std::vector<at::Tensor> tensors_;
};

class TorchModule final : public Module {
 public:
  TorchModule(torch::jit::Module module, std::string json, at::Device device)
      : module_(std::move(module)), vac_json_(std::move(json)), device_(device) {
    const c10::FunctionSchema schema = module_.get_method("forward").function().getSchema();
    for (const c10::Argument& argument : schema.arguments()) {
      if (argument.name() == "self") continue;
      parameters_.push_back({argument.name(), argument.type()->str(), kind_of(argument.type()),
                             !argument.default_value()});
    }
    if (schema.returns().size() == 1) {
      const c10::TypePtr& type = schema.returns().front().type();
      if (type->isSubtypeOf(*c10::TensorType::get())) result_count_ = 1;
      if (auto tuple = type->cast<c10::TupleType>()) result_count_ = tuple->elements().size();
    }
  }

  const std::vector<Parameter>& parameters() const override { return parameters_; }
  std::size_t result_count() const override { return result_count_; }
  const std::string& vac_json() const override { return vac_json_; }

  std::unique_ptr<Results> forward(const std::vector<Input>& inputs, int threads) const override {
    const Run run(threads);
    std::vector<at::Tensor> tensors;
    for (const Input& input : inputs) tensors.push_back(tensor(input));
    return run_module(inputs, std::move(tensors));
  }

  std::vector<std::unique_ptr<Results>> forward_rows(const std::vector<std::vector<Input>>& calls,
                                                     int threads) const override {
    const Run run(threads);
    std::vector<at::Tensor> tensors;
    for (std::size_t i = 0; i < calls.front().size(); ++i) tensors.push_back(rows(calls, i));
    const std::int64_t total = tensors.front().size(0);
    const auto all = run_module(calls.front(), std::move(tensors));
    std::vector<std::unique_ptr<Results>> results;
    if (!all->has_rows(total)) return results;
    std::int64_t first = 0;
    for (const std::vector<Input>& inputs : calls) {
      const std::int64_t count = inputs.front().dims.front();
      results.push_back(std::make_unique<TorchResults>(*all, first, count));
      first += count;
    }
    return results;
  }

 private:
  /// What holds for the calling thread while a model runs.
  struct Run {
    explicit Run(int threads) {
      if (at::get_num_threads() != threads) at::set_num_threads(threads);
    }
    const c10::InferenceMode inference{};
  };

  static at::Tensor view(const Input& input) {
    const auto options = at::TensorOptions().dtype(to_torch(input.type));
    return input.data == nullptr ? at::empty(input.dims, options)
                                 : at::from_blob(input.data, input.dims, options);
  }
  at::Tensor tensor(const Input& input) const {
    return device_.is_cpu() ? view(input) : view(input).to(device_);
  }
  /// Input i of all calls, copied once.
  at::Tensor rows(const std::vector<std::vector<Input>>& calls, std::size_t i) const {
    std::vector<at::Tensor> parts;
    parts.reserve(calls.size());
    for (const std::vector<Input>& inputs : calls) parts.push_back(view(inputs[i]));
    const at::Tensor all = at::cat(parts);
    return device_.is_cpu() ? all : all.to(device_);
  }

  std::unique_ptr<TorchResults> run_module(const std::vector<Input>& inputs,
                                           std::vector<at::Tensor> tensors) const {
    std::vector<c10::IValue> stack = arguments(inputs, std::move(tensors));
    try {
      // A copy shares the module's objects; forward() itself is const in all but its signature.
      torch::jit::Module module = module_;
      return std::make_unique<TorchResults>(module.forward(std::move(stack)));
    } catch (const Failure&) {
      throw;
    } catch (const std::exception& error) {
      throw Failure(VAC_EIO, "the model failed: " + reason(error));
    }
  }

  /// As forward() takes them; `inputs` give the names.
  std::vector<c10::IValue> arguments(const std::vector<Input>& inputs,
                                     std::vector<at::Tensor> tensors) const {
    if (parameters_.size() == 1 && parameters_[0].kind == Parameter::Kind::tensors) {
      c10::List<at::Tensor> list;
      for (at::Tensor& tensor : tensors) list.push_back(std::move(tensor));
      return {c10::IValue(list)};
    }
    if (parameters_.size() == 1 && parameters_[0].kind == Parameter::Kind::named_tensors) {
      c10::Dict<std::string, at::Tensor> dictionary;
      for (std::size_t i = 0; i < inputs.size(); ++i) {
        dictionary.insert(inputs[i].name, std::move(tensors[i]));
      }
      return {c10::IValue(dictionary)};
    }
    std::vector<c10::IValue> stack;
    for (at::Tensor& tensor : tensors) stack.emplace_back(std::move(tensor));
    return stack;
  }

  torch::jit::Module module_;
  std::string vac_json_;
  at::Device device_;
  std::vector<Parameter> parameters_;
  std::size_t result_count_ = 0;
};

at::Device parse_device(const std::string& device) {
  try {
    const at::Device parsed(device);
    if (parsed.is_cuda() && !at::hasCUDA()) {
      throw Failure(VAC_ENODEV, "device '" + device + "': this libtorch has no CUDA: use cpu");
    }
    return parsed;
  } catch (const c10::Error&) {
    throw Failure(VAC_EINVAL, "device '" + device + "' is not known: use cpu, cuda or cuda:N");
  }
}

}  // namespace

FileKind classify(const Source& source) {
  const std::string magic = first_bytes(source);
  // A pickle, protocol 2: what torch.save wrote before version 1.6.
  if (magic.size() >= 2 && magic[0] == '\x80' && magic[1] == '\x02')
    return FileKind::state_dictionary;
  if (magic != std::string("PK\x03\x04", 4)) return FileKind::other;
  try {
    MemoryBuffer buffer(source.data, source.size);
    std::istream memory(&buffer);
    const auto archive = open_archive(source, memory);
    if (archive->hasRecord("constants.pkl")) return FileKind::torchscript;
    return archive->hasRecord("data.pkl") ? FileKind::state_dictionary : FileKind::other;
  } catch (const std::exception&) {
    return FileKind::damaged;
  }
}

std::unique_ptr<Module> load(const Source& source, const std::string& device) {
  const at::Device target = parse_device(device);
  try {
    std::unordered_map<std::string, std::string> extra = {{"vac.json", ""}};
    torch::jit::Module module;
    if (source.path != nullptr) {
      module = torch::jit::load(source.path, target, extra);
    } else {
      MemoryBuffer buffer(source.data, source.size);
      std::istream memory(&buffer);
      module = torch::jit::load(memory, target, extra);
    }
    if (!module.find_method("forward")) {
      throw Failure(VAC_EINVAL,
                    "the model has no method forward: export it with torch.jit.script or trace");
    }
    module.eval();
    try {
      module = torch::jit::freeze(module);
    } catch (const std::exception&) {  // a module that changes itself cannot be frozen, and runs as
                                       // it is
    }
    return std::make_unique<TorchModule>(std::move(module), std::move(extra["vac.json"]), target);
  } catch (const Failure&) {
    throw;
  } catch (const std::exception& error) {
    throw Failure(VAC_EINVAL, "the model cannot be loaded: " + reason(error));
  }
}

std::string framework_version() { return TORCH_VERSION; }

int cuda_device_count() {
  return at::hasCUDA() ? static_cast<int>(at::detail::getCUDAHooks().getNumGPUs()) : 0;
}

}  // namespace vac::torch_plugin
