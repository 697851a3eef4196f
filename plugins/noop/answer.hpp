// SPDX-License-Identifier: Apache-2.0
// What the plugin answers: outputs that follow from every input.
#pragma once

#include <vac/plugin.hpp>
#include <vac/result.hpp>

#include <cstdint>

namespace vac::noop {

/// What of a resource goes into an answer: its digest and options, not its place or number.
struct ResourceState {
  std::uint64_t hash;
};

/// Answers any call. Every byte, length, dimension, type, tag and scalar of its inputs, and which
/// optional arguments are there, decides about every output; the room that the caller has decides
/// about lengths only:
///   scalar         any value of its type
///   numbers        as many as there is room for; where any number will do, 1 to 16
///   text, bytes    1 to 48, at most what there is room for
///   tensor         a small one of some type and shape; in memory of the caller's, u8 as long as
///   that tensor[]       1 to 3, or as many as the caller has room for inout          of the same
///   size, changed
/// `model_describe` answers JSON.
Status answer(Call& call);

}  // namespace vac::noop
