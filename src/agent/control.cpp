// SPDX-License-Identifier: Apache-2.0
#include "agent/control.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <exception>
#include <new>
#include <string_view>
#include <utility>

#include "agent/connection.hpp"
#include "agent/file_digests.hpp"
#include "agent/info.hpp"
#include "agent/model_repository.hpp"
#include "agent/region.hpp"
#include "agent/upload.hpp"
#include "base/errno_error.hpp"
#include "base/text.hpp"

namespace vac::agent {
namespace {

/// More than what a reply with one output has before its data and behind it.
constexpr std::uint64_t kReplyHead = 256;

/// More than any kernel has.
constexpr std::uint32_t kLastProcessor = 0xffff;

/// The arguments of a call that bind_call has accepted. Control operations have no lists, so that
/// an argument's index is its record's.
class Arguments {
 public:
  explicit Arguments(CallTask& task) : task_(task) {}

  std::uint64_t scalar(std::uint32_t index) const { return record(index).value; }
  std::span<const std::byte> bytes(std::uint32_t index) const {
    const vac_arg& argument = record(index);
    // In memory `value` is a pointer.
    const auto* const data = reinterpret_cast<const std::byte*>(argument.value);
    return {data, static_cast<std::size_t>(argument.bytes)};
  }
  std::string_view text(std::uint32_t index) const {
    const std::span<const std::byte> data = bytes(index);
    return {reinterpret_cast<const char*>(data.data()), data.size()};
  }

  /// What the client has room for, of an array that the agent is to fill.
  std::uint64_t capacity(std::uint32_t index) const { return record(index).bytes; }
  /// Memory for such an array.
  Result<std::span<std::byte>> room(std::uint32_t index, std::size_t bytes) {
    void* const place =
        task_.outputs.output(task_.call, index, 0, bytes, record(index).type, 0, nullptr);
    if (place == nullptr) return Error{Errc::no_memory};
    return std::span(static_cast<std::byte*>(place), bytes);
  }

  void put(std::uint32_t index, std::uint64_t value) { record(index).value = value; }
  Status put(std::uint32_t index, std::span<const std::byte> data) {
    VAC_TRY(const std::span<std::byte> place, room(index, data.size()));
    if (!data.empty()) std::memcpy(place.data(), data.data(), data.size());
    return {};
  }
  Status put(std::uint32_t index, std::string_view text) {
    return put(index, std::as_bytes(std::span(text)));
  }

  void send_along(Fd descriptor) { task_.descriptor = std::move(descriptor); }

  /// What the call had of a resource, or of a region, ends here.
  void let_go() {
    task_.held.clear();
    task_.regions.clear();
  }

 private:
  vac_arg& record(std::uint32_t index) const { return task_.call.args[index]; }

