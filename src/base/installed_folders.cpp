// SPDX-License-Identifier: Apache-2.0
#include "base/installed_folders.hpp"

#include <dlfcn.h>

#include <filesystem>
#include <system_error>

namespace vac {

namespace fs = std::filesystem;

std::vector<std::string> installed_folders(const void* code, std::string_view part) {
  Dl_info info{};
  if (::dladdr(code, &info) == 0 || info.dli_fname == nullptr) return {};
  std::error_code failure;
  fs::path file = fs::canonical(info.dli_fname, failure);
  // dladdr gives a program as it was called, which need not be a path.
  if (failure) file = fs::canonical("/proc/self/exe", failure);
  if (failure) return {};
  const fs::path own = file.parent_path();
  std::vector<std::string> folders = {(own / part).string()};
  const std::string beside = (own / VAC_LIBRARIES_FROM_PROGRAM / part).lexically_normal().string();
  if (beside != folders.front()) folders.push_back(beside);
  return folders;
}

}  // namespace vac
