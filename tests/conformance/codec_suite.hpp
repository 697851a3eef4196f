// SPDX-License-Identifier: Apache-2.0
// The round trip of one call through a codec, with random arguments: the suite that every operation
// of the table passes, and that a codec which loses something must fail.
#pragma once

#include <vac/plugin.h>

#include <cstdint>
#include <span>
#include <string>

#include "call/op_table.hpp"
#include "support/frame_bytes.hpp"
#include "support/random_call.hpp"

namespace vac::test {

/// What makes frames. This one is the product's; a mutant changes what it makes.
class Codec {
 public:
  virtual ~Codec() = default;
  virtual AlignedBytes call_frame(const vac_call& call);
  virtual AlignedBytes reply_frame(const Op& op, const vac_call& done,
                                   std::span<const wire::FrameEncoder::Output> outputs);

 protected:
  wire::FrameEncoder encoder_;
};

/// A random call, encoded and decoded: empty when the receiver has what the sender sent, else what
/// differs. Throws std::runtime_error where encoding or decoding fails.
std::string call_round_trip(const Op& op, std::uint64_t seed, Codec& codec);
/// The same for the reply to such a call: random results, seen through the client's eyes.
std::string reply_round_trip(const Op& op, std::uint64_t seed, Codec& codec);

/// A random call and the frame of a random reply to it.
struct Exchange {
  BuiltCall call;
  Results made;
  AlignedBytes reply;
};
Exchange random_exchange(const Op& op, std::uint64_t seed, Codec& codec,
                         const CallSizes& sizes = {});

}  // namespace vac::test
