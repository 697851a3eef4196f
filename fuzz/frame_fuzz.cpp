// SPDX-License-Identifier: Apache-2.0
// A stream of bytes into frames, by the agent's reader and by the client's: both must find the same
// frames, wherever the stream is cut.
#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "agent/frame_reader.hpp"
#include "frame_reader.hpp"
#include "fuzz.hpp"
#include "wire/frame.hpp"

namespace vac::fuzz {
namespace {

using wire::FrameHeader;

constexpr std::uint64_t kLargestFrame = 192 * 1024;

/// What a reader has made of a stream.
struct Story {
  std::vector<std::vector<std::byte>> frames;  // whole, from header to payload
  bool oversized = false;                      // one was skipped, or is the error
  std::string error;

  bool operator==(const Story&) const = default;
};

void require_sound(const FrameHeader& header) {
  const std::uint64_t head = wire::head_bytes(header);
  require(head <= kLargestFrame && header.payload_bytes <= kLargestFrame - head,
          "a frame above the limit is taken");
  require(header.payload_bytes % wire::kAlignment == 0 && header.meta_bytes % 8 == 0 &&
              header.record_count <= VAC_MAX_RECORDS && header.meta_bytes <= wire::kMaxMetaBytes,
          "a header is taken that breaks the rules");
}

/// Cuts the stream; 0 for as much as fits.
class Cuts {
 public:
  explicit Cuts(std::uint8_t seed) : whole_(seed == 0), random_(seed) {}
  std::size_t next(std::size_t room, std::size_t left) {
    const std::size_t most = std::min(room, left);
    return whole_ ? most : 1 + static_cast<std::size_t>(random_.below(most));
  }

 private:
  bool whole_;
  test::Random random_;
};

class AgentSide final : public agent::FrameHandler {
 public:
  Status on_frame(const FrameHeader& header, std::span<std::byte> frame) override {
    require_sound(header);
    require(frame.size() == wire::frame_bytes(header), "a frame is not as long as it says");
    story_.frames.emplace_back(frame.begin(), frame.end());
    return {};
  }
  Result<std::span<std::byte>> on_begin(const FrameHeader& header) override {
    require_sound(header);
    before_ = header.kind == wire::Kind::data ? sizeof header : 0;
    memory_.assign(static_cast<std::size_t>(wire::frame_bytes(header)), {});
    if (before_ != 0) std::memcpy(memory_.data(), &header, before_);
    return std::span(memory_).subspan(before_);
  }
  Status on_complete(const FrameHeader& header) override {
    require(memory_.size() == wire::frame_bytes(header), "another frame is complete");
    story_.frames.push_back(std::move(memory_));
    return {};
  }
  Status on_oversized(const FrameHeader& header, const Error& why) override {
    require_text(why);
    require(header.payload_bytes > kLargestFrame ||
                wire::head_bytes(header) > kLargestFrame - header.payload_bytes,
            "a frame is refused that is no larger than the limit");
    story_.oversized = true;
    return {};
  }

  Story read(std::span<const std::byte> stream, std::uint8_t seed) {
    Cuts cuts(seed);
    agent::FrameReader reader(kLargestFrame);
    while (!stream.empty()) {
      const std::span<std::byte> room = reader.buffer(staging_);
      require(!room.empty(), "there is no room for what comes");
      const std::size_t count = cuts.next(room.size(), stream.size());
      std::memcpy(room.data(), stream.data(), count);
      stream = stream.subspan(count);
      if (Status read = reader.received(staging_, count, *this); !read) {
        require_text(read.error());
        story_.error = read.error().text();
        break;
      }
    }
    return std::move(story_);
  }

 private:
  alignas(wire::kAlignment) std::array<std::byte, agent::kStagingBytes> staging_;
  std::vector<std::byte> memory_;
  std::size_t before_ = 0;
  Story story_;
};

class ClientSide {
 public:
  Story read(std::span<const std::byte> stream, std::uint8_t seed) {
    Cuts cuts(seed);
    while (take_steps() && !stream.empty()) {
      std::size_t received = 0;
      for (const iovec& piece : reader_.want()) {
        if (stream.empty()) break;
        const std::size_t count = cuts.next(piece.iov_len, stream.size());
        std::memcpy(piece.iov_base, stream.data(), count);
        stream = stream.subspan(count);
        received += count;
        if (count != piece.iov_len) break;
      }
      require(received != 0, "there is no room for what comes");
      reader_.received(received);
    }
    return std::move(story_);
  }

 private:
  /// False: the stream cannot go on.
  bool take_steps() {
    for (;;) {
      const auto step = reader_.next();
      if (!step) {
        require_text(step.error());
        story_.error = step.error().text();
        story_.oversized = step.error().code() == Errc::message_size;
        return false;
      }
      if (*step == remote::FrameReader::Step::more) return true;
      if (*step == remote::FrameReader::Step::head) {
        begin();
      } else {
        end();
      }
    }
  }
  void begin() {
    const FrameHeader& header = reader_.header();
    require_sound(header);
    const auto head = reader_.head();
    require(head.size() == wire::head_bytes(header), "a head is not as long as it says");
    require(reinterpret_cast<std::uintptr_t>(head.data()) % 8 == 0, "a head is not aligned");
    frame_.assign(head.begin(), head.end());
    payload_.assign(static_cast<std::size_t>(wire::frame_bytes(header)) - head.size(), {});
    scatter_.clear();
    // As two results, the first of which has no whole number of lines.
    const std::size_t first = payload_.size() / 3;
    if (first % wire::kAlignment == 0) scatter_.add(payload_.data(), first);
    const std::size_t used = first % wire::kAlignment == 0 ? first : 0;
    scatter_.add(payload_.data() + used, payload_.size() - used);
    reader_.scatter_to(scatter_);
  }
  void end() {
    frame_.insert(frame_.end(), payload_.begin(), payload_.end());
    story_.frames.push_back(std::move(frame_));
  }

  remote::FrameReader reader_{kLargestFrame};
  remote::Scatter scatter_;
  std::vector<std::byte> frame_, payload_;
  Story story_;
};

bool begins_with(const std::vector<std::vector<std::byte>>& all,
                 const std::vector<std::vector<std::byte>>& front) {
  return front.size() <= all.size() && std::equal(front.begin(), front.end(), all.begin());
}

}  // namespace

/// A byte that says how the stream is cut, and the stream.
void fuzz_one(std::span<const std::byte> input) {
  Input in(input);
  const auto seed = static_cast<std::uint8_t>(in.take<std::uint8_t>() | 1U);
  const auto stream = in.rest();
  const Story agent = AgentSide().read(stream, 0);
  const Story client = ClientSide().read(stream, 0);
  require(AgentSide().read(stream, seed) == agent,
          "the agent reads a stream otherwise when it is cut");
  require(ClientSide().read(stream, seed) == client,
          "the client reads a stream otherwise when it is cut");
  require(begins_with(agent.frames, client.frames), "agent and client find different frames");
  // The agent skips a frame that is too large, the client ends.
  require(agent.oversized || agent.frames.size() == client.frames.size(),
          "the client finds fewer frames than the agent");
}

}  // namespace vac::fuzz