  CallTask& task_;
};

using Handler = Status (*)(Connection&, Arguments&);

Status ping(Connection& /*connection*/, Arguments& /*arguments*/) { return {}; }

Status resource_add(Connection& connection, Arguments& arguments) {
  VAC_TRY(std::unique_ptr<Upload> upload,
          Upload::begin(connection.services().store, connection.tenant(), arguments.text(0),
                        arguments.text(1)));
  const std::vector<std::uint32_t> missing = upload->missing();
  VAC_CHECK(arguments.put(3, std::as_bytes(std::span(missing))));
  auto held = std::make_shared<HeldResource>(connection.session(), std::move(upload));
  // What is wrong with the options must be said now, not by the first call.
  if (missing.empty()) {
    VAC_CHECK(held->get());
  }
  VAC_TRY(const std::uint64_t id, connection.resources().add(std::move(held)));
  arguments.put(2, id);
  return {};
}

Status resource_open(Connection& connection, Arguments& arguments) {
  VAC_TRY(std::shared_ptr<const core::ResourceData> data,
          connection.services().models.open(arguments.text(0), arguments.text(1)));
  VAC_CHECK(arguments.put(3, data->digest()));
  VAC_TRY(const std::uint64_t id, connection.resources().add(std::make_shared<HeldResource>(
                                      connection.session(), std::move(data))));
  arguments.put(2, id);
  return {};
}

Status resource_data(Connection& connection, Arguments& arguments) {
  VAC_TRY(std::shared_ptr<HeldResource> held, connection.resources().get(arguments.scalar(0)));
  if (held->upload() == nullptr) {
    return Error{Errc::invalid, concat("resource ", arguments.scalar(0),
                                       " takes no data: it was "
                                       "opened by name")};
  }
  return held->upload()->write(static_cast<std::uint32_t>(arguments.scalar(1)), arguments.scalar(2),
                               arguments.bytes(3));
}

/// bind_control() has taken it out of the connection's table.
Status resource_drop(Connection& /*connection*/, Arguments& arguments) {
  arguments.let_go();
  return {};
}

/// Nothing may name the region before the client has proven that it sees it.
Status region_open(Connection& connection, Arguments& arguments) {
  if (!connection.shares_memory()) {
    return Error{Errc::not_supported, "no kind of region was agreed upon in hello"};
  }
  const std::uint64_t kind = arguments.scalar(1);
  if (kind != static_cast<std::uint64_t>(wire::RegionKind::memfd)) {
    return Error{Errc::not_supported,
                 concat("region kind ", kind, " is not offered on this connection")};
  }
  VAC_TRY(std::shared_ptr<Region> region, Region::create(connection.tenant(), arguments.scalar(0)));
  const std::uint64_t bytes = region->bytes().size();
  Fd descriptor = region->take_descriptor();
  VAC_TRY(const std::uint32_t id, connection.regions().add(std::move(region)));
  arguments.put(2, id);
  arguments.put(3, kind);
  arguments.put(4, bytes);
  arguments.put(5, 0);
  arguments.send_along(std::move(descriptor));
  return {};
}

Status region_ready(Connection& connection, Arguments& arguments) {
  const auto id = static_cast<std::uint32_t>(arguments.scalar(0));
  const std::shared_ptr<Region> region = connection.regions().find(id);
  if (region == nullptr || region->is_refused()) {
    return Error{Errc::invalid, concat("there is no region ", id)};
  }
  if (!region->proves(arguments.bytes(1))) {
    // Freed by region_drop or with the connection: here it would keep others waiting.
    region->refuse();
    return Error{Errc::access_denied, concat("region ", id,
                                             " is not the memory that the client has mapped: it is "
                                             "closed, send data inline")};
  }
  region->open();
  return {};
}

/// bind_control() has taken it out of the connection's table.
Status region_drop(Connection& /*connection*/, Arguments& arguments) {
  arguments.let_go();
  return {};
}

/// The bytes are those that the resource was opened with, before and after they were read.
Status check_unchanged(FileDigests& digests, const Fd& opened, const core::ResourceFile& file) {
  const auto known = digests.digest(opened.get(), file.name);
  if (known && known->digest == file.digest && known->size == file.size) return {};
  if (!known && known.error().code() != Errc::again) return known.error();
  return Error{Errc::bad_message, concat("file '", file.name,
                                         "' has changed since the resource was opened: open it "
                                         "again")};
}

Status read_at(const Fd& opened, const core::ResourceFile& file, std::uint64_t offset,
               std::span<std::byte> to) {
  while (!to.empty()) {
    const ssize_t count = ::pread(opened.get(), to.data(), to.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno_error(errno, concat("cannot read '", file.name, "'"));
    if (count == 0) return {};  // it has become shorter, which is found out next
    to = to.subspan(static_cast<std::size_t>(count));
    offset += static_cast<std::uint64_t>(count);
  }
  return {};
}

/// The file is opened for each part: a client that reads slowly holds no descriptor.
Status resource_read(Connection& connection, Arguments& arguments) {
  VAC_TRY(const std::shared_ptr<HeldResource> held,
          connection.resources().get(arguments.scalar(0)));
  VAC_TRY(const core::ResourceFile* file,
          held->file(static_cast<std::uint32_t>(arguments.scalar(1))));
  const std::uint64_t offset = std::min(arguments.scalar(2), file->size);
  const std::uint64_t bytes =
      std::min({file->size - offset, arguments.capacity(3), std::uint64_t{Upload::kMostBytes},
                connection.largest_frame() - kReplyHead});
  VAC_TRY(const std::span<std::byte> to, arguments.room(3, static_cast<std::size_t>(bytes)));
  if (to.empty()) return {};
  VAC_TRY(const Fd opened, open_regular(file->path, file->name));
  FileDigests& digests = connection.services().digests;
  VAC_CHECK(check_unchanged(digests, opened, *file));
  VAC_CHECK(read_at(opened, *file, offset, to));
  return check_unchanged(digests, opened, *file);
}

Status info(Connection& connection, Arguments& arguments) {
  return arguments.put(0, describe_agent(connection));
}

Status caller_processor(Connection& connection, Arguments& arguments) {
  const auto number = static_cast<std::uint32_t>(arguments.scalar(0));
  if (number > kLastProcessor) {
    return Error{Errc::invalid, concat("there is no processor ", number)};
  }
  connection.caller_calls_from(static_cast<int>(number));
  return {};
}

struct Control {
  std::string_view name;
  Handler handler;
  bool quick;
};

constexpr std::array<Control, 11> kControls{{
    {"ping", ping, true},
    {"resource_add", resource_add, false},
    {"resource_open", resource_open, false},
    {"resource_data", resource_data, false},
    {"resource_drop", resource_drop, false},
    {"resource_read", resource_read, false},
    {"region_open", region_open, false},
    {"region_ready", region_ready, true},
    {"region_drop", region_drop, false},
    {"info", info, false},
    {"caller_processor", caller_processor, true},
}};

const Control* find_control(const Op& op) noexcept {
  const auto found = std::ranges::find(kControls, std::string_view(op.name), &Control::name);
  return found == kControls.end() ? nullptr : &*found;
}

int fail(CallTask& task, const Error& error) {
  task.context.message = error.text();
  return error.value();
}

}  // namespace

bool control_is_quick(const Op& op) noexcept {
  const Control* const control = find_control(op);
  return control != nullptr && control->quick;
}

Status bind_control(Connection& connection, CallTask& task) {
  const Control* const control = find_control(*task.op);
  if (control == nullptr) return {};
  if (control->handler == resource_drop) {
    VAC_TRY(std::shared_ptr<HeldResource> held,
            connection.resources().drop(Arguments(task).scalar(0)));
    task.held.push_back(std::move(held));
  } else if (control->handler == region_drop) {
    const auto id = static_cast<std::uint32_t>(Arguments(task).scalar(0));
    std::shared_ptr<Region> region = connection.regions().remove(id);
    if (region == nullptr) return Error{Errc::invalid, concat("there is no region ", id)};
    region->forget();
    task.regions.push_back({id, std::move(region)});
  }
  return {};
}

int run_control(Connection& connection, CallTask& task) noexcept {
  try {
    const Control* const control = find_control(*task.op);
    if (control == nullptr) {
      return fail(task, Error{Errc::not_supported,
                              concat(task.op->name, ": this agent does not offer it")});
    }
    Arguments arguments(task);
    Status done = control->handler(connection, arguments);
    return done ? VAC_OK : fail(task, done.error());
  } catch (const std::bad_alloc&) {
    return VAC_ENOMEM;
  } catch (const std::exception& exception) {
    task.context.message.assign(exception.what());
    return VAC_EIO;
  }
}

}  // namespace vac::agent
