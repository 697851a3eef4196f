// SPDX-License-Identifier: Apache-2.0
// For tests: a connection whose other end the test drives.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <vac/ops.h>
#include <vac/plugin.h>

#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "connection.hpp"
#include "support/fake_host.hpp"
#include "support/scripted_agent.hpp"
#include "support/sleeper.hpp"

namespace vac::remote {

using test::Sleeper;

inline constexpr std::int64_t kMillisecondNs = 1'000'000;

/// One call and what its host was told. Confined to the call's thread.
class TestCall {
 public:
  explicit TestCall(std::uint32_t op) : fake_(host_, op) {}

  test::FakeCall* operator->() { return &fake_; }
  test::FakeHost& host() { return host_; }
  vac_call& call() { return fake_.call(); }
  void deadline_in_ms(std::int64_t ms) { call().deadline_ns = now_ns() + ms * kMillisecondNs; }

  Status run(Connection& connection) { return connection.run(call(), host_.table()); }

 private:
  test::FakeHost host_;
  test::FakeCall fake_;
};

/// noop with that much data.
class NoopCall : public TestCall {
 public:
  explicit NoopCall(std::size_t bytes = 5) : TestCall(VAC_OP_NOOP), data_(bytes, 'x') {
    (*this)->array(VAC_BYTE, data_.data(), data_.size());
  }

 private:
  std::string data_;
};

/// minmax: f64[] data in, f64[] result of `capacity` doubles, min and max out.
class MinmaxCall : public TestCall {
 public:
  explicit MinmaxCall(std::size_t capacity = 4, std::size_t inputs = 4)
      : TestCall(VAC_OP_MINMAX), data(inputs, 1.5), result(capacity, 0.0) {
    (*this)->array(VAC_F64, data.data(), data.size() * sizeof(double));
    (*this)->scalar(VAC_I32, 1).scalar(VAC_I32, 2);
    (*this)->out_array(VAC_F64, result.data(), capacity * sizeof(double));
    (*this)->out_scalar(VAC_F64).out_scalar(VAC_F64);
  }
  static constexpr std::size_t kResult = 3, kMin = 4, kMax = 5;

  double scalar(std::size_t index) {
    double value = 0;
    std::memcpy(&value, &(*this)->record(index).value, sizeof value);
    return value;
  }
  std::uint64_t result_bytes() { return (*this)->record(kResult).bytes; }

  std::vector<double> data, result;
};

inline std::vector<std::byte> bytes_of(const std::vector<double>& values) {
  const auto bytes = std::as_bytes(std::span(values));
  return {bytes.begin(), bytes.end()};
}

inline std::uint64_t bits_of(double value) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

inline test::ScriptedAnswer minmax_answer(const std::vector<double>& result) {
  return {.scalars = {{MinmaxCall::kMin, bits_of(-1.0)}, {MinmaxCall::kMax, bits_of(9.0)}},
          .outputs = {{.arg = MinmaxCall::kResult, .data = bytes_of(result)}}};
}

struct LinkOptions {
  std::optional<int> buffer_bytes = std::nullopt;
  std::uint32_t calls_in_flight = wire::kMaxCallsInFlight;
  Times times = {};
  std::uint32_t region_kinds = 0;
  Taking taking = {};
};

/// A connection past its hello, and the agent's end of it.
struct Link {
  explicit Link(const LinkOptions& options = {})
      : Link(options, test::make_channel_pair(options.buffer_bytes)) {}
  Link(const LinkOptions& options, test::ChannelPair pair) : agent(std::move(pair.agent)) {
    wire::Hello agreed;
    agreed.calls_in_flight = options.calls_in_flight;
    agreed.region_kinds = options.region_kinds;
    connection = *Connection::create(std::move(pair.client), "unix:///test", agreed, options.times,
                                     options.taking);
  }

  test::ScriptedPeer agent;
  std::unique_ptr<Connection> connection;
};

/// What the agent does meanwhile, on a thread of its own. A script that fails ends the connection,
/// so that nobody waits for it.
class Script {
 public:
  template <class Function>
  Script(Link& link, Function function)
      : thread_([&link, function = std::move(function)]() mutable {
          try {
            function();
          } catch (const std::exception& failure) {
            ADD_FAILURE() << failure.what();
            link.agent.channel().shutdown();
          }
        }) {}
  ~Script() { join(); }
  Script(const Script&) = delete;
  Script& operator=(const Script&) = delete;

  void join() {
    if (thread_.joinable()) thread_.join();
  }

 private:
  std::thread thread_;
};

MATCHER_P2(FailsWith, code, text, "") {
  if (arg) {
    *result_listener << "success";
    return false;
  }
  *result_listener << arg.error().message();
  return arg.error().value() == code && ::testing::Value(arg.error().text(), text);
}

MATCHER(Succeeds, "") {
  if (!arg) *result_listener << arg.error().message();
  return arg.has_value();
}

}  // namespace vac::remote
