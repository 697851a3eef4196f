// SPDX-License-Identifier: Apache-2.0
#include "photo.hpp"

#include <memory>
#include <string>
#include <utility>

#include "photo_check.hpp"
#include "read_file.hpp"
#include "stb_image_decoder.hpp"

namespace vac::cli {

Result<Photo> decode_photo(std::span<const std::byte> bytes, const std::string& name) {
  VAC_CHECK(check_photo(bytes, name));
  const auto* data = reinterpret_cast<const stbi_uc*>(bytes.data());
  const int size = static_cast<int>(bytes.size());
  int width = 0;
  int height = 0;
  int channels = 0;
  const auto refusal = [&name] {
    return Error{Errc::invalid, "photo '" + name + "' cannot be decoded (" +
                                    std::string(stbi_failure_reason()) +
                                    "): save it again as PNG or JPEG"};
  };
  // The size first: a small file can announce an image that fills the memory.
  if (stbi_info_from_memory(data, size, &width, &height, &channels) == 0) return refusal();
  VAC_CHECK(check_photo_size(static_cast<std::uint64_t>(width), static_cast<std::uint64_t>(height),
                             name));
  const std::unique_ptr<stbi_uc, decltype(&stbi_image_free)> decoded(
      stbi_load_from_memory(data, size, &width, &height, &channels, 3), stbi_image_free);
  if (!decoded) return refusal();
  Photo photo{width, height, {}};
  photo.rgb.assign(decoded.get(), decoded.get() + static_cast<std::size_t>(width) *
                                                      static_cast<std::size_t>(height) * 3);
  return photo;
}

Result<Photo> load_photo(const std::string& path) {
  VAC_TRY(const std::vector<std::byte> bytes, read_file("photo", path, kMaxPhotoFileBytes));
  return decode_photo(bytes, path);
}

}  // namespace vac::cli
