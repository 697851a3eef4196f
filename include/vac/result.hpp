// SPDX-License-Identifier: Apache-2.0
// Result<T> and Status: a value, or an error code with a sentence. Members are named as in
// std::expected.
#pragma once

#include <vac/error_codes.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

namespace vac {

/// The error codes of `error_codes.h`; the numeric value is the C constant's.
enum class Errc : int {
#define VAC_ERRC_ENUMERATOR(name, value, enumerator, text) enumerator = (value),
  VAC_ERROR_CODES(VAC_ERRC_ENUMERATOR)
#undef VAC_ERRC_ENUMERATOR
};

/// The C name of a code: "VAC_EINVAL"; "VAC_E?" for a number that has none.
constexpr const char* error_name(int code) noexcept {
  switch (code) {
    case VAC_OK:
      return "VAC_OK";
#define VAC_ERRC_NAME(name, value, enumerator, text) \
  case value:                                        \
    return "VAC_" #name;
      VAC_ERROR_CODES(VAC_ERRC_NAME)
#undef VAC_ERRC_NAME
    default:
      return "VAC_E?";
  }
}

/// What a code means, in a few words, for errors that came without a sentence.
constexpr const char* error_text(int code) noexcept {
  switch (code) {
    case VAC_OK:
      return "success";
#define VAC_ERRC_TEXT(name, value, enumerator, text) \
  case value:                                        \
    return text;
      VAC_ERROR_CODES(VAC_ERRC_TEXT)
#undef VAC_ERRC_TEXT
    default:
      return "unknown error";
  }
}

/// Why something failed. The text reads "what failed, which value, why: what to do", without the
/// code.
class [[nodiscard]] Error {
 public:
  Error(Errc code, std::string text) : code_(code), text_(std::move(text)) {}
  explicit Error(Errc code) : Error(code, error_text(static_cast<int>(code))) {}

  Errc code() const noexcept { return code_; }
  /// The code as C functions return it; never VAC_OK.
  int value() const noexcept { return static_cast<int>(code_); }
  /// The sentence alone.
  const std::string& text() const& noexcept { return text_; }
  std::string text() && noexcept { return std::move(text_); }
  /// The sentence with the code's name: "... (VAC_EINVAL)".
  std::string message() const { return text_ + " (" + error_name(value()) + ")"; }
  /// The same error with "prefix: " before its text.
  Error with_context(std::string_view prefix) && {
    text_.insert(0, std::string(prefix) + ": ");
    return std::move(*this);
  }
  /// The framework's own code, 0 where there is none.
  std::uint32_t detail() const noexcept { return detail_; }
  Error with_detail(std::uint32_t detail) && {
    detail_ = detail;
    return std::move(*this);
  }

 private:
  Errc code_;
  std::uint32_t detail_ = 0;
  std::string text_;
};

/// Thrown by Result::value() on an error, as std::expected does.
class BadResultAccess : public std::runtime_error {
 public:
  explicit BadResultAccess(const Error& error) : std::runtime_error(error.message()) {}
};

namespace detail {
[[noreturn]] inline void throw_bad_access(const Error& error) {
#if defined(__cpp_exceptions)
  throw BadResultAccess(error);
#else
  std::fprintf(stderr, "%s\n", error.message().c_str());
  std::abort();
#endif
}
}  // namespace detail

/// A value of T or an Error.
template <class T>
class [[nodiscard]] Result {
 public:
  using value_type = T;

  // Implicit on purpose: `return value;` and `return Error{...};` are how functions end.
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}
  template <class U>
    requires(std::is_convertible_v<U &&, T> && !std::is_same_v<std::remove_cvref_t<U>, T> &&
             !std::is_same_v<std::remove_cvref_t<U>, Error> &&
             !std::is_same_v<std::remove_cvref_t<U>, Result>)
  Result(U&& value) : state_(std::in_place_index<0>, std::forward<U>(value)) {}

  bool has_value() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }

  T& value() & { return checked(), *std::get_if<0>(&state_); }
  const T& value() const& { return checked(), *std::get_if<0>(&state_); }
  T&& value() && { return checked(), std::move(*std::get_if<0>(&state_)); }

  T& operator*() & noexcept { return *std::get_if<0>(&state_); }
  const T& operator*() const& noexcept { return *std::get_if<0>(&state_); }
  T&& operator*() && noexcept { return std::move(*std::get_if<0>(&state_)); }
  T* operator->() noexcept { return std::get_if<0>(&state_); }
  const T* operator->() const noexcept { return std::get_if<0>(&state_); }

  /// Only where has_value() is false.
  const Error& error() const& noexcept { return *std::get_if<1>(&state_); }
  Error&& error() && noexcept { return std::move(*std::get_if<1>(&state_)); }

  template <class U>
  T value_or(U&& fallback) && {
    return has_value() ? std::move(**this) : static_cast<T>(std::forward<U>(fallback));
  }

 private:
  void checked() const {
    if (!has_value()) detail::throw_bad_access(error());
  }
  std::variant<T, Error> state_;
};

/// Success or an Error.
template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;

  Result() noexcept = default;
  Result(Error error) : error_(std::move(error)) {}

  bool has_value() const noexcept { return !error_; }
  explicit operator bool() const noexcept { return has_value(); }
  void value() const {
    if (error_) detail::throw_bad_access(*error_);
  }
  const Error& error() const& noexcept { return *error_; }
  Error&& error() && noexcept { return *std::move(error_); }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;

}  // namespace vac

#define VAC_CONCAT_INNER(a, b) a##b
#define VAC_CONCAT(a, b) VAC_CONCAT_INNER(a, b)

/// VAC_TRY(auto x, make_x()): declares x from a Result's value, or returns its error from this
/// function.
#define VAC_TRY(declaration, ...)                                \
  auto VAC_CONCAT(vac_result_, __LINE__) = (__VA_ARGS__);        \
  if (!VAC_CONCAT(vac_result_, __LINE__))                        \
    return std::move(VAC_CONCAT(vac_result_, __LINE__)).error(); \
  declaration = *std::move(VAC_CONCAT(vac_result_, __LINE__))

/// VAC_CHECK(do_it()): returns the error of a Status (or Result) from this function if it has one.
#define VAC_CHECK(...)                                                                      \
  do {                                                                                      \
    if (auto vac_status = (__VA_ARGS__); !vac_status) return std::move(vac_status).error(); \
  } while (false)
