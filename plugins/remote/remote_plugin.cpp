// SPDX-License-Identifier: Apache-2.0
// The plugin `remote`: every operation, at an agent's address. The table is the ABI's own, without
// plugin.hpp, since one function forwards whatever operation there is.
#include <vac/plugin.h>
#include <vac/result.hpp>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <utility>

#include "base/text.hpp"
#include "connection.hpp"
#include "handshake.hpp"
#include "reactor.hpp"
#include "remote_resource.hpp"
#include "session_options.hpp"
#include "transport/address.hpp"
#include "transport/channel.hpp"
#include "wire/hello.hpp"

namespace vac::remote {
namespace {

// The agent gives up on a handshake after this time as well.
constexpr std::chrono::milliseconds kOpenPatience{2000};

// What comes goes straight to memory that the caller has given or the host finds: the agent's limit
// is enough. No machine has as much as this.
constexpr std::uint64_t kLargestFrame = std::uint64_t{1} << 48U;

/// Its reactor's thread ends with the last session.
class PluginState {
 public:
  PluginState(const vac_host& its_host, std::unique_ptr<Reactor> reactor)
      : host(its_host), reactor_(std::move(reactor)) {}

  const vac_host& host;

  Reactor& reactor() noexcept { return *reactor_; }
  void add_session() noexcept { sessions_.fetch_add(1); }
  void remove_session() noexcept {
    if (sessions_.fetch_sub(1) == 1) reactor_->rest();
  }

