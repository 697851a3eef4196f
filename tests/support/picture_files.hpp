// SPDX-License-Identifier: Apache-2.0
// Small PNG and JPEG files, made where they are needed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace vac::test {

/// Encodes rows of `channels` (1 to 4) bytes a pixel.
std::vector<std::byte> encode_png(int width, int height, int channels,
                                  const std::vector<std::uint8_t>& pixels);
std::vector<std::byte> encode_jpeg(int width, int height, int channels,
                                   const std::vector<std::uint8_t>& pixels, int quality);

/// RGB pixels in which each differs from its neighbours.
std::vector<std::uint8_t> pattern_pixels(int width, int height);

}  // namespace vac::test
