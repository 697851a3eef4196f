// SPDX-License-Identifier: Apache-2.0
// The C++ interface of vAccel: header-only over the C interface. Link with -lvac.
#pragma once

#include <vac/model.h>
#include <vac/vac.h>
#include <vac/buffer.hpp>
#include <vac/detail/last_error.hpp>
#include <vac/future.hpp>
#include <vac/ops.hpp>
#include <vac/resource.hpp>
#include <vac/result.hpp>
#include <vac/tensor.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vac {

/// How a model is to be loaded. What is left empty is the plugin's choice.
struct ModelOptions {
  std::string device;          ///< "cpu", "cuda:0"
  std::optional<int> threads;  ///< of the framework, for one run
  std::optional<int> warmup;   ///< runs made while loading
  std::string format;          ///< "torchscript"; restricts the choice to plugins that list it
  std::string to_json() const;
};

/// Options of one run.
struct RunOptions {
  std::vector<std::string> input_names;   ///< empty: by position
  std::vector<std::string> output_names;  ///< empty: all, in the model's order
};

/// A model in a session: a resource with its options. Confined to its session's lifetime;
/// thread-safe.
class Model {
 public:
  Model(vac_session* session, Resource resource)
      : session_(session), resource_(std::move(resource)) {}

  /// Loads it now, with the warm-up of its options; run() loads at first use.
  Status load() const { return status(vac_model_load(session_, resource_.handle())); }
  Status unload() const { return status(vac_model_unload(session_, resource_.handle())); }
  /// A JSON object: framework, device, inputs and outputs with name, type and shape.
  Result<std::string> describe() const;

  /// Runs the model; blocks. Inputs by position, or named in `options`.
  Result<Tensors> run(std::span<const Tensor> inputs, const RunOptions& options = {}) const;
  Result<Tensors> run(std::initializer_list<Tensor> inputs, const RunOptions& options = {}) const {
    return run(std::span<const Tensor>(inputs.begin(), inputs.size()), options);
  }

  /// The same into the caller's own tensors, one for each output; without names it takes no memory.
  /// VAC_EINVAL: one is empty or not of the type and shape that the model gives, or the model gives
  /// fewer; VAC_ENOSPC: it gives more. What the tensors hold after an error is not said.
  Status run_into(std::span<const Tensor> inputs, std::span<const Tensor> outputs,
                  const RunOptions& options = {}) const;
  Status run_into(std::initializer_list<Tensor> inputs, std::initializer_list<Tensor> outputs,
                  const RunOptions& options = {}) const {
    return run_into(std::span<const Tensor>(inputs.begin(), inputs.size()),
                    std::span<const Tensor>(outputs.begin(), outputs.size()), options);
  }

  /// run() that does not wait. The model must live until the future has its result; inputs and
  /// names are kept.
  Future<Tensors> run_async(std::span<const Tensor> inputs, const RunOptions& options,
                            const CallOptions& call = {}) const {
    return methods::async::submit("model_run", vac_model_run_submit, session_, call,
                                  methods::async::Handle<Resource>(resource_),
                                  methods::async::Texts("in_names", options.input_names),
                                  methods::async::Handles<Tensor>(inputs),
                                  methods::async::Texts("out_names", options.output_names),
                                  methods::OptionalBytes(std::nullopt),
                                  methods::OutTensors<Tensor>());
  }
  Future<Tensors> run_async(std::span<const Tensor> inputs, const CallOptions& call = {}) const {
    return run_async(inputs, RunOptions{}, call);
  }
  Future<Tensors> run_async(std::initializer_list<Tensor> inputs,
                            const CallOptions& call = {}) const {
    return run_async(std::span<const Tensor>(inputs.begin(), inputs.size()), RunOptions{}, call);
  }
  Future<Tensors> run_async(std::initializer_list<Tensor> inputs, const RunOptions& options,
                            const CallOptions& call = {}) const {
    return run_async(std::span<const Tensor>(inputs.begin(), inputs.size()), options, call);
  }

  const Resource& resource() const noexcept { return resource_; }

 private:
  static Status status(int code) { return code == VAC_OK ? Status{} : Status{last_error(code)}; }
  vac_session* session_;
  Resource resource_;
};

