// SPDX-License-Identifier: Apache-2.0
// The agent's end of connections, driven by a test frame by frame, so that it can misbehave at
// will. Who uses it links vac_wire and vac_transport.
#pragma once

#include <vac/plugin.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "call/op_table.hpp"
#include "support/temp_directory.hpp"
#include "transport/channel.hpp"
#include "wire/codec.hpp"
#include "wire/frame.hpp"
#include "wire/hello.hpp"

namespace vac::test {

/// A frame as it came, with the payload that data frames brought. For a call, its arguments.
class ReceivedFrame {
 public:
  wire::FrameHeader header;
  const Op* op = nullptr;
  vac_call call{};  ///< of a call frame: points into the frame

  /// Of a call: the record of an argument that is no list's child, by its place in the table.
  const vac_arg& argument(std::size_t index) const;
  std::span<const std::byte> data(std::size_t index) const;
  std::string text(std::size_t index) const;
  std::uint64_t scalar(std::size_t index) const { return argument(index).value; }
  /// The text of a goodbye.
  std::string reason() const;

 private:
  friend class ScriptedPeer;
  struct Free {
    void operator()(std::byte* memory) const noexcept;
  };
  std::unique_ptr<std::byte[], Free> bytes_;
  std::size_t size_ = 0;
};

/// What is to be in a reply: scalars by value, arrays and tensors by their bytes.
struct ScriptedOutput {
  std::uint32_t arg = 0;
  std::uint32_t child = 0;
  std::vector<std::byte> data = {};
  std::uint8_t type = 0;
  std::vector<std::int64_t> dims = {};
};
struct ScriptedAnswer {
  std::vector<std::pair<std::size_t, std::uint64_t>> scalars = {};  ///< argument, value
  std::vector<ScriptedOutput> outputs = {};
  std::uint32_t queue_us = 0, plugin_us = 0, agent_us = 0;
};

/// One accepted connection. Every function fails the test when the client breaks the protocol, or
/// ten seconds pass without a byte. Confined to one thread.
class ScriptedPeer {
 public:
  explicit ScriptedPeer(std::unique_ptr<transport::Channel> channel);

  /// Reads the client's hello and answers it.
  wire::Hello greet(const wire::Hello& ours = {});
  /// From now on receive() gives advice to the test as well, instead of answering it by itself.
  void show_advice() { shows_advice_ = true; }
  /// The next frame. A call whose payload follows is complete only when its data frames have come:
  /// they are taken as they come, and nothing else may come in between.
  ReceivedFrame receive();
  /// The same; nothing when the client has ended the stream or says goodbye.
  std::optional<ReceivedFrame> receive_or_end();
  /// Whether a receive would find something now.
  bool readable() const;
  /// The next frame as it is on the wire, without the payload that follows in data frames.
  ReceivedFrame receive_one();
  /// Whether the client has ended the stream. A goodbye before it is taken.
  bool at_end();

  /// Answers a call; outputs that are not given are empty or zero, inouts come back as they came.
  void reply(ReceivedFrame& frame, const ScriptedAnswer& answer = {});
  void fail(std::uint64_t request, int code, std::uint32_t detail, std::string_view text);
  void goodbye(int code, std::string_view text);

  /// The frames of a reply, to be sent by the test: the reply itself, then its data frames.
  std::vector<std::vector<std::byte>> reply_frames(ReceivedFrame& frame,
                                                   const ScriptedAnswer& answer);
  /// Sends any bytes.
  void send(std::span<const std::byte> bytes);
  void send(const wire::FrameHeader& header);
  /// As many as go without waiting.
  std::size_t try_send(std::span<const std::byte> bytes);
  /// Receives exactly that many bytes.
  void receive_bytes(std::span<std::byte> to);

  /// Until the client has read all that was sent; at most ten seconds.
  void wait_until_read();

  /// Ends the connection as a killed agent would.
  void close() { channel_.reset(); }
  transport::Channel& channel() { return *channel_; }

 private:
  ReceivedFrame receive_rest(const wire::FrameHeader& header);
  ReceivedFrame receive_payload(ReceivedFrame frame);
  void decode(ReceivedFrame& frame);
  bool took_advice(ReceivedFrame& frame);

  std::unique_ptr<transport::Channel> channel_;
  wire::FrameEncoder encoder_;
  bool shows_advice_ = false;
};

/// Listens on a socket of its own in a folder of its own. Confined to one thread.
class ScriptedAgent {
 public:
  ScriptedAgent();

  /// "unix:///...".
  const std::string& address() const noexcept { return address_; }
  /// The next connection.
  ScriptedPeer accept();
  /// From now on nobody listens.
  void stop() { listener_.reset(); }

 private:
  TempDirectory folder_;
  std::string address_;
  std::unique_ptr<transport::Listener> listener_;
};

/// Two connected ends. `buffer_bytes`: how much fits into the pipe each way, roughly.
struct ChannelPair {
  std::unique_ptr<transport::Channel> client, agent;
};
ChannelPair make_channel_pair(std::optional<int> buffer_bytes = std::nullopt);

}  // namespace vac::test
