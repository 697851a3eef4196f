// SPDX-License-Identifier: Apache-2.0
#include "library.hpp"

#include <dlfcn.h>
#include <link.h>

#include <atomic>
#include <utility>

#include "image.hpp"

namespace vac::exec {
namespace {

std::string title_of(const vac_resource_view& view) {
  return std::string("resource '") + (view.file_count == 0 ? "?" : view.names[0]) + "'";
}

Result<Image> open_image(const vac_resource_view& view) {
  if (view.file_count != 1 || view.kind == VAC_RESOURCE_DIRECTORY) {
    return Error{Errc::invalid,
                 title_of(view) + " is a directory, a library is one file: open that file"};
  }
  VAC_TRY(Image image, Image::open(view, title_of(view)));
  VAC_CHECK(image.check());
  return image;
}

/// A path of the file behind a descriptor. For a name that it has seen the loader gives the library
/// that it had then, if that is still there (and some never go), whatever the name stands for now.
/// So no name is used twice: "/." and "/", which mean nothing in a path, spell the number of the
/// load.
std::string unique_path(int fd) {
  static std::atomic<std::uint64_t> loads{0};  // of the process, as the loader's names are
  std::string path = "/proc/self/fd";
  for (std::uint64_t number = ++loads; number != 0; number >>= 1U) {
    path += (number & 1U) != 0 ? "/." : "/";
  }
  return path + "/" + std::to_string(fd);
}

/// What the loader says, without the name that it was given.
std::string loader_error(const std::string& path) {
  const char* const text = ::dlerror();
  const std::string_view why = text == nullptr ? "the loader gives no reason" : text;
  const std::string prefix = path + ": ";
  return std::string(why.starts_with(prefix) ? why.substr(prefix.size()) : why);
}

}  // namespace

Status check_library(const vac_resource_view& view) {
  VAC_CHECK(open_image(view));
  return {};
}

std::uint64_t element_width(std::uint8_t type) {
  constexpr std::uint8_t kWidths[] = {1, 1, 1, 2, 4, 8, 1, 2, 4, 8, 2, 2, 4, 8, 8, 16, 1, 1};
  return type < sizeof kWidths ? kWidths[type] : 1;
}

std::string shortened(std::string_view text) {
  constexpr std::size_t kMost = 100;
  return text.size() <= kMost ? std::string(text) : std::string(text.substr(0, kMost)) + "...";
}

Library::~Library() {
  if (handle_ != nullptr) ::dlclose(handle_);
}

std::string Library::title() const { return title_of(view_); }

Result<Library::Function> Library::find(std::string_view symbol) {
  if (symbol.empty()) {
    return Error{Errc::invalid, "symbol is empty, must name a function of " + title()};
  }
  const std::lock_guard lock(mutex_);
  if (handle_ == nullptr) {
    VAC_TRY(handle_, open());
  }
  if (const auto known = found_.find(symbol); known != found_.end()) return known->second;
  const std::string name(symbol);
  VAC_TRY(const Function function, look_up(name));
  found_.emplace(name, function);
  return function;
}

Result<void*> Library::open() const {
  VAC_TRY(Image image, open_image(view_));
  VAC_TRY(const File file, std::move(image).into_file());
  const std::string path = unique_path(file.fd());
  if (void* handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) return handle;
  return Error{Errc::invalid, title() + " cannot be loaded: " + loader_error(path) +
                                  ": link into it what it needs"};
}

Result<Library::Function> Library::look_up(const std::string& symbol) const {
  void* const address = ::dlsym(handle_, symbol.c_str());
  void* entry = nullptr;
  void* home = nullptr;
  void* own = nullptr;
  Dl_info info{};
  // dlsym also looks into all that the library needs: system() is nothing to be called by a client,
  // and neither is a number.
  const bool known = address != nullptr && ::dladdr1(address, &info, &entry, RTLD_DL_SYMENT) != 0 &&
                     ::dladdr1(address, &info, &home, RTLD_DL_LINKMAP) != 0 &&
                     ::dlinfo(handle_, RTLD_DI_LINKMAP, &own) == 0 && home == own &&
                     entry != nullptr;
  if (known && ELF64_ST_TYPE(static_cast<const ElfW(Sym)*>(entry)->st_info) == STT_FUNC) {
    return reinterpret_cast<Function>(address);
  }
  return Error{Errc::not_found, title() + " has no function '" + shortened(symbol) +
                                    "': check its spelling, and export it, in C++ as extern \"C\""};
}

}  // namespace vac::exec
