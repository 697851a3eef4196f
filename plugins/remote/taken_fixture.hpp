// SPDX-License-Identifier: Apache-2.0
// For tests: calls that a connection takes, and the host that is told of their ends.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "base/futex_word.hpp"
#include "connection.hpp"
#include "connection_fixture.hpp"
#include "reactor.hpp"

namespace vac::remote {

/// What becomes of a taken call. Its host finds it by host_priv.
class TakenEnd {
 public:
  std::function<void()> then = [] {};  ///< by who completes it
  std::atomic<bool> cancelled{false};

  /// Waits for the end.
  Status wait() const {
    while (ended_.load() == 0) ended_.wait(0);
    if (code_ == VAC_OK) return {};
    return Error{static_cast<Errc>(code_), text_};
  }
  bool over() const noexcept { return ended_.load() != 0; }

  static const vac_host* host() {
    static const vac_host kHost = [] {
      vac_host table{};
      table.struct_size = sizeof table;
      table.complete = [](vac_call* call, int code, const char*) { of(call).end(code); };
      table.error = [](void*, vac_call* call, std::uint32_t, const char* text) {
        of(call).text_ = text;
      };
      table.output = [](vac_call*, std::uint32_t, std::uint32_t, std::uint64_t, std::uint8_t,
                        std::uint8_t, const std::int64_t*) -> void* { return nullptr; };
      table.cancelled = [](const vac_call* call) {
        const bool late = call->deadline_ns != 0 && now_ns() >= call->deadline_ns;
        return of(call).cancelled || late ? 1 : 0;
      };
      return table;
    }();
    return &kHost;
  }

 private:
  static TakenEnd& of(const vac_call* call) {
    return *static_cast<TakenEnd*>(const_cast<void*>(call->host_priv));
  }
  void end(int code) {
    code_ = code;
    // The object may be gone as soon as it has ended.
    const std::function<void()> next = then;
    const FutexWord& word = ended_;
    EXPECT_EQ(ended_.fetch_add(1), 0U) << "a call is completed once";
    word.wake_all();
    next();
  }

  FutexWord ended_;
  int code_ = -1;
  std::string text_;
};

/// One of the fixture's calls, to be taken once.
template <class Call>
class Taken : public Call, public TakenEnd {
 public:
  using Call::Call;

  vac_call& start(Connection& connection) {
    vac_call& call = this->call();
    call.flags = 0;
    call.host_priv = static_cast<TakenEnd*>(this);
    EXPECT_TRUE(connection.take(call));
    return call;
  }
  void cancel(Connection& connection) {
    cancelled = true;
    vac_call named{};  // all that a connection looks at
    named.host_priv = static_cast<TakenEnd*>(this);
    connection.cancel(named);
  }
};

/// A connection that takes calls.
struct TakingLink {
  explicit TakingLink(LinkOptions options = {}) : link(with(options, *reactor)) {}
  ~TakingLink() {
    link.connection.reset();
    reactor->rest();
  }
  TakingLink(const TakingLink&) = delete;
  TakingLink& operator=(const TakingLink&) = delete;

  Connection& connection() { return *link.connection; }
  test::ScriptedPeer& agent() { return link.agent; }

  std::unique_ptr<Reactor> reactor = std::move(Reactor::create()).value();
  Link link;

 private:
  static LinkOptions with(LinkOptions options, Reactor& reactor) {
    options.taking = {&reactor, TakenEnd::host()};
    return options;
  }
};

}  // namespace vac::remote
