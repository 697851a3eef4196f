// SPDX-License-Identifier: Apache-2.0
// Runs code of a plugin in a process of its own, so that what crashes or hangs there is a finding.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/mutex.hpp"
#include "plugin_check/outcome.hpp"

namespace vac::plugin_check {

enum class MessageKind : std::uint8_t;

/// The way from the process with the plugin to the one that reports. Thread-safe.
class Reporter {
 public:
  explicit Reporter(int fd) : fd_(fd) {}

  /// Says what is about to happen: should the process crash or hang, `check` has failed, and `text`
  /// tells in what.
  void step(std::string_view check, std::string_view text);
  void tell(Verdict verdict, std::string_view check, std::string_view text);
  void ok(std::string_view check, std::string_view text) { tell(Verdict::ok, check, text); }
  void failed(std::string_view check, std::string_view text) { tell(Verdict::failed, check, text); }
  /// Something that the checks after this one need to know.
  void fact(std::string_view key, std::string_view value);
  /// The end of the process, with nothing more to say.
  [[noreturn]] void leave();
  /// A failure after which the plugin cannot be called again.
  [[noreturn]] void fail_and_leave(std::string_view check, std::string_view text) {
    failed(check, text);
    leave();
  }
  /// Says that all was done; the process may end in its own way.
  void done();

 private:
  void send(MessageKind kind, Verdict verdict, std::string_view check, std::string_view text);

  const int fd_;
  Mutex mutex_;
};

using FactListener = std::function<void(const std::string& key, const std::string& value)>;

/// Runs `body` in a forked process and passes on what it reports. The process is killed when it
/// reports nothing for `patience`. Returns the failure where it crashed, hung, or ended before
/// Reporter::done() or leave(). This process must have one thread.
std::optional<Outcome> run_isolated(const std::function<void(Reporter&)>& body,
                                    std::chrono::seconds patience, const Listener& outcomes,
                                    const FactListener& facts);

}  // namespace vac::plugin_check
