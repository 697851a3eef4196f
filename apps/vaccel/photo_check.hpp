// SPDX-License-Identifier: Apache-2.0
// Whether the bytes of a photo are all there. The decoder fills in what is missing without a word,
// so that a photo cut off while it was copied would be classified as if it were whole.
#pragma once

#include <vac/result.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace vac::cli {

/// Walks the chunks of a PNG (their checksums too) or the segments of a JPEG to the end mark.
/// `name` is for the message.
Status check_photo(std::span<const std::byte> bytes, const std::string& name);
/// Whether a picture of that size is small enough to be decoded.
Status check_photo_size(std::uint64_t width, std::uint64_t height, const std::string& name);

}  // namespace vac::cli
