// SPDX-License-Identifier: Apache-2.0
#include "core/plugin.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <optional>
#include <utility>

#include "base/fd.hpp"
#include "base/json_text.hpp"
#include "base/text.hpp"

namespace vac::core {
namespace {

// A slot that an older minor of the table lacks reads as absent.
vac_plugin complete_table(const vac_plugin& given) {
  vac_plugin table{};
  std::memcpy(&table, &given, std::min(given.struct_size, sizeof table));
  return table;
}

Status check_table(const vac_plugin& given) {
  constexpr std::size_t kLeast = offsetof(vac_plugin, submit) + sizeof(given.submit);
  if (given.abi_major != VAC_ABI_MAJOR) {
    return Error{
        Errc::bad_plugin,
        concat("built for plugin ABI ", given.abi_major, ", this vAccel has ABI ", VAC_ABI_MAJOR,
               ": rebuild the plugin against this version's <vac/plugin.h>")};
  }
  if (given.struct_size < kLeast || given.submit == nullptr || given.name == nullptr ||
      given.version == nullptr || (given.op_count != 0 && given.ops == nullptr)) {
    return Error{Errc::bad_plugin, "its table lacks name, version, operations or submit"};
  }
  return {};
}

Error call_failed(const char* what, int code) {
  std::string text = take_thread_error();
  if (text.empty()) text = error_text(code);
  return Error{code > 0 ? static_cast<Errc>(code) : Errc::failed, concat(what, text)};
}

constexpr std::int64_t kMostSlots = 4096;

/// A plugin's configuration without what is the host's.
struct Config {
  std::string plugin_json;
  std::uint32_t slots = 0;
};

Result<Config> split_config(const std::string& json) {
  Config config;
  VAC_TRY(const JsonValue given, parse_json(json.empty() ? "{}" : json));
  std::vector<JsonMember> rest;
  for (const JsonMember& member : given.members()) {
    if (member.key != "slots") {
      rest.push_back(member);
      continue;
    }
    const std::optional<std::int64_t> slots = member.value.as_i64();
    if (!slots || *slots < 0 || *slots > kMostSlots) {
      return Error{Errc::invalid, concat("its setting 'slots' must be a number of calls up to ",
                                         kMostSlots, ", 0 for no limit")};
    }
    config.slots = static_cast<std::uint32_t>(*slots);
  }
  config.plugin_json = to_json(JsonValue::object(std::move(rest)));
  return config;
}

/// The lower of two limits, of which 0 is none.
std::uint32_t lower(std::uint32_t a, std::uint32_t b) {
  return a == 0 || b == 0 ? std::max(a, b) : std::min(a, b);
}

bool read_at(int file, std::uint64_t offset, void* to, std::size_t bytes) {
  return ::pread(file, to, bytes, static_cast<off_t>(offset)) == static_cast<ssize_t>(bytes);
}

/// Whether `count` entries of `width` bytes from `offset` on lie within `size` bytes.
bool lies_within(std::uint64_t size, std::uint64_t offset, std::uint64_t count,
                 std::uint64_t width) {
  return offset <= size && count * width <= size - offset;
}

/// Whether the file has all that its headers tell of. What is no library of this machine counts as
/// whole: dlopen says why it does not take that.
bool is_whole(int file, std::uint64_t size) {
  ElfW(Ehdr) header;
  if (size < sizeof header || !read_at(file, 0, &header, sizeof header)) return false;
  constexpr unsigned char kClass = sizeof(void*) == 8 ? ELFCLASS64 : ELFCLASS32;
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != kClass ||
      header.e_phentsize != sizeof(ElfW(Phdr))) {
    return true;
  }
  if (!lies_within(size, header.e_shoff, header.e_shnum, header.e_shentsize) ||
      !lies_within(size, header.e_phoff, header.e_phnum, header.e_phentsize)) {
    return false;
  }
  std::vector<ElfW(Phdr)> segments(header.e_phnum);
  return read_at(file, header.e_phoff, segments.data(), segments.size() * sizeof(ElfW(Phdr))) &&
         std::ranges::all_of(segments, [&](const ElfW(Phdr) & segment) {
           return segment.p_type == PT_NULL ||
                  lies_within(size, segment.p_offset, segment.p_filesz, 1);
         });
}

/// dlopen maps what the headers promise, and a page beyond the file's end kills the process.
Status check_whole(const std::string& path) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat info{};
  // What cannot be opened, dlopen tells.
  if (!file || ::fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode)) return {};
  if (is_whole(file.get(), static_cast<std::uint64_t>(info.st_size))) return {};
  return Error{Errc::bad_plugin, concat("plugin '", path, "' is cut short: install it again")};
}

}  // namespace

