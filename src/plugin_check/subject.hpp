// SPDX-License-Identifier: Apache-2.0
// The plugin under check as its own process sees it: loaded, opened, with sessions and resources.
#pragma once

#include <vac/plugin.h>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>
#include <string_view>
#include <utility>

#include "base/text.hpp"
#include "plugin_check/call_record.hpp"
#include "plugin_check/isolation.hpp"

namespace vac::plugin_check {

/// What a function of the plugin answered outside of calls.
struct Answer {
  int code = VAC_OK;
  std::string text;  ///< what it said by vac_host.error

  explicit operator bool() const noexcept { return code == VAC_OK; }
  /// "VAC_EINVAL: no such key"; of a failure.
  std::string words() const {
    return concat(error_name(code), ": ", text.empty() ? "it says nothing" : text);
  }
};

/// Runs something of the plugin on this thread. What it throws ends the check.
template <class F>
auto run_plugin(Reporter& reporter, std::string_view check, std::string_view step, F&& function) {
  reporter.step(check, step);
  try {
    return std::forward<F>(function)();
  } catch (const std::exception& thrown) {
    reporter.fail_and_leave(
        check, concat(step, ": an exception left the plugin: ", thrown.what(),
                      ": catch all that frameworks throw, and return a code and a text"));
  } catch (...) {
    reporter.fail_and_leave(
        check, concat(step,
                      ": an exception that is no std::exception left the plugin: catch all "
                      "that frameworks throw, and return a code and a text"));
  }
}

/// The same for a function that returns a code and may say why.
template <class F>
Answer ask_plugin(Reporter& reporter, std::string_view check, std::string_view step, F&& function) {
  return run_plugin(reporter, check, step, [&] {
    clear_thread_text();
    const int code = function();
    return Answer{code, take_thread_text()};
  });
}

/// A failure has a text, and a code that there is: reports what is wrong with an answer, and
/// whether nothing was.
bool check_answer(Reporter& reporter, std::string_view check, std::string_view step,
                  const Answer& answer);

/// The loaded file. Never unloaded, as in the real host. A value.
class Subject {
 public:
  using Entry = const vac_plugin* (*)(std::uint32_t, std::uint32_t);

  /// Loads; ends the process with a failure of check "load" where that fails.
  static Subject load(Reporter& reporter, const std::string& path);

  Entry entry() const noexcept { return entry_; }
  /// Slots beyond what the plugin was compiled with are NULL.
  const vac_plugin& table() const noexcept { return table_; }
  bool remote() const noexcept { return (table_.caps & VAC_CAP_REMOTE) != 0; }
  bool asynchronous() const noexcept { return (table_.caps & VAC_CAP_ASYNC) != 0; }

 private:
  Entry entry_ = nullptr;
  vac_plugin table_{};
};

/// An opened plugin, closed at the end. Must not outlive its Subject.
class Instance {
 public:
  Instance(Reporter& reporter, const Subject& subject, std::string check,
           const std::string& config);
  ~Instance();
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  const Answer& answer() const noexcept { return answer_; }
  void* state() const noexcept { return state_; }
  const vac_plugin& table() const noexcept { return subject_.table(); }
  const Subject& subject() const noexcept { return subject_; }
  Reporter& reporter() const noexcept { return reporter_; }
  /// Once; the destructor does it otherwise.
  void close();

 private:
  Reporter& reporter_;
  const Subject& subject_;
  const std::string check_;
  void* state_ = nullptr;
  Answer answer_;
  bool open_ = false;
};

/// A session of an instance.
class SessionOf {
 public:
  SessionOf(const Instance& instance, std::string check, const std::string& address);
  ~SessionOf();
  SessionOf(const SessionOf&) = delete;
  SessionOf& operator=(const SessionOf&) = delete;

  const Answer& answer() const noexcept { return answer_; }
  void* state() const noexcept { return state_; }

 private:
  const Instance& instance_;
  const std::string check_;
  void* state_ = nullptr;
  Answer answer_;
};

/// A resource attached to an instance.
class AttachedTo {
 public:
  /// Asks `accepts` first, as the host does.
  AttachedTo(const Instance& instance, std::string check, void* session,
             const vac_resource_view& view);
  ~AttachedTo();
  AttachedTo(const AttachedTo&) = delete;
  AttachedTo& operator=(const AttachedTo&) = delete;

  const Answer& answer() const noexcept { return answer_; }
  void* state() const noexcept { return state_; }

 private:
  const Instance& instance_;
  const std::string check_;
  void* state_ = nullptr;
  Answer answer_;
};

}  // namespace vac::plugin_check
