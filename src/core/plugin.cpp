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
#include <filesystem>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>

#include "base/fd.hpp"
#include "base/json_text.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "call/op_table.hpp"
#include "core/call_wait.hpp"
#include "core/contained.hpp"

namespace vac::core {
namespace {

constexpr std::size_t kMostOffers = 10'000;  // ids end at 9999
constexpr std::size_t kMostName = 64;

// A slot that an older minor of the table lacks reads as absent.
vac_plugin complete_table(const vac_plugin& given) {
  vac_plugin table{};
  std::memcpy(&table, &given, std::min(given.struct_size, sizeof table));
  return table;
}

Error bad_table(std::string text) { return Error{Errc::bad_plugin, std::move(text)}; }

/// What is printed, written in configurations and named in VAC_PLUGINS.
bool good_name(std::string_view name) {
  return !name.empty() && name.size() <= kMostName && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  });
}

Status check_fields(const vac_plugin& given) {
  if (given.name == nullptr) return bad_table("its table has no name: set 'name'");
  if (!good_name(given.name)) {
    return bad_table(concat("its name '", plugin_text(given.name), "' is not 1 to ", kMostName,
                            " letters, digits, '.', '_' and '-': choose another"));
  }
  if (given.version == nullptr) return bad_table("its table has no version: set 'version'");
  if (given.submit == nullptr) return bad_table("its table has no 'submit': a plugin needs one");
  if (given.op_count != 0 && given.ops == nullptr) {
    return bad_table(concat("its table offers ", given.op_count, " operations and 'ops' is NULL"));
  }
  if (given.op_count > kMostOffers) {
    return bad_table(concat("its table offers ", given.op_count, " operations, at most ",
                            kMostOffers, " are possible"));
  }
  return {};
}

Status check_table(const vac_plugin& given) {
  // The version lies in front of everything that a major may change.
  constexpr std::size_t kVersion = offsetof(vac_plugin, abi_minor) + sizeof(given.abi_minor);
  constexpr std::size_t kLeast = offsetof(vac_plugin, submit) + sizeof(given.submit);
  if (given.struct_size >= kVersion && given.abi_major != VAC_ABI_MAJOR) {
    return bad_table(concat("built for plugin ABI ", given.abi_major, ", this vAccel has ABI ",
                            VAC_ABI_MAJOR,
                            ": rebuild the plugin against this version's <vac/plugin.h>"));
  }
  if (given.struct_size < kLeast) {
    return bad_table(concat("its table says to have ", given.struct_size, " bytes, the least is ",
                            kLeast, ": set struct_size to sizeof(struct vac_plugin)"));
  }
  return check_fields(given);
}

/// The offers that can be served: of operations that exist and are not the host's own, once each.
std::vector<vac_op_offer> served_offers(const vac_plugin& table) {
  std::vector<vac_op_offer> served;
  for (const vac_op_offer& offer : std::span(table.ops, table.op_count)) {
    const Op* const op = find_op(offer.op);
    const bool again = std::ranges::any_of(
        served, [&](const vac_op_offer& earlier) { return earlier.op == offer.op; });
    if (op != nullptr && !op->control() && !again) {
      served.push_back(offer);
      continue;
    }
    // An operation of a later vAccel is no mistake.
    default_log().write(op == nullptr ? LogLevel::info : LogLevel::warning, "plugin '", table.name,
                        "' offers operation ", offer.op,
                        op == nullptr ? ", which is not known here"
                        : again       ? " twice"
                                      : ", which is the host's",
                        ": left out");
  }
  return served;
}

constexpr std::int64_t kMostSlots = 4096;
constexpr std::int64_t kMostBatch = 4096;
constexpr std::int64_t kMostDelayUs = 1'000'000;

constexpr std::size_t kMostDescription = 1U << 20;

/// What a list shows for a plugin that cannot describe itself.
std::string describe_failure(std::string_view why) {
  JsonWriter json;
  json.begin_object().key("error").string(why).end_object();
  return json.take();
}

