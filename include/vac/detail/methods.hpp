// SPDX-License-Identifier: Apache-2.0
// How the generated methods of ops.hpp call the C functions. Each class below carries one argument
// of an operation. It has
//   arguments()  the C parameters, as a tuple,
// and some have
//   problem()    why it cannot be passed; empty where it can,
//   grow()       after VAC_ENOSPC: makes the room that was asked for; false where it had enough,
//   take()       what came back: these, in order, are the method's result.
#pragma once

#include <vac/call.h>
#include <vac/error_codes.h>
#include <vac/session.h>
#include <vac/tensor.h>
#include <vac/byte_view.hpp>
#include <vac/detail/last_error.hpp>
#include <vac/result.hpp>

#include <cstddef>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace vac::methods {

/// What text and bytes for output get at first; an operation that may be repeated gets more when it
/// says so.
inline constexpr std::size_t kFirstRoom = 65'536;
inline constexpr std::size_t kFirstTensors = 64;

/// An empty argument is not an absent one: its pointer is not NULL.
template <class T>
T* present(T* data) noexcept {
  static constinit std::max_align_t nothing{};
  return data != nullptr ? data : reinterpret_cast<T*>(&nothing);
}

template <class T>
class Scalar {
 public:
  explicit Scalar(T value) : value_(value) {}
  auto arguments() { return std::make_tuple(value_); }

 private:
  T value_;
};

template <class T>
class OptionalScalar {
 public:
  template <class U>
  explicit OptionalScalar(std::optional<U> value) : value_(value) {}
  auto arguments() { return std::make_tuple(value_ ? static_cast<const T*>(&*value_) : nullptr); }

 private:
  std::optional<T> value_;
};

template <class T, class U = T>
class OutScalar {
 public:
  auto arguments() { return std::make_tuple(&value_); }
  U take() { return static_cast<U>(value_); }

 private:
  T value_{};
};

template <class T, class U = T>
class OptionalOutScalar {
 public:
  explicit OptionalOutScalar(bool wanted) : wanted_(wanted) {}
  auto arguments() { return std::make_tuple(wanted_ ? &value_ : nullptr); }
  std::optional<U> take() {
    return wanted_ ? std::optional<U>(static_cast<U>(value_)) : std::nullopt;
  }

 private:
  bool wanted_;
  T value_{};
};

/// In where T is const, else changed in place.
template <class T>
class Array {
 public:
  explicit Array(std::span<T> elements) : elements_(elements) {}
  auto arguments() { return std::make_tuple(present(elements_.data()), elements_.size()); }

 private:
  std::span<T> elements_;
};

template <class T>
class OptionalArray {
 public:
  explicit OptionalArray(std::optional<std::span<T>> elements) : elements_(elements) {}
  auto arguments() {
    return std::make_tuple(elements_ ? present(elements_->data()) : nullptr,
                           elements_ ? elements_->size() : std::size_t{0});
  }

 private:
  std::optional<std::span<T>> elements_;
};

/// The caller's room; comes back as the number of elements.
template <class T>
class OutArray {
 public:
  explicit OutArray(std::span<T> room) : room_(room) {}
  auto arguments() { return std::make_tuple(present(room_.data()), room_.size(), &count_); }
  std::size_t take() { return count_; }

 private:
  std::span<T> room_;
  std::size_t count_ = 0;
};

template <class T>
class OptionalOutArray {
 public:
  explicit OptionalOutArray(std::optional<std::span<T>> room) : room_(room) {}
  auto arguments() {
    return std::make_tuple(room_ ? present(room_->data()) : nullptr,
                           room_ ? room_->size() : std::size_t{0}, room_ ? &count_ : nullptr);
  }
  std::optional<std::size_t> take() { return room_ ? std::optional(count_) : std::nullopt; }

 private:
  std::optional<std::span<T>> room_;
  std::size_t count_ = 0;
};

/// Why text cannot be a C string; empty where it can.
inline std::string text_problem(const char* name, std::string_view text) {
  const std::size_t at = text.find('\0');
  if (at == std::string_view::npos) return {};
  return std::string("text '") + name + "' has a zero byte at " + std::to_string(at) +
         ": pass text without one, or bytes";
}

class Text {
 public:
  Text(const char* name, std::string_view text) : name_(name), text_(text) {}
  std::string problem() const { return text_problem(name_, text_); }
  auto arguments() { return std::make_tuple(text_.c_str()); }

 private:
  const char* name_;
  std::string text_;
};