struct SessionConfig {
  std::chrono::milliseconds timeout{0};  ///< bound on every blocking call; 0: none
  std::string name;                      ///< shown by the agent
};

/// How far long work in a session is: vac_session_on_progress() in vac/session.h says when.
struct Progress {
  enum class Stage : std::uint32_t { read = VAC_PROGRESS_READ, call = VAC_PROGRESS_CALL };
  Stage stage;
  std::uint64_t done;
  std::uint64_t total;  ///< 0 where it is not known
};

/// A connection to where operations run. Every operation is a method of it (vac/ops.hpp). Movable;
/// thread-safe; ends after its resources and models.
class Session : public ops::Methods<Session, Resource, Tensor> {
 public:
  /// "local:", "unix:///run/vaccel.sock"; empty: the environment variable VAC_ADDRESS, else
  /// "local:".
  static Result<Session> open(const std::string& address = {}, const SessionConfig& config = {});

  vac_session* handle() const noexcept { return handle_.get(); }
  std::string_view address() const noexcept { return vac_session_address(handle()); }
  /// What serves this session, a JSON object: plugins, operations; remotely the agent's answer.
  Result<std::string> describe() const;

  /// Calls the function with the progress of long work from now on, on the threads that do it; what
  /// it throws is dropped. An empty one ends that. Nothing else may be done with the session
  /// meanwhile.
  void on_progress(std::function<void(const Progress&)> function);

  /// A file, or "model://name" of the agent's repository.
  Result<Resource> resource(const std::string& path_or_uri,
                            const std::string& options_json = "{}") const;
  Result<Resource> resource_directory(const std::string& path,
                                      const std::string& options_json = "{}") const;
  /// `data` stays the caller's and must live as long as the resource.
  Result<Resource> resource_bytes(std::span<const std::byte> data,
                                  const std::string& options_json = "{}") const;
  Result<Model> model(const std::string& path_or_uri, const ModelOptions& options = {}) const;

  /// Zeroed memory of at least 64-byte alignment, for tensors or arrays: calls need not copy it
  /// where the session has such memory.
  Result<Buffer> buffer(std::size_t bytes) const;

  /// A new tensor, zeroed; from 4096 bytes on in memory as buffer() gives. Throws BadResultAccess
  /// for a shape that is none and when memory is short.
  template <class T>
  Tensor tensor(std::initializer_list<std::int64_t> shape) const {
    return tensor<T>(std::span<const std::int64_t>(shape.begin(), shape.size()));
  }
  template <class T>
  Tensor tensor(std::span<const std::int64_t> shape) const {
    static_assert(type_of<T>() != Type::none, "no element type");
    return new_tensor(type_of<T>(), shape).value();
  }
  Result<Tensor> new_tensor(Type type, std::span<const std::int64_t> shape) const;

  /// The caller's memory as a tensor, which must live as long as it. VAC_EINVAL where size and
  /// shape differ.
  template <class T>
  Result<Tensor> wrap(std::span<T> data, std::span<const std::int64_t> shape) const {
    static_assert(type_of<std::remove_const_t<T>>() != Type::none, "no element type");
    return wrap_bytes(type_of<std::remove_const_t<T>>(), shape,
                      const_cast<std::remove_const_t<T>*>(data.data()), data.size_bytes());
  }

 private:
  Result<Tensor> wrap_bytes(Type type, std::span<const std::int64_t> shape, void* data,
                            std::size_t bytes) const;
  struct Close {
    void operator()(vac_session* session) const noexcept { vac_session_close(session); }
  };
  // At one address wherever the session is moved, and until it has been closed.
  std::unique_ptr<std::function<void(const Progress&)>> progress_;
  std::unique_ptr<vac_session, Close> handle_;
};

