// SPDX-License-Identifier: Apache-2.0
// Calls into a plugin's table from which nothing but a code comes back. The ABI forbids to throw;
// what a plugin throws all the same becomes a code and a text here.
#pragma once

#include <vac/result.hpp>

#include <string>
#include <string_view>
#include <utility>

namespace vac::core {

/// The code that a plugin's answer stands for: itself where it is a final code of vAccel's, else
/// VAC_EIO (negative, VAC_EINPROGRESS, a number without a name).
int known_code(int code) noexcept;

/// What a plugin said of a failure, made fit to pass on: one line of UTF-8, at most 1 KiB. nullptr
/// is empty.
std::string plugin_text(const char* text);

/// The failure of a hook outside of calls: the code and what the plugin told by vac_host.error on
/// this thread, or `otherwise` where it told nothing.
Error hook_error(int code, std::string_view otherwise);

/// For a catch (...) around a call into a plugin: what was thrown, as vac_host.error would have
/// told it. Returns the code: VAC_ENOMEM for std::bad_alloc, else VAC_EIO.
int caught_from_plugin(const char* hook) noexcept;
/// The same for hooks that return nothing: it is logged.
void log_caught(const char* plugin, const char* hook) noexcept;

/// Runs `body`, which calls a hook that returns a code. What vac_host.error tells on this thread
/// meanwhile is kept for hook_error().
template <class Body>
int contained(const char* hook, Body&& body) noexcept {
  try {
    return std::forward<Body>(body)();
  } catch (...) {
    return caught_from_plugin(hook);
  }
}

/// The same for a hook that returns nothing.
template <class Body>
void contained_void(const char* plugin, const char* hook, Body&& body) noexcept {
  try {
    std::forward<Body>(body)();
  } catch (...) {
    log_caught(plugin, hook);
  }
}

/// What plugins say by vac_host.error outside of calls on this thread: cleared before a hook, taken
/// after it.
void clear_thread_error() noexcept;
std::string take_thread_error() noexcept;
void set_thread_error(const char* message) noexcept;

}  // namespace vac::core