class OptionalText {
 public:
  OptionalText(const char* name, std::optional<std::string_view> text) : name_(name), text_(text) {}
  std::string problem() const { return text_ ? text_problem(name_, *text_) : std::string(); }
  auto arguments() { return std::make_tuple(text_ ? text_->c_str() : nullptr); }

 private:
  const char* name_;
  std::optional<std::string> text_;
};

class Bytes {
 public:
  explicit Bytes(ByteView bytes) : bytes_(bytes) {}
  auto arguments() {
    return std::make_tuple(static_cast<const void*>(present(bytes_.data())), bytes_.size());
  }

 private:
  ByteView bytes_;
};

class OptionalBytes {
 public:
  explicit OptionalBytes(std::optional<ByteView> bytes) : bytes_(bytes) {}
  auto arguments() {
    return std::make_tuple(static_cast<const void*>(bytes_ ? present(bytes_->data()) : nullptr),
                           bytes_ ? bytes_->size() : std::size_t{0});
  }

 private:
  std::optional<ByteView> bytes_;
};

/// Text or bytes of any size, in memory of the result. Owned is std::string or
/// std::vector<std::byte>, Pointer what C calls it.
template <class Owned, class Pointer>
class OutBuffer {
 public:
  explicit OutBuffer(bool wanted = true) : wanted_(wanted) {
    if (wanted) make_room(kFirstRoom);
  }
  auto arguments() {
    return std::make_tuple(static_cast<Pointer>(room_.get()), capacity_,
                           wanted_ ? &bytes_ : nullptr);
  }
  bool grow() {
    if (bytes_ <= capacity_) return false;
    make_room(bytes_);
    return true;
  }
  Owned take() {
    const auto* first = reinterpret_cast<const typename Owned::value_type*>(room_.get());
    return Owned(first, first + bytes_);
  }
  bool wanted() const { return wanted_; }

 private:
  void make_room(std::size_t bytes) {
    room_ = std::make_unique_for_overwrite<std::byte[]>(bytes);
    capacity_ = bytes;
    bytes_ = 0;
  }

  bool wanted_;
  std::unique_ptr<std::byte[]> room_;
  std::size_t capacity_ = 0;
  std::size_t bytes_ = 0;
};

template <class Buffer>
class Optional {
 public:
  explicit Optional(bool wanted) : buffer_(wanted) {}
  auto arguments() { return buffer_.arguments(); }
  bool grow() { return buffer_.grow(); }
  auto take() {
    using Value = decltype(buffer_.take());
    return buffer_.wanted() ? std::optional<Value>(buffer_.take()) : std::nullopt;
  }

 private:
  Buffer buffer_;
};

class OutChars : public OutBuffer<std::string, void*> {
 public:
  using OutBuffer::OutBuffer;
  auto arguments() {
    auto [data, capacity, bytes] = OutBuffer::arguments();
    return std::make_tuple(static_cast<char*>(data), capacity, bytes);
  }
};
using OutText = OutChars;
using OutBytes = OutBuffer<std::vector<std::byte>, void*>;
using OptionalOutText = Optional<OutText>;
using OptionalOutBytes = Optional<OutBytes>;

/// Resources, and tensors in or in place.
template <class Object>
class Handle {
 public:
  explicit Handle(const Object& object) : handle_(object.handle()) {}
  explicit Handle(const Object* object) : handle_(object != nullptr ? object->handle() : nullptr) {}
  auto arguments() { return std::make_tuple(handle_); }

 private:
  decltype(std::declval<const Object&>().handle()) handle_;
};

template <class Object>
class Handles {
 public:
  explicit Handles(std::span<const Object> objects) {
    handles_.reserve(objects.size());
    for (const Object& object : objects) handles_.push_back(object.handle());
  }
  auto arguments() {
    return std::make_tuple(present(std::as_const(handles_).data()), handles_.size());
  }

 private:
  std::vector<decltype(std::declval<const Object&>().handle())> handles_;
};

class Texts {
 public:
  Texts(const char* name, std::span<const std::string> texts) : name_(name), texts_(texts) {
    pointers_.reserve(texts.size());
    for (const std::string& text : texts) pointers_.push_back(text.c_str());
  }
  std::string problem() const {
    for (const std::string& text : texts_) {
      if (std::string why = text_problem(name_, text); !why.empty()) return why;
    }
    return {};
  }
  auto arguments() {
    return std::make_tuple(present(std::as_const(pointers_).data()), pointers_.size());
  }