namespace detail {

/// Calls `call(text, capacity, &bytes)` with room that grows to what it asks for.
template <class Call>
Result<std::string> read_text(Call&& call) {
  std::string text(4096, '\0');
  for (;;) {
    std::size_t bytes = 0;
    const int code = call(text.data(), text.size(), &bytes);
    if (code == VAC_OK) {
      text.resize(bytes);
      return text;
    }
    if (code != VAC_ENOSPC || bytes <= text.size()) return last_error(code);
    text.resize(bytes);
  }
}

inline std::string json_quote(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    if (static_cast<unsigned char>(c) < 0x20) {
      constexpr char kHex[] = "0123456789abcdef";
      quoted += "\\u00";
      quoted += kHex[static_cast<unsigned char>(c) >> 4U];
      quoted += kHex[static_cast<unsigned char>(c) & 15U];
    } else {
      quoted += c;
    }
  }
  return quoted + '"';
}

inline std::vector<const char*> c_strings(const std::vector<std::string>& texts) {
  std::vector<const char*> pointers;
  pointers.reserve(texts.size());
  for (const std::string& text : texts) pointers.push_back(text.c_str());
  return pointers;
}

/// The handles of tensors; of a few without memory from the heap. The tensors outlive it.
class Handles {
 public:
  explicit Handles(std::span<const Tensor> tensors) {
    if (tensors.size() > few_.size()) many_.resize(tensors.size());
    vac_tensor** to = data();
    for (const Tensor& tensor : tensors) *to++ = tensor.handle();
  }
  Handles(const Handles&) = delete;
  Handles& operator=(const Handles&) = delete;
  vac_tensor** data() noexcept { return many_.empty() ? few_.data() : many_.data(); }

 private:
  std::array<vac_tensor*, 16> few_;
  std::vector<vac_tensor*> many_;
};

}  // namespace detail

inline std::string ModelOptions::to_json() const {
  std::string json;
  const auto add = [&](std::string_view key, const std::string& value) {
    json += (json.empty() ? "\"" : ",\"") + std::string(key) + "\":" + value;
  };
  if (!device.empty()) add("device", detail::json_quote(device));
  if (!format.empty()) add("format", detail::json_quote(format));
  if (threads) add("threads", std::to_string(*threads));
  if (warmup) add("warmup", std::to_string(*warmup));
  return "{" + json + "}";
}

inline Result<std::string> Model::describe() const {
  return detail::read_text([&](char* text, std::size_t capacity, std::size_t* bytes) {
    return vac_model_describe(session_, resource_.handle(), text, capacity, bytes);
  });
}

inline Result<Tensors> Model::run(std::span<const Tensor> inputs, const RunOptions& options) const {
  detail::Handles in(inputs);
  const std::vector<const char*> in_names = detail::c_strings(options.input_names);
  const std::vector<const char*> out_names = detail::c_strings(options.output_names);
  vac_tensor* outputs[VAC_MAX_RECORDS - 1] = {};
  std::size_t count = 0;
  const int code = vac_model_run(session_, resource_.handle(), in_names.data(), in_names.size(),
                                 in.data(), inputs.size(), out_names.data(), out_names.size(),
                                 nullptr, 0, outputs, std::size(outputs), &count);
  if (code != VAC_OK) return last_error(code);
  Tensors results;
  for (std::size_t i = 0; i < count; ++i) results.push_back(Tensor::adopt(outputs[i]));
  return results;
}

inline Status Model::run_into(std::span<const Tensor> inputs, std::span<const Tensor> outputs,
                              const RunOptions& options) const {
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i]) continue;
    return Error{Errc::invalid, "model_run: the tensor given for output " + std::to_string(i) +
                                    " is empty: make it by Session::tensor()"};
  }
  detail::Handles in(inputs), out(outputs);
  const std::vector<const char*> in_names = detail::c_strings(options.input_names);
  const std::vector<const char*> out_names = detail::c_strings(options.output_names);
  std::size_t count = 0;
  const int code = vac_model_run(session_, resource_.handle(), in_names.data(), in_names.size(),
                                 in.data(), inputs.size(), out_names.data(), out_names.size(),
                                 nullptr, 0, out.data(), outputs.size(), &count);
  if (code != VAC_OK) return last_error(code);
  if (count == outputs.size()) return {};
  return Error{Errc::invalid, "model_run: " + std::to_string(outputs.size()) +
                                  " tensors were given for outputs, the model has " +
                                  std::to_string(count) + ": give one for each"};
}

