// SPDX-License-Identifier: Apache-2.0
// The first frame of a connection, which anybody can send.
#include "wire/hello.hpp"

#include <vector>

#include "base/utf8.hpp"
#include "fuzz.hpp"

namespace vac::fuzz {
namespace {

bool operator==(const wire::Hello& a, const wire::Hello& b) {
  return a.version_min == b.version_min && a.version_max == b.version_max &&
         a.features == b.features && a.calls_in_flight == b.calls_in_flight &&
         a.client_name == b.client_name && a.token == b.token && a.region_kinds == b.region_kinds &&
         a.largest_frame == b.largest_frame;
}

/// The input as it is, or as the entries of a frame whose header is sound.
std::vector<std::byte> frame_of(Input input) {
  if (input.take<std::uint8_t>() % 2 == 0) {
    const auto bytes = input.rest();
    return {bytes.begin(), bytes.end()};
  }
  const auto entries = input.bytes((wire::kMaxHelloBytes - sizeof(wire::FrameHeader)) & ~7ULL);
  wire::FrameHeader header;
  header.kind = wire::Kind::hello;
  header.meta_bytes = static_cast<std::uint32_t>(entries.size() & ~std::size_t{7});
  std::vector<std::byte> frame(sizeof header + header.meta_bytes);
  std::memcpy(frame.data(), &header, sizeof header);
  if (header.meta_bytes != 0) {
    std::memcpy(frame.data() + sizeof header, entries.data(), header.meta_bytes);
  }
  return frame;
}

void require_agreement(const wire::Hello& theirs) {
  wire::Hello ours;
  ours.calls_in_flight = 16;
  ours.largest_frame = 1 << 20;
  const auto agreed = wire::negotiate(ours, theirs);
  if (!agreed) return require_text(agreed.error());
  require(agreed->version_max == wire::kVersion && agreed->version_min == wire::kVersion,
          "a version is agreed upon that is not spoken here");
  require(agreed->calls_in_flight >= 1 && agreed->calls_in_flight <= ours.calls_in_flight &&
              agreed->calls_in_flight <= theirs.calls_in_flight,
          "more calls in flight are agreed upon than a side takes");
  require(agreed->largest_frame >= wire::kMinLargestFrame &&
              agreed->largest_frame <= ours.largest_frame &&
              agreed->largest_frame <= theirs.largest_frame,
          "larger frames are agreed upon than a side takes");
  require(
      (agreed->features & ~ours.features) == 0 && (agreed->region_kinds & ~ours.region_kinds) == 0,
      "something is agreed upon that is not offered here");
}

}  // namespace

void fuzz_one(std::span<const std::byte> input) {
  const std::vector<std::byte> frame = frame_of(Input(input));
  const auto hello = wire::decode_hello(frame);
  if (!hello) return require_text(hello.error());
  require(hello->client_name.size() <= wire::kMaxClientNameBytes &&
              printable(hello->client_name) == hello->client_name,
          "a name is taken that cannot be shown");
  require(hello->token.size() <= wire::kMaxTokenBytes, "a token above the limit is taken");
  const auto again = wire::decode_hello(wire::encode_hello(*hello));
  require(again && *again == *hello, "a hello is not read as it is written");
  require_agreement(*hello);
}

}  // namespace vac::fuzz
