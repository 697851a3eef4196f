// SPDX-License-Identifier: Apache-2.0
// A plugin that lends parts of one mapping as buffers, and tells in its description where that
// lies, what came back with which session, and where the arguments of the last call lay. `noop`
// looks at its data; `model_run` returns a copy of its first input.
#include <sys/mman.h>
#include <vac/ops.h>
#include <vac/plugin.h>

#include <cstdio>
#include <cstring>
#include <mutex>
#include <new>
#include <span>
#include <vector>

namespace {

constexpr std::uint32_t kNoop = 32, kModelRun = 36;
constexpr std::uint32_t kOutputsArgument = 5;  // of model_run
constexpr std::uint64_t kArenaBytes = 1 << 20;
constexpr std::uint64_t kPage = 4096;

/// An argument as its record tells it.
struct Place {
  std::uint32_t where = VAC_WHERE_NOWHERE;
  std::uint64_t at = 0, bytes = 0;
};

struct Loan {
  void* session;
  bool out;
};

struct Lender {
  const vac_host* host = nullptr;
  unsigned char* arena = nullptr;
  std::mutex mutex;
  std::uint64_t used = 0;  // of the arena, until all is back
  std::size_t out = 0;
  std::vector<Loan> loans;  // the cookie of one is its place here
  unsigned refused = 0, with_session = 0, without_session = 0, wrongly = 0;
  Place input, output;

