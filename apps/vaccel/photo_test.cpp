// SPDX-License-Identifier: Apache-2.0
#include "photo.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "support/picture_files.hpp"
#include "support/test_paths.hpp"

namespace vac::cli {
namespace {

using testing::HasSubstr;

std::vector<std::byte> bytes_of(std::string_view text) {
  const auto* data = reinterpret_cast<const std::byte*>(text.data());
  return {data, data + text.size()};
}

/// A PNG chunk's length or a size in its header.
void set_big_endian(std::vector<std::byte>& file, std::size_t position, std::uint32_t value) {
  for (int i = 0; i < 4; ++i) {
    file[position + static_cast<std::size_t>(i)] = std::byte(value >> (24 - 8 * i));
  }
}

std::string failure_of(const std::vector<std::byte>& file) {
  const Result<Photo> photo = decode_photo(file, "x.png");
  return photo ? "" : photo.error().text();
}

TEST(Photo, DecodesPngWithoutLoss) {
  const auto pixels = test::pattern_pixels(5, 3);
  const Result<Photo> photo = decode_photo(test::encode_png(5, 3, 3, pixels), "x.png");
  ASSERT_TRUE(photo) << photo.error().message();
  EXPECT_EQ(photo->width, 5);
  EXPECT_EQ(photo->height, 3);
  EXPECT_EQ(photo->rgb, pixels);
}

TEST(Photo, DecodesJpegToTheSameColours) {
  const std::vector<std::uint8_t> pixels(16 * 16 * 3, 200);
  const Result<Photo> photo = decode_photo(test::encode_jpeg(16, 16, 3, pixels, 95), "x.jpg");
  ASSERT_TRUE(photo) << photo.error().message();
  ASSERT_EQ(photo->rgb.size(), pixels.size());
  for (const std::uint8_t value : photo->rgb) EXPECT_NEAR(value, 200, 2);
}

TEST(Photo, MakesGreyAndTransparentPicturesRgb) {
  const Result<Photo> grey = decode_photo(test::encode_png(2, 1, 1, {10, 20}), "x.png");
  ASSERT_TRUE(grey);
  EXPECT_EQ(grey->rgb, (std::vector<std::uint8_t>{10, 10, 10, 20, 20, 20}));
  const Result<Photo> clear = decode_photo(test::encode_png(1, 1, 4, {1, 2, 3, 0}), "x.png");
  ASSERT_TRUE(clear);
  EXPECT_EQ(clear->rgb, (std::vector<std::uint8_t>{1, 2, 3}));
}

TEST(Photo, RefusesEveryTruncationOfPng) {
  const auto whole = test::encode_png(7, 5, 3, test::pattern_pixels(7, 5));
  for (std::size_t size = 1; size < whole.size(); ++size) {
    const std::vector<std::byte> cut(whole.begin(),
                                     whole.begin() + static_cast<std::ptrdiff_t>(size));
    ASSERT_THAT(failure_of(cut), HasSubstr("is cut off")) << size;
  }
}

TEST(Photo, RefusesEveryTruncationOfJpeg) {
  const auto whole = test::encode_jpeg(32, 32, 3, test::pattern_pixels(32, 32), 90);
  for (std::size_t size = 1; size < whole.size(); ++size) {
    const std::vector<std::byte> cut(whole.begin(),
                                     whole.begin() + static_cast<std::ptrdiff_t>(size));
    ASSERT_THAT(failure_of(cut), HasSubstr("is cut off")) << size;
  }
}

TEST(Photo, AcceptsBytesBehindTheEnd) {
  for (auto file : {test::encode_png(2, 2, 3, test::pattern_pixels(2, 2)),
                    test::encode_jpeg(2, 2, 3, test::pattern_pixels(2, 2), 90)}) {
    file.resize(file.size() + 100);
    EXPECT_TRUE(decode_photo(file, "x"));
  }
}

TEST(Photo, RefusesPngWithWrongChecksum) {
  auto file = test::encode_png(7, 5, 3, test::pattern_pixels(7, 5));
  file[file.size() / 2] ^= std::byte{1};
  EXPECT_THAT(failure_of(file), HasSubstr("is damaged: the checksum"));
}

TEST(Photo, RefusesWhatIsNoPicture) {
  EXPECT_THAT(failure_of(bytes_of("%PDF-1.4 ...")), HasSubstr("neither PNG nor JPEG"));
  EXPECT_THAT(failure_of(bytes_of("")), HasSubstr("is empty"));
}

TEST(Photo, RefusesJpegWithoutPicture) {
  EXPECT_THAT(failure_of(bytes_of("\xff\xd8\xff\xd9")), HasSubstr("cannot be decoded"));
}

TEST(Photo, RefusesHugePicturesBeforeDecodingThem) {
  auto file = test::encode_png(1, 1, 3, {0, 0, 0});
  constexpr std::size_t kWidth = 16;  // signature, length, "IHDR"
  set_big_endian(file, kWidth, 20000);
  set_big_endian(file, kWidth + 4, 10000);
  // zlib's CRC-32 of the header above, so that the size is all that is wrong with it.
  set_big_endian(file, kWidth + 13, 0x7646dff5);
  EXPECT_THAT(failure_of(file), HasSubstr("20000x10000 pixels, at most 100 million"));
}

TEST(Photo, RefusesSidesThatTheDecoderDoesNotKnow) {
  auto file = test::encode_png(1, 1, 3, {0, 0, 0});
  constexpr std::size_t kWidth = 16;  // signature, length, "IHDR"
  set_big_endian(file, kWidth, 16777217);
  set_big_endian(file, kWidth + 13, 0x4de18a5b);  // zlib's CRC-32 of that header
  EXPECT_THAT(failure_of(file), HasSubstr("16777217x1 pixels, at most 100 million"));
}

TEST(Photo, NamesTheFileThatCannotBeRead) {
  const Result<Photo> missing = load_photo("/nonexistent/x.png");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), Errc::not_found);
  EXPECT_THAT(missing.error().text(), HasSubstr("'/nonexistent/x.png'"));
  const Result<Photo> folder = load_photo(test::source_directory().string());
  ASSERT_FALSE(folder);
  EXPECT_EQ(folder.error().code(), Errc::is_directory);
}

}  // namespace
}  // namespace vac::cli
