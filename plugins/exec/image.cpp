// SPDX-License-Identifier: Apache-2.0
#include "image.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

namespace vac::exec {
namespace {

using Header = ElfW(Ehdr);
using Segment = ElfW(Phdr);

/// The header of the file that this code came from, which the loader has mapped with it.
const Header& own_header() {
  Dl_info info{};
  ::dladdr(reinterpret_cast<const void*>(&own_header), &info);
  return *static_cast<const Header*>(info.dli_fbase);
}

std::string machine_name(unsigned machine) {
  switch (machine) {
    case EM_386:
      return "x86";
    case EM_X86_64:
      return "x86-64";
    case EM_ARM:
      return "arm";
    case EM_AARCH64:
      return "aarch64";
    case EM_RISCV:
      return "riscv";
    default:
      return "machine " + std::to_string(machine);
  }
}

/// The same words of a header for both widths: class, byte order, machine.
bool same_machine(const Header& a, const Header& b) {
  return a.e_ident[EI_CLASS] == b.e_ident[EI_CLASS] && a.e_ident[EI_DATA] == b.e_ident[EI_DATA] &&
         a.e_machine == b.e_machine;
}

bool lies_within(std::uint64_t size, std::uint64_t offset, std::uint64_t bytes) {
  return offset <= size && bytes <= size - offset;
}

}  // namespace

Result<Image> Image::open(const vac_resource_view& view, std::string title) {
  Image image;
  image.title_ = std::move(title);
  image.size_ = view.sizes[0];
  image.data_ = view.data[0];
  if (view.paths[0] == nullptr) return image;
  // Not to wait at a pipe that was put in the file's place.
  image.file_ = File(::open(view.paths[0], O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat info{};
  if (!image.file_ || ::fstat(image.file_.fd(), &info) != 0) {
    return image.refuse(std::string("cannot be opened: ") + std::strerror(errno));
  }
  if (!S_ISREG(info.st_mode)) return image.refuse("is no file");
  image.size_ = static_cast<std::uint64_t>(info.st_size);
  return image;
}

Error Image::refuse(const std::string& why) const {
  return Error{Errc::invalid, title_ + " " + why};
}

bool Image::read(std::uint64_t offset, void* to, std::size_t bytes) const {
  if (file_) {
    return ::pread(file_.fd(), to, bytes, static_cast<off_t>(offset)) ==
           static_cast<ssize_t>(bytes);
  }
  if (!lies_within(size_, offset, bytes)) return false;
  std::memcpy(to, static_cast<const std::byte*>(data_) + offset, bytes);
  return true;
}

Status Image::check() const {
  Header header{};
  constexpr const char* kRemedy = ": build one with cc -shared -fPIC";
  if (!read(0, &header, sizeof header) || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) {
    return refuse(std::string("is no shared library") + kRemedy);
  }
  if (!same_machine(header, own_header())) {
    return refuse("is built for " + machine_name(header.e_machine) + ", this process is " +
                  machine_name(own_header().e_machine) + " of " +
                  std::to_string(8 * sizeof(void*)) + " bits: build it for that");
  }
  if (header.e_type != ET_DYN) {
    return refuse(std::string("is a program or object file, no shared library") + kRemedy);
  }
  return check_segments();
}

Status Image::check_segments() const {
  const char* const cut = "is cut short or damaged: copy it again";
  Header header{};
  if (!read(0, &header, sizeof header) || header.e_phentsize != sizeof(Segment)) return refuse(cut);
  std::vector<Segment> segments(header.e_phnum);
  if (!lies_within(size_, header.e_phoff, segments.size() * sizeof(Segment)) ||
      !read(header.e_phoff, segments.data(), segments.size() * sizeof(Segment))) {
    return refuse(cut);
  }
  const bool whole = std::ranges::all_of(segments, [&](const Segment& segment) {
    return segment.p_type == PT_NULL || lies_within(size_, segment.p_offset, segment.p_filesz);
  });
  return whole ? Status{} : refuse(cut);
}

Result<File> Image::into_file() && {
  if (file_) return std::move(file_);
  File memory(::memfd_create("vac-exec", MFD_CLOEXEC));
  const auto* at = static_cast<const std::byte*>(data_);
  for (std::uint64_t left = size_; memory && left != 0;) {
    const ssize_t written = ::write(memory.fd(), at, left);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return refuse(std::string("cannot be copied: ") + std::strerror(errno));
    at += written;
    left -= static_cast<std::uint64_t>(written);
  }
  if (!memory) return refuse(std::string("cannot be copied: ") + std::strerror(errno));
  return memory;
}

}  // namespace vac::exec