inline Result<Session> Session::open(const std::string& address, const SessionConfig& config) {
  std::string options = "{\"timeout_ms\":" + std::to_string(config.timeout.count());
  if (!config.name.empty()) options += ",\"name\":" + detail::json_quote(config.name);
  options += "}";
  vac_session* handle = nullptr;
  const int code = vac_session_open(address.c_str(), options.c_str(), &handle);
  if (code != VAC_OK) return last_error(code);
  Session session;
  session.handle_.reset(handle);
  return session;
}

inline void Session::on_progress(std::function<void(const Progress&)> function) {
  (void)vac_session_on_progress(handle(), nullptr, nullptr);  // it may still use the old one
  progress_ = std::make_unique<std::function<void(const Progress&)>>(std::move(function));
  if (!*progress_) return;
  const auto forward = [](void* user, std::uint32_t stage, std::uint64_t done,
                          std::uint64_t total) {
    try {
      (*static_cast<std::function<void(const Progress&)>*>(user))(
          {static_cast<Progress::Stage>(stage), done, total});
    } catch (...) {  // the work goes on
    }
  };
  (void)vac_session_on_progress(handle(), forward, progress_.get());
}

inline Result<std::string> Session::describe() const {
  return detail::read_text([&](char* text, std::size_t capacity, std::size_t* bytes) {
    return vac_session_describe(handle(), text, capacity, bytes);
  });
}

inline Result<Resource> Session::resource(const std::string& path_or_uri,
                                          const std::string& options_json) const {
  vac_resource* handle = nullptr;
  const bool uri = path_or_uri.find("://") != std::string::npos;
  const int code = (uri ? vac_resource_open_uri : vac_resource_open_file)(
      this->handle(), path_or_uri.c_str(), options_json.c_str(), &handle);
  if (code != VAC_OK) return last_error(code);
  return Resource::adopt(handle);
}

inline Result<Resource> Session::resource_directory(const std::string& path,
                                                    const std::string& options_json) const {
  vac_resource* handle = nullptr;
  const int code =
      vac_resource_open_directory(this->handle(), path.c_str(), options_json.c_str(), &handle);
  if (code != VAC_OK) return last_error(code);
  return Resource::adopt(handle);
}

inline Result<Resource> Session::resource_bytes(std::span<const std::byte> data,
                                                const std::string& options_json) const {
  vac_resource* handle = nullptr;
  const int code = vac_resource_open_bytes(this->handle(), data.data(), data.size(),
                                           options_json.c_str(), &handle);
  if (code != VAC_OK) return last_error(code);
  return Resource::adopt(handle);
}

inline Result<Model> Session::model(const std::string& path_or_uri,
                                    const ModelOptions& options) const {
  auto opened = resource(path_or_uri, options.to_json());
  if (!opened) return std::move(opened).error();
  return Model(handle(), *std::move(opened));
}

inline Result<Buffer> Session::buffer(std::size_t bytes) const {
  vac_buffer* buffer = nullptr;
  const int code = vac_buffer_new(handle(), bytes, &buffer);
  if (code != VAC_OK) return last_error(code);
  return Buffer::adopt(buffer);
}

inline Result<Tensor> Session::new_tensor(Type type, std::span<const std::int64_t> shape) const {
  vac_tensor* tensor = nullptr;
  const int code = vac_tensor_new(handle(), static_cast<std::uint8_t>(type), shape.size(),
                                  shape.data(), &tensor);
  if (code != VAC_OK) return last_error(code);
  return Tensor::adopt(tensor);
}

inline Result<Tensor> Session::wrap_bytes(Type type, std::span<const std::int64_t> shape,
                                          void* data, std::size_t bytes) const {
  vac_tensor* handle = nullptr;
  const int code = vac_tensor_wrap(this->handle(), static_cast<std::uint8_t>(type), shape.size(),
                                   shape.data(), data, &handle);
  if (code != VAC_OK) return last_error(code);
  Tensor tensor = Tensor::adopt(handle);
  if (tensor.bytes().size() != bytes) {
    return Error{Errc::invalid, "tensor: the shape takes " + std::to_string(tensor.bytes().size()) +
                                    " bytes, the memory given has " + std::to_string(bytes)};
  }
  return tensor;
}

}  // namespace vac
