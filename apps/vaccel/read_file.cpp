// SPDX-License-Identifier: Apache-2.0
#include "read_file.hpp"

#include <cerrno>
#include <cstdio>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

namespace vac::cli {
namespace {

Error unreadable(const std::string& what, const std::string& path, int number) {
  const std::string text =
      "cannot read " + what + " '" + path + "': " + std::generic_category().message(number) + ": ";
  switch (number) {
    case ENOENT:
      return {Errc::not_found, text + "check the path"};
    case EACCES:
      return {Errc::access_denied, text + "make it readable for you"};
    case EISDIR:
      return {Errc::is_directory, text + "name a file in it"};
    default:
      return {Errc::failed, text + "check the path"};
  }
}

}  // namespace

Result<std::vector<std::byte>> read_file(const std::string& what, const std::string& path,
                                         std::size_t limit) {
  const std::unique_ptr<std::FILE, decltype(&std::fclose)> file(std::fopen(path.c_str(), "rbe"),
                                                                &std::fclose);
  if (!file) return unreadable(what, path, errno);
  constexpr std::size_t kFirst = std::size_t{256} << 10;
  std::vector<std::byte> bytes(kFirst);
  std::size_t used = 0;
  for (;;) {
    errno = 0;
    const std::size_t got = std::fread(bytes.data() + used, 1, bytes.size() - used, file.get());
    if (std::ferror(file.get()) != 0) return unreadable(what, path, errno);
    used += got;
    if (used > limit) {
      return Error{Errc::too_large, what + " '" + path + "' is larger than " +
                                        std::to_string(limit >> 20) +
                                        " MiB: is it the right file?"};
    }
    if (std::feof(file.get()) != 0) break;
    bytes.resize(bytes.size() * 2);
  }
  bytes.resize(used);
  return bytes;
}

}  // namespace vac::cli
