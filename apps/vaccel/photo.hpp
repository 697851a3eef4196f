// SPDX-License-Identifier: Apache-2.0
// Photos: PNG and JPEG files as pixels.
#pragma once

#include <vac/result.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace vac::cli {

/// A value: rows from top to bottom, three bytes a pixel: red, green, blue.
struct Photo {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> rgb;
};

inline constexpr std::uint64_t kMaxPhotoPixels = 100'000'000;
inline constexpr std::uint64_t kMaxPhotoSide = 1U << 24;  // the decoder's own limit
inline constexpr std::size_t kMaxPhotoFileBytes = std::size_t{512} << 20;

/// Reads and decodes a file. Transparency is dropped, grey and CMYK become RGB, orientation notes
/// of cameras are not obeyed.
Result<Photo> load_photo(const std::string& path);
/// The same for bytes in memory; `name` is for messages.
Result<Photo> decode_photo(std::span<const std::byte> bytes, const std::string& name);

}  // namespace vac::cli
