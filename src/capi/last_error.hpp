// SPDX-License-Identifier: Apache-2.0
// The last error of a thread, and the guard around every extern "C" body.
#pragma once

#include <vac/result.hpp>

#include <exception>
#include <new>
#include <string_view>

namespace vac::capi {

/// Keeps the error for vac_error_message() and returns its code.
int set_last_error(const Error& error) noexcept;
int set_last_error(int code, std::string_view text, unsigned detail) noexcept;

/// Runs the body of a C function, which returns a code or a Status, and turns what it throws into a
/// code.
template <class Body>
[[gnu::always_inline]] inline int guarded(Body&& body) noexcept {
  try {
    if constexpr (std::is_same_v<decltype(body()), int>) {
      return body();
    } else {
      Status status = body();
      return status ? VAC_OK : set_last_error(status.error());
    }
  } catch (const std::bad_alloc&) {
    return set_last_error(VAC_ENOMEM, error_text(VAC_ENOMEM), 0);
  } catch (const std::exception& exception) {
    return set_last_error(VAC_EIO, exception.what(), 0);
  } catch (...) {
    return set_last_error(VAC_EIO, error_text(VAC_EIO), 0);
  }
}

}  // namespace vac::capi