 private:
  const std::unique_ptr<Reactor> reactor_;
  std::atomic<std::uint32_t> sessions_{0};
};

struct SessionState {
  PluginState& plugin;
  const vac_host& host;
  std::shared_ptr<Connection> connection;  // shared with the session's resources
  std::int64_t timeout_ns;                 // of what is asked on its behalf; 0: none
};

/// Runs a function of the table: nothing is thrown at the host, and it hears what went wrong.
/// `call` is nullptr outside of calls.
template <class Function>
int guarded(const vac_host& host, vac_call* call, Function function) noexcept {
  try {
    const Status status = function();
    if (status) return VAC_OK;
    const Error& error = status.error();
    host.error(host.host, call, error.detail(), error.text().c_str());
    return error.value();
  } catch (const std::bad_alloc&) {
    return VAC_ENOMEM;
  } catch (const std::exception& exception) {
    host.error(host.host, call, 0, exception.what());
    return VAC_EIO;
  }
}

int open_plugin(const vac_host* host, const char* /*config_json*/, void** plugin) {
  return guarded(*host, nullptr, [&]() -> Status {
    VAC_TRY(std::unique_ptr<Reactor> reactor, Reactor::create());
    *plugin = new PluginState(*host, std::move(reactor));
    return {};
  });
}

void close_plugin(void* plugin) { delete static_cast<PluginState*>(plugin); }

Result<std::shared_ptr<Connection>> connect_to(PluginState& plugin, const std::string& text,
                                               const SessionOptions& options) {
  VAC_TRY(const transport::Address address, transport::parse_address(text));
  auto patience = kOpenPatience;
  if (options.timeout.count() != 0) patience = std::min(patience, options.timeout);
  VAC_TRY(std::unique_ptr<transport::Channel> channel, transport::connect(address, patience));
  wire::Hello hello;
  hello.largest_frame = kLargestFrame;
  if (channel->carries_descriptors()) {
    hello.region_kinds = wire::region_bit(wire::RegionKind::memfd);
  }
  hello.client_name = options.name.empty() ? program_invocation_short_name : options.name;
  VAC_TRY(const wire::Hello agreed, shake_hands(*channel, hello, text, patience));
  VAC_TRY(
      std::unique_ptr<Connection> connection,
      Connection::create(std::move(channel), text, agreed, {}, {&plugin.reactor(), &plugin.host}));
  return std::shared_ptr<Connection>(std::move(connection));
}

int open_session(void* plugin, const vac_session_view* view, void** session) {
  auto& opened = *static_cast<PluginState*>(plugin);
  return guarded(opened.host, nullptr, [&]() -> Status {
    VAC_TRY(const SessionOptions options,
            parse_session_options(view->options_json == nullptr ? "" : view->options_json));
    VAC_TRY(std::shared_ptr<Connection> connection, connect_to(opened, view->address, options));
    const std::chrono::nanoseconds timeout = options.timeout;
    *session = new SessionState{opened, opened.host, std::move(connection), timeout.count()};
    opened.add_session();
    return {};
  });
}

void close_session(void* plugin, void* session) {
  auto* const opened = static_cast<SessionState*>(session);
  opened->connection->stop_taking();  // resources may keep it longer
  delete opened;
  static_cast<PluginState*>(plugin)->remove_session();
}

int attach_resource(void* /*plugin*/, void* session, const vac_resource_view* view, void** state) {
  const auto& opened = *static_cast<SessionState*>(session);
  return guarded(opened.host, nullptr, [&]() -> Status {
    *state = new RemoteResource(opened.connection, *view, opened.host);
    return {};
  });
}

void detach_resource(void* /*plugin*/, void* state) { delete static_cast<RemoteResource*>(state); }

/// Puts the agent's ids into the records of resources; what the agent lacks is uploaded first.
Status name_resources(vac_call& call) {
  void* const* state = call.resource_states;
  for (std::uint32_t i = 0; i < call.arg_count; ++i) {
    vac_arg& record = call.args[i];
    if (record.type != VAC_RESOURCE) continue;
    auto* resource = static_cast<RemoteResource*>(*state++);
    if (record.form == VAC_ABSENT) continue;
    if (resource == nullptr) return Error{Errc::invalid, "a resource was not attached"};
    VAC_TRY(record.value, resource->id_for(call));
  }
  return {};
}

/// The same, where it can be done without waiting; else nothing is done.
bool try_name_resources(vac_call& call) noexcept {
  const auto each = [&call](auto function) {
    void* const* state = call.resource_states;
    for (std::uint32_t i = 0; i < call.arg_count; ++i) {
      vac_arg& record = call.args[i];
      if (record.type != VAC_RESOURCE) continue;
      const auto* const resource = static_cast<const RemoteResource*>(*state++);
      if (record.form == VAC_ABSENT) continue;
      const std::uint64_t id = resource == nullptr ? 0 : resource->known_id();
      if (id == 0) return false;
      function(record, id);
    }
    return true;
  };
  return each([](vac_arg&, std::uint64_t) {}) &&
         each([](vac_arg& record, std::uint64_t id) { record.value = id; });
}

int submit(void* /*plugin*/, vac_call* const* calls, std::size_t count) {
  if (count != 1) return VAC_EINVAL;
  vac_call& call = *calls[0];
  const auto& session = *static_cast<SessionState*>(call.session_state);
  if ((call.flags & VAC_CALL_MAY_BLOCK) == 0) {
    return try_name_resources(call) && session.connection->take(call) ? VAC_EINPROGRESS
                                                                      : VAC_EAGAIN;
  }
  return guarded(session.host, &call, [&]() -> Status {
    VAC_CHECK(name_resources(call));
    return session.connection->run(call, &session.host);
  });
}

void cancel(void* /*plugin*/, vac_call* call) {
  static_cast<SessionState*>(call->session_state)->connection->cancel(*call);
}

void cancel_session(void* /*plugin*/, void* session) {
  static_cast<SessionState*>(session)->connection->cancel_taken();
}

int alloc_buffer(void* /*plugin*/, void* session, std::uint64_t bytes, vac_buffer_view* view) {
  const auto& opened = *static_cast<SessionState*>(session);
  int code = VAC_ENOMEM;
  const int failed = guarded(opened.host, nullptr, [&]() -> Status {
    std::unique_ptr<RegionBuffer> buffer = opened.connection->new_buffer(bytes, opened.timeout_ns);
    if (buffer == nullptr) return {};
    *view = {buffer->data(), buffer->bytes(), 0};
    // free_buffer() has it back.
    view->cookie = reinterpret_cast<std::uintptr_t>(buffer.release());
    code = VAC_OK;
    return {};
  });
  return failed == VAC_OK ? code : failed;
}

void free_buffer(void* /*plugin*/, void* session, const vac_buffer_view* view) {
  delete reinterpret_cast<RegionBuffer*>(static_cast<std::uintptr_t>(view->cookie));
  // After the session's end there is nobody to give anything back to.
  if (session != nullptr) static_cast<SessionState*>(session)->connection->return_regions();
}

constexpr vac_plugin make_table() {
  vac_plugin table{};
  table.struct_size = sizeof table;
  table.abi_major = VAC_ABI_MAJOR;
  table.abi_minor = VAC_ABI_MINOR;
  table.name = "remote";
  table.version = "0.1.0";
  table.caps = VAC_CAP_REMOTE | VAC_CAP_NO_WAIT;
  table.open = open_plugin;
  table.close = close_plugin;
  table.session_open = open_session;
  table.session_close = close_session;
  table.resource_attach = attach_resource;
  table.resource_detach = detach_resource;
  table.submit = submit;
  table.cancel = cancel;
  table.session_cancel = cancel_session;
  table.buffer_alloc = alloc_buffer;
  table.buffer_free = free_buffer;
  return table;
}

constexpr vac_plugin kTable = make_table();

}  // namespace
}  // namespace vac::remote

const vac_plugin* vac_plugin_entry(uint32_t host_major, uint32_t /*host_minor*/) {
  return host_major == VAC_ABI_MAJOR ? &vac::remote::kTable : nullptr;
}
