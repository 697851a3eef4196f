// SPDX-License-Identifier: Apache-2.0
// A host for one plugin and the calls given to it, without core: for tests of plugins and of
// <vac/plugin.hpp>.
#pragma once

#include <vac/plugin.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vac::test {

/// What a plugin asked for by vac_host.output.
struct GivenOutput {
  std::uint8_t type = VAC_NONE;
  std::vector<std::int64_t> dims;
  std::vector<std::byte> data;

  bool operator==(const GivenOutput&) const = default;
};

/// Records what a plugin says. Confined to one thread. Must not move while a plugin is open.
class FakeHost {
 public:
  FakeHost();
  FakeHost(const FakeHost&) = delete;
  FakeHost& operator=(const FakeHost&) = delete;

  const vac_host* table() const { return &table_; }

  std::map<std::pair<std::uint32_t, std::uint32_t>, GivenOutput>
      outputs;                         ///< by argument and child
  bool out_of_memory = false;          ///< output answers NULL
  std::atomic<bool> cancelled{false};  ///< the one thing that any thread may say
  std::string error;
  std::uint32_t detail = 0;
  std::vector<std::pair<vac_call*, int>> completed;
  std::uint64_t progress_done = 0;
  std::vector<std::string> log;

 private:
  vac_host table_{};
};

/// Builds the records of a call in the order of the operation's arguments, as a host hands them
/// over. The memory that is named must outlive the call.
class FakeCall {
 public:
  FakeCall(FakeHost& host, std::uint32_t op) : host_(host), op_(op) {
    call_.flags = VAC_CALL_MAY_BLOCK;
  }

  FakeCall& absent(std::uint8_t type, std::uint8_t dir);
  FakeCall& scalar(std::uint8_t type, std::uint64_t bits);
  FakeCall& array(std::uint8_t type, const void* data, std::size_t bytes,
                  std::uint8_t dir = VAC_IN);
  FakeCall& text(std::string_view text) { return array(VAC_CHAR, text.data(), text.size()); }
  FakeCall& tensor(std::uint8_t type, const std::vector<std::int64_t>& dims, const void* data,
                   std::size_t bytes, std::uint8_t dir = VAC_IN);
  FakeCall& resource(void* state);
  /// `count` children follow; VAC_ANY_COUNT: an output of any number.
  FakeCall& list(std::uint32_t count, std::uint8_t dir = VAC_IN);
  /// Sets the caller's own tag of the leaf added last.
  FakeCall& tag(std::uint32_t tag);
  FakeCall& out_scalar(std::uint8_t type);
  /// data nullptr: the plugin asks for the memory, at most `capacity` bytes being of use.
  FakeCall& out_array(std::uint8_t type, void* data, std::uint64_t capacity);
  FakeCall& out_tensor(void* data = nullptr, std::uint64_t capacity = VAC_ANY_BYTES);

  /// The call as the plugin gets it; further arguments make it invalid.
  vac_call& call();
  vac_arg& record(std::size_t position) { return records_[position]; }

 private:
  vac_arg& add(std::uint8_t type, std::uint8_t form, std::uint8_t dir);

  FakeHost& host_;
  std::uint32_t op_;
  std::vector<vac_arg> records_;
  std::vector<std::int64_t> meta_;
  std::vector<void*> states_;
  vac_call call_{};
};

/// A plugin opened in a FakeHost, closed at the end.
class OpenPlugin {
 public:
  OpenPlugin(FakeHost& host, const vac_plugin* table, const char* config = "{}");
  ~OpenPlugin();
  OpenPlugin(const OpenPlugin&) = delete;
  OpenPlugin& operator=(const OpenPlugin&) = delete;

  /// What open returned.
  int code() const { return code_; }
  const vac_plugin& table() const { return *table_; }
  void* state() const { return state_; }
  int submit(FakeCall& call);
  /// What the plugin offers for an operation.
  std::optional<vac_op_offer> offer(std::uint32_t op) const;

 private:
  const vac_plugin* table_;
  void* state_ = nullptr;
  int code_;
};

}  // namespace vac::test
