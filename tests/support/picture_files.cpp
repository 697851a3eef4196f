// SPDX-License-Identifier: Apache-2.0
#include "support/picture_files.hpp"

// Only this file compiles stb_image_write; its warnings are not ours to mend.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#define STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STBI_WRITE_NO_STDIO
#include <stb/stb_image_write.h>
#pragma GCC diagnostic pop

namespace vac::test {
namespace {

void append(void* context, void* data, int size) {
  const auto* bytes = static_cast<const std::byte*>(data);
  static_cast<std::vector<std::byte>*>(context)->insert(
      static_cast<std::vector<std::byte>*>(context)->end(), bytes, bytes + size);
}

}  // namespace

std::vector<std::byte> encode_png(int width, int height, int channels,
                                  const std::vector<std::uint8_t>& pixels) {
  std::vector<std::byte> file;
  stbi_write_png_to_func(append, &file, width, height, channels, pixels.data(), width * channels);
  return file;
}

std::vector<std::byte> encode_jpeg(int width, int height, int channels,
                                   const std::vector<std::uint8_t>& pixels, int quality) {
  std::vector<std::byte> file;
  stbi_write_jpg_to_func(append, &file, width, height, channels, pixels.data(), quality);
  return file;
}

std::vector<std::uint8_t> pattern_pixels(int width, int height) {
  std::vector<std::uint8_t> pixels;
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < 3; ++c) {
        pixels.push_back(static_cast<std::uint8_t>((x * 37 + y * 91 + c * 53) % 256));
      }
    }
  }
  return pixels;
}

}  // namespace vac::test
