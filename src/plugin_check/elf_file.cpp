// SPDX-License-Identifier: Apache-2.0
#include "plugin_check/elf_file.hpp"

#include <fcntl.h>
#include <link.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string_view>

#include "base/errno_error.hpp"
#include "base/fd.hpp"
#include "base/text.hpp"

namespace vac::plugin_check {
namespace {

using Header = ElfW(Ehdr);
using Segment = ElfW(Phdr);
using Section = ElfW(Shdr);
using Symbol = ElfW(Sym);

constexpr std::uint64_t kMostTableBytes = 256U << 20;
constexpr const char* kRebuild = ": build it with -shared -fPIC for this machine";

bool read_at(int file, std::uint64_t offset, void* to, std::size_t bytes) {
  return ::pread(file, to, bytes, static_cast<off_t>(offset)) == static_cast<ssize_t>(bytes);
}

/// `count` entries from `offset` on; nothing where they do not lie within the file.
template <class T>
std::optional<std::vector<T>> read_table(int file, std::uint64_t size, std::uint64_t offset,
                                         std::uint64_t count) {
  if (offset > size || count > (size - offset) / sizeof(T) || count * sizeof(T) > kMostTableBytes) {
    return std::nullopt;
  }
  std::vector<T> table(static_cast<std::size_t>(count));
  if (count != 0 && !read_at(file, offset, table.data(), table.size() * sizeof(T))) {
    return std::nullopt;
  }
  return table;
}

/// That of the running program, which is of the machine that a plugin must be for.
Result<Header> own_header() {
  const Fd file(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  Header header;
  if (!file || !read_at(file.get(), 0, &header, sizeof header)) {
    return Error{Errc::failed, "cannot read /proc/self/exe to know this machine"};
  }
  return header;
}

Status check_header(const Header& header, const std::string& name) {
  VAC_TRY(const Header own, own_header());
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) {
    return Error{Errc::bad_plugin, concat(name, " is no ELF file", kRebuild)};
  }
  if (header.e_ident[EI_CLASS] != own.e_ident[EI_CLASS] ||
      header.e_ident[EI_DATA] != own.e_ident[EI_DATA] || header.e_machine != own.e_machine) {
    return Error{Errc::bad_plugin,
                 concat(name, " is for another machine (ELF machine ", header.e_machine,
                        ", this is ", own.e_machine, ")", kRebuild)};
  }
  if (header.e_type != ET_DYN) {
    return Error{Errc::bad_plugin, concat(name, " is no shared library", kRebuild)};
  }
  if (header.e_phentsize != sizeof(Segment) ||
      (header.e_shnum != 0 && header.e_shentsize != sizeof(Section))) {
    return Error{Errc::bad_plugin, concat(name, " has a damaged ELF header: build it again")};
  }
  return {};
}

/// Templates of the standard library are visible whatever the compiler's flags say, and each
/// library has its own.
bool is_of_the_library(std::string_view name) {
  static constexpr std::array<std::string_view, 5> kParts = {"NSt", "NKSt", "St", "9__gnu_cxx",
                                                             "10__cxxabiv"};
  static constexpr std::array<std::string_view, 5> kNames = {"_init", "_fini", "_edata", "_end",
                                                             "__bss_start"};
  if (std::ranges::find(kNames, name) != kNames.end()) return true;
  if (!name.starts_with("_Z")) return false;
  name.remove_prefix(2);
  while (name.starts_with('Z')) name.remove_prefix(1);  // a static of a function
  for (const std::string_view kind : {"GV", "TV", "TI", "TS", "TT", "GR"}) {
    if (name.starts_with(kind)) name.remove_prefix(kind.size());
  }
  if (name.starts_with("N9__gnu_cxx") || name.starts_with("NK9__gnu_cxx")) return true;
  return std::ranges::any_of(kParts, [&](std::string_view part) { return name.starts_with(part); });
}

bool is_exported(const Symbol& symbol) {
  // The macros of the two widths are the same.
  const unsigned binding = ELF64_ST_BIND(symbol.st_info);
  const unsigned visibility = ELF64_ST_VISIBILITY(symbol.st_other);
  return symbol.st_shndx != SHN_UNDEF && binding != STB_LOCAL &&
         (visibility == STV_DEFAULT || visibility == STV_PROTECTED);
}

std::optional<std::vector<std::string>> read_exported(int file, std::uint64_t size,
                                                      const std::vector<Section>& sections) {
  std::vector<std::string> names;
  for (const Section& section : sections) {
    if (section.sh_type != SHT_DYNSYM || section.sh_link >= sections.size()) continue;
    const Section& texts = sections[section.sh_link];
    const auto symbols =
        read_table<Symbol>(file, size, section.sh_offset, section.sh_size / sizeof(Symbol));
    const auto text = read_table<char>(file, size, texts.sh_offset, texts.sh_size);
    if (!symbols || !text) return std::nullopt;
    for (const Symbol& symbol : *symbols) {
      if (!is_exported(symbol) || symbol.st_name >= text->size()) continue;
      const char* name = text->data() + symbol.st_name;
      std::string whole(name, ::strnlen(name, text->size() - symbol.st_name));
      if (!is_of_the_library(whole)) names.push_back(std::move(whole));
    }
  }
  std::ranges::sort(names);
  return names;
}

}  // namespace

Result<ElfFile> read_elf(const std::string& path) {
  const std::string name = concat("'", path, "'");
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file) return errno_error(errno, concat("cannot open ", name), "name the plugin's file");
  struct stat info{};
  if (::fstat(file.get(), &info) != 0) return errno_error(errno, concat("cannot read ", name));
  if (!S_ISREG(info.st_mode)) {
    return Error{Errc::bad_plugin, concat(name, " is no regular file: name the plugin's .so")};
  }
  const auto size = static_cast<std::uint64_t>(info.st_size);
  Header header{};
  if (size < sizeof header || !read_at(file.get(), 0, &header, sizeof header)) {
    return Error{Errc::bad_plugin, concat(name, " is too short for an ELF file", kRebuild)};
  }
  VAC_CHECK(check_header(header, name));
  const Error cut{Errc::bad_plugin, concat(name, " is cut short: copy or build it again")};
  const auto segments = read_table<Segment>(file.get(), size, header.e_phoff, header.e_phnum);
  const auto sections = read_table<Section>(file.get(), size, header.e_shoff, header.e_shnum);
  if (!segments || !sections) return cut;
  // dlopen maps what the headers promise, and a page beyond the file's end kills the process.
  for (const Segment& segment : *segments) {
    if (segment.p_type == PT_NULL) continue;
    if (segment.p_offset > size || segment.p_filesz > size - segment.p_offset) return cut;
  }
  auto exported = read_exported(file.get(), size, *sections);
  if (!exported) return cut;
  return ElfFile{size, std::move(*exported)};
}

}  // namespace vac::plugin_check