SlotPool::SlotPool(std::uint32_t count) : count_(count) {
  const MutexLock lock(mutex_);
  for (std::uint32_t slot = count; slot-- > 0;) free_.push_back(slot);
}

Result<std::uint32_t> SlotPool::acquire(std::int64_t deadline_ns) {
  const std::chrono::steady_clock::time_point deadline{std::chrono::nanoseconds(deadline_ns)};
  MutexLock lock(mutex_);
  while (free_.empty()) {
    if (deadline_ns == 0) {
      freed_.wait(mutex_);
    } else if (!freed_.wait_until(mutex_, deadline) && free_.empty()) {
      return Error{Errc::timed_out, "the time given was over before a slot of the plugin was free"};
    }
  }
  const std::uint32_t slot = free_.back();
  free_.pop_back();
  return slot;
}

void SlotPool::release(std::uint32_t slot) {
  {
    const MutexLock lock(mutex_);
    free_.push_back(slot);
  }
  freed_.notify_one();
}

Result<std::unique_ptr<Plugin>> Plugin::load(const std::string& path, std::uint32_t index,
                                             const std::string& config_json) {
  VAC_CHECK(check_whole(path));
  // Never closed: frameworks keep threads and thread-local destructors that point into their code.
  void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* why = ::dlerror();
    return Error{Errc::bad_plugin, concat("plugin '", path, "': ", why == nullptr ? "?" : why)};
  }
  using Entry = const vac_plugin* (*)(std::uint32_t, std::uint32_t);
  auto entry = reinterpret_cast<Entry>(::dlsym(library, "vac_plugin_entry"));
  if (entry == nullptr) {
    return Error{
        Errc::bad_plugin,
        concat("plugin '", path, "' has no symbol vac_plugin_entry: it is not a vAccel plugin")};
  }
  const vac_plugin* table = entry(VAC_ABI_MAJOR, VAC_ABI_MINOR);
  if (table == nullptr) {
    return Error{Errc::bad_plugin,
                 concat("plugin '", path, "' does not serve plugin ABI ", VAC_ABI_MAJOR, ".",
                        VAC_ABI_MINOR, ": rebuild it against this version")};
  }
  auto plugin = from_table(*table, index, config_json);
  if (!plugin) return std::move(plugin).error().with_context(concat("plugin '", path, "'"));
  return plugin;
}

Result<std::unique_ptr<Plugin>> Plugin::from_table(const vac_plugin& table, std::uint32_t index,
                                                   const std::string& config_json) {
  VAC_CHECK(check_table(table));
  std::unique_ptr<Plugin> plugin(new Plugin);
  VAC_CHECK(plugin->open(table, index, config_json));
  return plugin;
}

Status Plugin::open(const vac_plugin& table, std::uint32_t index, const std::string& config_json) {
  index_ = index;
  VAC_TRY(const Config config, split_config(config_json));
  vac_plugin complete = complete_table(table);
  if (complete.open != nullptr) {
    clear_thread_error();
    const int code = complete.open(&host_table(), config.plugin_json.c_str(), &state_);
    if (code != VAC_OK) return call_failed("", code);
  }
  table_ = complete;  // only now: the destructor closes what was opened
  for (const vac_op_offer& offer : offers()) {
    const std::uint32_t count = lower(offer.concurrency, config.slots);
    slots_.push_back(count == 0 ? nullptr : std::make_unique<SlotPool>(count));
  }
  return {};
}

Plugin::~Plugin() {
  if (table_.close != nullptr) table_.close(state_);
}

const vac_op_offer* Plugin::offer(std::uint32_t op) const noexcept {
  for (const vac_op_offer& offer : offers()) {
    if (offer.op == op) return &offer;
  }
  return nullptr;
}

bool Plugin::lists_format(const std::string& format) const noexcept {
  if (table_.formats == nullptr) return false;
  for (const char* const* name = table_.formats; *name != nullptr; ++name) {
    if (format == *name) return true;
  }
  return false;
}

SlotPool* Plugin::slots(const vac_op_offer& offer) const noexcept {
  return slots_[static_cast<std::size_t>(&offer - table_.ops)].get();
}

std::string Plugin::describe() const {
  if (table_.describe == nullptr) return "{}";
  std::string text(4096, '\0');
  for (int attempt = 0; attempt < 2; ++attempt) {
    std::size_t bytes = text.size();
    const int code = table_.describe(state_, text.data(), &bytes);
    if (code == VAC_OK && bytes <= text.size()) {
      text.resize(bytes);
      return text;
    }
    if (code != VAC_ENOSPC || bytes > (1U << 20)) break;
    text.resize(bytes);
  }
  return "{}";
}

}  // namespace vac::core