  ~Lender() {
    if (arena != nullptr) ::munmap(arena, kArenaBytes);
  }
};

Lender& self(void* plugin) { return *static_cast<Lender*>(plugin); }

int open(const vac_host* host, const char*, void** plugin) noexcept {
  auto* const lender = new (std::nothrow) Lender;
  if (lender == nullptr) return VAC_ENOMEM;
  void* const arena =
      ::mmap(nullptr, kArenaBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (arena == MAP_FAILED) {
    delete lender;
    return VAC_ENOMEM;
  }
  lender->host = host;
  lender->arena = static_cast<unsigned char*>(arena);
  std::memset(arena, 0xa5, kArenaBytes);  // the host zeroes what it hands on
  *plugin = lender;
  return VAC_OK;
}

void close(void* plugin) noexcept { delete &self(plugin); }

int session_open(void*, const vac_session_view*, void** session) noexcept {
  *session = new (std::nothrow) int(0);
  return *session == nullptr ? VAC_ENOMEM : VAC_OK;
}

void session_close(void*, void* session) noexcept { delete static_cast<int*>(session); }

int buffer_alloc(void* plugin, void* session, std::uint64_t bytes, vac_buffer_view* view) noexcept {
  Lender& lender = self(plugin);
  const std::lock_guard lock(lender.mutex);
  const std::uint64_t room = (bytes + kPage - 1) / kPage * kPage;
  if (bytes > kArenaBytes || room > kArenaBytes - lender.used) {
    ++lender.refused;
    lender.host->error(lender.host->host, nullptr, 0, "it has no part as large to lend");
    return VAC_ENOSPC;
  }
  *view = {lender.arena + lender.used, bytes, lender.loans.size()};
  lender.used += room;
  lender.loans.push_back({session, true});
  ++lender.out;
  return VAC_OK;
}

void buffer_free(void* plugin, void* session, const vac_buffer_view* view) noexcept {
  Lender& lender = self(plugin);
  const std::lock_guard lock(lender.mutex);
  if (view->cookie >= lender.loans.size() || !lender.loans[view->cookie].out) {
    ++lender.wrongly;
    return;
  }
  Loan& loan = lender.loans[view->cookie];
  loan.out = false;
  if (--lender.out == 0) lender.used = 0;
  ++(session == nullptr        ? lender.without_session
     : session == loan.session ? lender.with_session
                               : lender.wrongly);
}

bool has_data(const vac_arg& record) {
  return record.form == VAC_ARRAY || record.form == VAC_TENSOR;
}

/// The first record of that direction which has data; nullptr: none.
const vac_arg* first(std::span<const vac_arg> records, std::uint8_t dir) {
  for (const vac_arg& record : records) {
    if (record.dir == dir && has_data(record)) return &record;
  }
  return nullptr;
}

const vac_arg* first_tensor(std::span<const vac_arg> records) {
  for (const vac_arg& record : records) {
    if (record.dir == VAC_IN && record.form == VAC_TENSOR) return &record;
  }
  return nullptr;
}

Place place_of(const vac_arg* record) {
  return record == nullptr ? Place{} : Place{record->where, record->value, record->bytes};
}

int copy_input(const Lender& lender, vac_call& call, const vac_arg& input) {
  void* const output =
      lender.host->output(&call, kOutputsArgument, 0, input.bytes, input.type, input.rank,
                          reinterpret_cast<const std::int64_t*>(call.meta + input.meta));
  if (output == nullptr && input.bytes != 0) {
    lender.host->error(lender.host->host, &call, 0, "no memory for the output");
    return VAC_ENOMEM;
  }
  if (input.bytes != 0) {
    std::memcpy(output, reinterpret_cast<const void*>(input.value),
                static_cast<std::size_t>(input.bytes));
  }
  return VAC_OK;
}

int submit(void* plugin, vac_call* const* calls, std::size_t n) noexcept {
  if (n != 1) return VAC_ENOTSUP;
  Lender& lender = self(plugin);
  vac_call& call = *calls[0];
  const std::span<const vac_arg> records(call.args, call.arg_count);
  const vac_arg* const input =
      call.op == kModelRun ? first_tensor(records) : first(records, VAC_IN);
  {
    const std::lock_guard lock(lender.mutex);
    lender.input = place_of(input);
    lender.output = place_of(first(records, VAC_OUT));
  }
  return call.op == kModelRun && input != nullptr ? copy_input(lender, call, *input) : VAC_OK;
}

int describe(void* plugin, char* json, std::size_t* bytes) noexcept {
  Lender& lender = self(plugin);
  const std::lock_guard lock(lender.mutex);
  const auto number = [](auto value) { return static_cast<unsigned long long>(value); };
  char text[1024];
  const std::size_t capacity = *bytes;
  const int length = std::snprintf(
      text, sizeof text,
      R"({"arena":%llu,"arena_bytes":%llu,"lent":%llu,"refused":%u,"with_session":%u,)"
      R"("without_session":%u,"wrongly":%u,"input":%llu,"input_bytes":%llu,)"
      R"("output_where":%u,"output":%llu,"output_bytes":%llu})",
      number(reinterpret_cast<std::uintptr_t>(lender.arena)), number(kArenaBytes),
      number(lender.loans.size()), lender.refused, lender.with_session, lender.without_session,
      lender.wrongly, number(lender.input.at), number(lender.input.bytes), lender.output.where,
      number(lender.output.at), number(lender.output.bytes));
  *bytes = static_cast<std::size_t>(length);
  if (*bytes > capacity) return VAC_ENOSPC;
  std::memcpy(json, text, *bytes);
  return VAC_OK;
}

const vac_op_offer kOffers[] = {{kNoop, 1, 0, 0}, {kModelRun, 1, 0, 0}};

vac_plugin make_table() {
  vac_plugin table{};
  table.struct_size = sizeof table;
  table.abi_major = VAC_ABI_MAJOR;
  table.abi_minor = VAC_ABI_MINOR;
  table.name = "lender";
  table.version = "1";
  table.ops = kOffers;
  table.op_count = std::size(kOffers);
  table.open = open;
  table.close = close;
  table.session_open = session_open;
  table.session_close = session_close;
  table.submit = submit;
  table.buffer_alloc = buffer_alloc;
  table.buffer_free = buffer_free;
  table.describe = describe;
  return table;
}

}  // namespace

const vac_plugin* vac_plugin_entry(std::uint32_t host_major, std::uint32_t) {
  static const vac_plugin table = make_table();
  return host_major == VAC_ABI_MAJOR ? &table : nullptr;
}