 private:
  const char* name_;
  std::span<const std::string> texts_;
  std::vector<const char*> pointers_;
};

/// A new tensor.
template <class Tensor>
class OutTensor {
 public:
  explicit OutTensor(bool wanted = true) : wanted_(wanted) {}
  OutTensor(OutTensor&& other) noexcept
      : wanted_(other.wanted_), tensor_(std::exchange(other.tensor_, nullptr)) {}
  OutTensor& operator=(OutTensor&&) = delete;
  ~OutTensor() { vac_tensor_free(tensor_); }
  auto arguments() { return std::make_tuple(wanted_ ? &tensor_ : nullptr); }
  Tensor take() { return Tensor::adopt(std::exchange(tensor_, nullptr)); }
  bool wanted() const { return wanted_; }
  bool grow() { return false; }

 private:
  bool wanted_;
  vac_tensor* tensor_ = nullptr;
};

/// New tensors, as many as come.
template <class Tensor>
class OutTensors {
 public:
  OutTensors() : tensors_(kFirstTensors) {}
  OutTensors(OutTensors&&) noexcept = default;
  OutTensors& operator=(OutTensors&&) = delete;
  ~OutTensors() {
    for (vac_tensor* tensor : tensors_) vac_tensor_free(tensor);
  }
  auto arguments() { return std::make_tuple(tensors_.data(), tensors_.size(), &count_); }
  bool grow() {
    if (count_ <= tensors_.size()) return false;
    tensors_.resize(count_);
    return true;
  }
  std::vector<Tensor> take() {
    std::vector<Tensor> taken;
    taken.reserve(count_);
    for (std::size_t i = 0; i < count_; ++i) {
      taken.push_back(Tensor::adopt(std::exchange(tensors_[i], nullptr)));
    }
    return taken;
  }

 private:
  std::vector<vac_tensor*> tensors_;
  std::size_t count_ = 0;
};

template <class Argument>
std::string problem_of(const Argument& argument) {
  if constexpr (requires { argument.problem(); }) {
    return argument.problem();
  } else {
    return {};
  }
}

template <class Argument>
bool grow(Argument& argument) {
  if constexpr (requires { argument.grow(); }) {
    return argument.grow();
  } else {
    return false;
  }
}

template <class Argument>
auto taken(Argument& argument) {
  if constexpr (requires { argument.take(); }) {
    return std::tuple(argument.take());
  } else {
    return std::tuple();
  }
}

/// Nothing came back: Status. One thing: Result of it. Several: Result<R>, whose members they are.
template <class R, class... Arguments>
auto result(Arguments&... arguments) {
  auto values = std::tuple_cat(taken(arguments)...);
  constexpr std::size_t kCount = std::tuple_size_v<decltype(values)>;
  if constexpr (kCount == 0) {
    return Status();
  } else if constexpr (kCount == 1) {
    using Value = std::tuple_element_t<0, decltype(values)>;
    return Result<Value>(std::get<0>(std::move(values)));
  } else {
    return std::apply(
        [](auto&&... value) { return Result<R>(R{std::forward<decltype(value)>(value)...}); },
        std::move(values));
  }
}

template <bool kRepeatable, class R, class Function, class... Arguments>
auto run(const char* operation, Function* function, vac_session* session, Arguments&... arguments) {
  using Outcome = decltype(result<R>(arguments...));
  std::string problem;
  (void)((problem = problem_of(arguments), problem.empty()) && ...);
  if (!problem.empty()) {
    return Outcome(Error{Errc::invalid, std::move(problem)}.with_context(operation));
  }
  for (;;) {
    const int code =
        std::apply(function, std::tuple_cat(std::tuple(session), arguments.arguments()...));
    if (code == VAC_OK) return result<R>(arguments...);
    if constexpr (kRepeatable) {
      if (code == VAC_ENOSPC) {
        bool grown = false;
        ((grown |= grow(arguments)), ...);
        if (grown) continue;
      }
    }
    return Outcome(last_error(code));
  }
}

/// Calls a C function, again with more room where it asks for more.
template <class R = void, class Function, class... Arguments>
auto invoke(const char* operation, Function* function, vac_session* session,
            Arguments... arguments) {
  return run<true, R>(operation, function, session, arguments...);
}

/// The same for an operation that must not be repeated: too little room is an error.
template <class R = void, class Function, class... Arguments>
auto invoke_once(const char* operation, Function* function, vac_session* session,
                 Arguments... arguments) {
  return run<false, R>(operation, function, session, arguments...);
}

}  // namespace vac::methods
