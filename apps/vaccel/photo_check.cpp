// SPDX-License-Identifier: Apache-2.0
#include "photo_check.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "photo.hpp"

namespace vac::cli {
namespace {

using Bytes = std::span<const std::byte>;

constexpr std::array<std::uint32_t, 256> make_crc_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) != 0 ? 0xedb88320U : 0U);
    table[i] = value;
  }
  return table;
}
constexpr auto kCrcTable = make_crc_table();

std::uint32_t crc32(Bytes bytes) {
  std::uint32_t crc = ~0U;
  for (const std::byte byte : bytes) {
    crc = kCrcTable[(crc ^ std::to_integer<std::uint32_t>(byte)) & 0xff] ^ (crc >> 8);
  }
  return ~crc;
}

std::uint32_t at(Bytes bytes, std::size_t i) { return std::to_integer<std::uint32_t>(bytes[i]); }

std::uint32_t big_endian_32(Bytes bytes, std::size_t i) {
  return at(bytes, i) << 24 | at(bytes, i + 1) << 16 | at(bytes, i + 2) << 8 | at(bytes, i + 3);
}

bool begins_with(Bytes bytes, std::string_view magic) {
  return bytes.size() >= magic.size() &&
         std::equal(magic.begin(), magic.end(), bytes.begin(),
                    [](char a, std::byte b) { return std::byte(a) == b; });
}

Error cut_off(const std::string& name, std::size_t size) {
  return {Errc::bad_message, "photo '" + name + "' is cut off: it ends after " +
                                 std::to_string(size) +
                                 " bytes, before its end mark: copy or download it again"};
}

Error damaged(const std::string& name, const std::string& where) {
  return {Errc::bad_message,
          "photo '" + name + "' is damaged: " + where + ": copy or download it again"};
}

constexpr std::string_view kPngMagic = "\x89PNG\r\n\x1a\n";
constexpr std::string_view kJpegMagic = "\xff\xd8\xff";

/// A chunk is length, type, data and the checksum of type and data.
Status check_png(Bytes bytes, const std::string& name) {
  constexpr std::size_t kAroundData = 12;
  std::size_t position = kPngMagic.size();
  for (;;) {
    if (bytes.size() - position < kAroundData) return cut_off(name, bytes.size());
    const std::size_t length = big_endian_32(bytes, position);
    if (length > bytes.size() - position - kAroundData) return cut_off(name, bytes.size());
    const Bytes type_and_data = bytes.subspan(position + 4, 4 + length);
    if (crc32(type_and_data) != big_endian_32(bytes, position + 8 + length)) {
      return damaged(name, "the checksum of the chunk at byte " + std::to_string(position) +
                               " does not fit its data");
    }
    // The decoder would call a picture with too long a side no picture.
    if (begins_with(type_and_data, "IHDR") && length >= 8) {
      VAC_CHECK(
          check_photo_size(big_endian_32(type_and_data, 4), big_endian_32(type_and_data, 8), name));
    }
    if (begins_with(type_and_data, "IEND")) return {};
    position += kAroundData + length;
  }
}

/// The position of the next marker's code at or after `position`; the end where there is none. What
/// lies between segments is skipped, as decoders do; so are stuffed zeros and restart marks, which
/// belong to a scan.
std::size_t next_marker(Bytes bytes, std::size_t position) {
  for (; position + 1 < bytes.size(); ++position) {
    if (at(bytes, position) != 0xff) continue;
    const std::uint32_t code = at(bytes, position + 1);
    const bool inside_scan = code == 0x00 || (code >= 0xd0 && code <= 0xd7);
    if (!inside_scan && code != 0xff && code != 0x01) return position + 1;
  }
  return bytes.size();
}

Status check_jpeg(Bytes bytes, const std::string& name) {
  constexpr std::uint32_t kEndOfImage = 0xd9;
  std::size_t position = 2;
  for (;;) {
    position = next_marker(bytes, position);
    if (position == bytes.size()) return cut_off(name, bytes.size());
    if (at(bytes, position) == kEndOfImage) return {};
    ++position;
    if (bytes.size() - position < 2) return cut_off(name, bytes.size());
    const std::size_t length = at(bytes, position) << 8 | at(bytes, position + 1);
    if (length < 2) {
      return damaged(name, "the segment at byte " + std::to_string(position) + " has no length");
    }
    if (length > bytes.size() - position) return cut_off(name, bytes.size());
    position += length;
  }
}

}  // namespace

Status check_photo_size(std::uint64_t width, std::uint64_t height, const std::string& name) {
  if (width <= kMaxPhotoSide && height <= kMaxPhotoSide && width * height <= kMaxPhotoPixels) {
    return {};
  }
  return Error{Errc::too_large, "photo '" + name + "' has " + std::to_string(width) + "x" +
                                    std::to_string(height) +
                                    " pixels, at most 100 million are read, 16777216 a side: scale "
                                    "it down"};
}

Status check_photo(Bytes bytes, const std::string& name) {
  if (bytes.empty()) {
    return Error{Errc::invalid, "photo '" + name + "' is empty: copy or download it again"};
  }
  if (begins_with(bytes, kPngMagic)) return check_png(bytes, name);
  if (begins_with(bytes, kJpegMagic)) return check_jpeg(bytes, name);
  const std::string_view magic = at(bytes, 0) == 0xff ? kJpegMagic : kPngMagic;
  if (bytes.size() < magic.size() && begins_with(bytes, magic.substr(0, bytes.size()))) {
    return cut_off(name, bytes.size());
  }
  return Error{Errc::invalid,
               "photo '" + name + "' is neither PNG nor JPEG: convert it to one of them"};
}

}  // namespace vac::cli