/// A description as it may stand in a JSON text of ours.
std::string checked_description(std::string_view text) {
  auto canonical = canonical_json_object(text, {.most_bytes = kMostDescription});
  if (canonical) return *std::move(canonical);
  return describe_failure(
      concat("the plugin's description is no JSON object: ", canonical.error().text()));
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

/// One name for a plugin in VAC_PLUGINS, in configurations, in lists and in its folder.
Status check_file_name(const std::string& path, const vac_plugin& table) {
  const std::string stem = std::filesystem::path(path).stem().string();
  // What else is wrong with the table is told by check_table().
  if (!check_table(table) || stem == table.name) return {};
  return bad_table(concat("plugin '", path, "' calls itself '", table.name, "': name the file ",
                          table.name, ".so"));
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

/// A plugin's configuration, apart from it what is the host's.
struct Plugin::Config {
  std::string plugin_json;
  std::optional<std::uint32_t> slots, max_batch, max_delay_us;
};

Result<Plugin::Config> Plugin::split_config(const std::string& json) {
  Config config;
  const struct {
    std::string_view key;
    std::int64_t least, most;
    std::string_view meaning;
    std::optional<std::uint32_t>& to;
  } ours[] = {
      {"slots", 0, kMostSlots, "a number of calls up to 4096, 0 for no limit", config.slots},
      {"max_batch", 1, kMostBatch, "a number of calls from 1, for no batches, to 4096",
       config.max_batch},
      {"max_delay_us", 0, kMostDelayUs, "a number of microseconds up to 1000000",
       config.max_delay_us},
  };
  VAC_TRY(const JsonValue given, parse_json(json.empty() ? "{}" : json));
  std::vector<JsonMember> rest;
  for (const JsonMember& member : given.members()) {
    const auto* const setting =
        std::ranges::find_if(ours, [&](const auto& one) { return one.key == member.key; });
    if (setting == std::end(ours)) {
      rest.push_back(member);
      continue;
    }
    const std::optional<std::int64_t> value = member.value.as_i64();
    if (!value || *value < setting->least || *value > setting->most) {
      return Error{Errc::invalid,
                   concat("its setting '", setting->key, "' must be ", setting->meaning)};
    }
    setting->to = static_cast<std::uint32_t>(*value);
  }
  config.plugin_json = to_json(JsonValue::object(std::move(rest)));
  return config;
}

SlotPool::SlotPool(std::uint32_t count) : count_(count) {
  const MutexLock lock(mutex_);
  for (std::uint32_t slot = count; slot-- > 0;) free_.push_back(slot);
}

Result<std::uint32_t> SlotPool::acquire(std::int64_t deadline_ns, CallContext& context) {
  const MutexLock lock(mutex_);
  if (free_.empty()) VAC_CHECK(await_free(deadline_ns, context));
  const std::uint32_t slot = free_.back();
  free_.pop_back();
  return slot;
}

Status SlotPool::await_free(std::int64_t deadline_ns, CallContext& context) {
  CallWait wait(*this, deadline_ns, context);
  while (free_.empty()) {
    if (lost_ == count_ && !context.given_up()) {
      return Error{Errc::busy, concat("each of the plugin's ", count_,
                                      " slots is held by a call that it never completed: restart "
                                      "the program that has loaded it")};
    }
    if (wait.over()) {
      return wait.error("the time given was over before a slot of the plugin was free");
    }
    wait.wait(freed_, mutex_);
  }
  return {};
}

void SlotPool::release(std::uint32_t slot) {
  {
    const MutexLock lock(mutex_);
    free_.push_back(slot);
  }
  freed_.notify_one();
}

void SlotPool::lose() {
  {
    const MutexLock lock(mutex_);
    ++lost_;
  }
  freed_.notify_all();
}

void SlotPool::regain() {
  const MutexLock lock(mutex_);
  --lost_;
}

void SlotPool::wake() noexcept {
  // Whoever is about to wait holds the mutex from looking at its call to sleeping.
  {
    const MutexLock lock(mutex_);
  }
  freed_.notify_all();
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
  const vac_plugin* table = nullptr;
  clear_thread_error();
  const int code = contained("vac_plugin_entry", [&] {
    table = entry(VAC_ABI_MAJOR, VAC_ABI_MINOR);
    return VAC_OK;
  });
  if (code != VAC_OK) {
    return bad_table(concat("plugin '", path, "': ", hook_error(code, "no memory").text()));
  }
  if (table == nullptr) {
    return Error{Errc::bad_plugin,
                 concat("plugin '", path, "' does not serve plugin ABI ", VAC_ABI_MAJOR, ".",
                        VAC_ABI_MINOR, ": rebuild it against this version")};
  }
  VAC_CHECK(check_file_name(path, *table));
  auto plugin = from_table(*table, index, config_json);
  if (!plugin) return std::move(plugin).error().with_context(concat("plugin '", path, "'"));
  (*plugin)->path_ = path;
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
    const vac_host& host =
        core::takes_calls(complete) ? host_table_for_taken_calls() : host_table();
    const int code = contained(
        "open", [&] { return complete.open(&host, config.plugin_json.c_str(), &state_); });
    if (code != VAC_OK) return hook_error(code, error_text(known_code(code)));
  }
  table_ = complete;  // only now: the destructor closes what was opened
  return set_limits(complete, config);
}

/// What runs at once and what runs together, by the offers and the settings.
Status Plugin::set_limits(const vac_plugin& table, const Config& config) {
  offers_ = served_offers(table);
  const bool keyed = table.batch_key != nullptr && (table.caps & VAC_CAP_ASYNC) == 0;
  bool batches = false;
  for (const vac_op_offer& offer : offers()) {
    const bool asked = config.max_batch || (offer.flags & VAC_OFFER_BATCH_ON_REQUEST) == 0;
    Batching batching;
    if (keyed && offer.max_batch > 1) {
      batches = true;
      if (asked) batching.most = std::min(offer.max_batch, config.max_batch.value_or(kMostBatch));
    }
    if (batching.most > 1) batching.delay_ns = std::int64_t{config.max_delay_us.value_or(0)} * 1000;
    std::uint32_t count = lower(offer.concurrency, config.slots.value_or(0));
    const bool quick = (offer.flags & VAC_OFFER_QUICK) != 0;  // runs where it is read
    if (count == 0 && batching.most > 1 && !quick && !config.slots) {
      count = std::max(1U, std::thread::hardware_concurrency());
    }
    batching_.push_back(batching);
    slots_.push_back(count == 0 ? nullptr : std::make_unique<SlotPool>(count));
  }
  if (!batches && config.max_batch.value_or(1) > 1) {
    return Error{Errc::invalid,
                 "its setting 'max_batch' is above 1, and it offers no operation in batches: "
                 "leave it out"};
  }
  if (config.max_delay_us.value_or(0) != 0 &&
      std::ranges::all_of(batching_, [](const Batching& one) { return one.most < 2; })) {
    return Error{Errc::invalid,
                 "its setting 'max_delay_us' has no batches to wait for: set 'max_batch' too, if "
                 "the plugin offers batches"};
  }
  return {};
}

Plugin::~Plugin() {
  if (table_.close != nullptr) contained_void(name(), "close", [&] { table_.close(state_); });
}

void Plugin::keep(std::shared_ptr<const void> what) {
  const MutexLock lock(mutex_);
  kept_.push_back(std::move(what));
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

const Plugin::Batching& Plugin::batching(const vac_op_offer& offer) const noexcept {
  return batching_[static_cast<std::size_t>(&offer - offers_.data())];
}

SlotPool* Plugin::slots(const vac_op_offer& offer) const noexcept {
  return slots_[static_cast<std::size_t>(&offer - offers_.data())].get();
}

std::string Plugin::describe() const {
  if (table_.describe == nullptr) return "{}";
  std::string text(4096, '\0');
  clear_thread_error();
  for (int attempt = 0; attempt < 2; ++attempt) {
    std::size_t bytes = text.size();
    const int code =
        contained("describe", [&] { return table_.describe(state_, text.data(), &bytes); });
    if (code == VAC_OK && bytes <= text.size()) return checked_description(text.substr(0, bytes));
    if (code == VAC_ENOSPC && bytes <= kMostDescription && bytes > text.size()) {
      text.resize(bytes);
      continue;
    }
    return code == VAC_OK || code == VAC_ENOSPC
               ? describe_failure(concat("the plugin's description of ", bytes,
                                         " bytes does not "
                                         "fit the ",
                                         text.size(), " that it was given"))
               : describe_failure(hook_error(code, error_text(known_code(code))).text());
  }
  return describe_failure("the plugin's description grows as it is asked for");
}

}  // namespace vac::core
