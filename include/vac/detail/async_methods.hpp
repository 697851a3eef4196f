// SPDX-License-Identifier: Apache-2.0
// How the generated methods of ops.hpp submit: methods.hpp's arguments, of which those that it only
// borrows are kept until the call is finished.
#pragma once

#include <vac/detail/methods.hpp>
#include <vac/future.hpp>

#include <algorithm>
#include <memory>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace vac::methods::async {

using namespace vac::methods;  // NOLINT(google-build-using-namespace)

class Texts {
 public:
  Texts(const char* name, std::span<const std::string> texts)
      : texts_(texts.begin(), texts.end()),
        pointers_(std::make_unique<methods::Texts>(name, texts_)) {}
  std::string problem() const { return pointers_->problem(); }
  auto arguments() { return pointers_->arguments(); }

 private:
  std::vector<std::string> texts_;
  std::unique_ptr<methods::Texts> pointers_;
};

/// Keeps tensors; a resource is not copied, and must live.
template <class Object>
class Handle {
 public:
  explicit Handle(const Object& object) : handle_(object.handle()) { keep(object); }
  explicit Handle(const Object* object) {
    if (object == nullptr) return;
    handle_ = object->handle();
    keep(*object);
  }
  auto arguments() { return std::make_tuple(handle_); }

 private:
  void keep(const Object& object) {
    if constexpr (std::is_copy_constructible_v<Object>) kept_.push_back(object);
  }

  decltype(std::declval<const Object&>().handle()) handle_{};
  std::vector<std::conditional_t<std::is_copy_constructible_v<Object>, Object, char>> kept_;
};

template <class Object>
class Handles : public methods::Handles<Object> {
 public:
  explicit Handles(std::span<const Object> objects)
      : methods::Handles<Object>(objects), kept_(objects.begin(), objects.end()) {}

 private:
  std::vector<Object> kept_;
};

/// What result<R>() of the arguments is a Result of.
template <class Outcome>
struct ValueOf;
template <class T>
struct ValueOf<Result<T>> {
  using Type = T;
};

template <class T, class R, class... Arguments>
class SubmittedCall final : public vac::detail::PendingResult<T> {
 public:
  explicit SubmittedCall(Arguments&&... arguments) : arguments_(std::move(arguments)...) {}
  ~SubmittedCall() override { this->finish(); }  // before the arguments go

  template <class Function>
  Status submit(const char* operation, Function* function, vac_session* session,
                const CallOptions& options) {
    std::string problem;
    std::apply(
        [&](const auto&... argument) {
          (void)((problem = problem_of(argument), problem.empty()) && ...);
        },
        arguments_);
    if (!problem.empty()) return Error{Errc::invalid, std::move(problem)}.with_context(operation);
    const int code =
        this->start(options, [&](const vac_call_options* given, vac_call_handle** handle) {
          return std::apply(
              [&](auto&... argument) {
                return std::apply(
                    function, std::tuple_cat(std::tuple(session, given), argument.arguments()...,
                                             std::tuple(handle)));
              },
              arguments_);
        });
    return code == VAC_OK ? Status{} : Status{last_error(code)};
  }
  Result<T> get() override {
    const int code = this->finish_call();
    if (code != VAC_OK) return last_error(code);
    return std::apply([](auto&... argument) { return result<R>(argument...); }, arguments_);
  }

 private:
  std::tuple<Arguments...> arguments_;
};

/// Submits by a C function.
template <class R = void, class Function, class... Arguments>
auto submit(const char* operation, Function* function, vac_session* session,
            const CallOptions& options, Arguments... arguments) {
  using T = typename ValueOf<decltype(result<R>(arguments...))>::Type;
  auto call = std::make_unique<SubmittedCall<T, R, Arguments...>>(std::move(arguments)...);
  if (Status submitted = call->submit(operation, function, session, options); !submitted) {
    return Future<T>(std::move(submitted).error());
  }
  return Future<T>(std::move(call));
}

}  // namespace vac::methods::async
