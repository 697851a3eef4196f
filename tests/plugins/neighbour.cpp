// SPDX-License-Identifier: Apache-2.0
// A plugin that breaks the rules as it is told: a call of noop carries the name of what it shall
// do, or of what the calls of other operations shall do from then on ("next:NAME"). The hooks are
// told by the setting "how" of its configuration. With ASYNCHRONOUS it is one.
#include <vac/plugin.h>

#include <cstring>
#include <functional>
#include <map>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>

namespace {

constexpr std::uint32_t kNoop = 32, kLoad = 33, kDescribe = 35, kRun = 36, kMinmax = 43;
constexpr vac_op_offer kOffers[] = {{kNoop, 1, 2, 0}, {kLoad, 1, 0, 0},   {kDescribe, 1, 0, 0},
                                    {kRun, 1, 0, 0},  {kMinmax, 1, 0, 0}, {9998, 1, 0, 0},
                                    {kNoop, 1, 0, 0}, {1, 1, 0, 0}};

const vac_host* host = nullptr;
std::string how;   // of the configuration
std::string next;  // for other operations
int attaches = 0;

std::string_view data_of(const vac_call& call) {
  return {reinterpret_cast<const char*>(call.args[0].value), call.args[0].bytes};
}

bool told(std::string_view what) { return how.find(what) != std::string::npos; }

int fail(vac_call& call, int code, const char* text) {
  host->error(host->host, &call, 0, text);
  return code;
}

const std::string& endless() {
  static const std::string text(10'000, 'x');
  return text;
}

int complete_twice(vac_call& call) {
  host->complete(&call, VAC_EBUSY, "first");
  host->complete(&call, VAC_OK, "second");
  return VAC_EINPROGRESS;
}

int complete_and_return(vac_call& call) {
  host->complete(&call, VAC_EBUSY, "beside the code");
  return VAC_OK;
}

int complete_badly(vac_call& call) {
  host->complete(&call, -7, nullptr);
  return VAC_EINPROGRESS;
}

int complete_elsewhere(vac_call& call) {
  std::thread([&] { host->complete(&call, VAC_OK, nullptr); }).join();
  return VAC_EINPROGRESS;
}

int poll(vac_call& call) {
  while (host->cancelled(&call) == 0) std::this_thread::yield();
  return VAC_ECANCELED;
}

using Behaviour = std::function<int(vac_call&)>;

const std::map<std::string_view, Behaviour>& noop_behaviours() {
  static const std::map<std::string_view, Behaviour> all = {
      {"throw", [](vac_call&) -> int { throw std::runtime_error("boom"); }},
      {"throw int", [](vac_call&) -> int { throw 7; }},
      {"throw bad_alloc", [](vac_call&) -> int { throw std::bad_alloc(); }},
      {"code -1", [](vac_call&) { return -1; }},
      {"code 9999", [](vac_call&) { return 9999; }},
      {"in progress", [](vac_call&) { return VAC_EINPROGRESS; }},
      {"no text", [](vac_call& call) { return fail(call, VAC_EBUSY, nullptr); }},
      {"bad text", [](vac_call& call) { return fail(call, VAC_EBUSY, "a\xff\nb"); }},
      {"long text", [](vac_call& call) { return fail(call, VAC_EBUSY, endless().c_str()); }},
      {"complete twice", complete_twice},
      {"complete and return", complete_and_return},
      {"complete badly", complete_badly},
      {"complete elsewhere", complete_elsewhere},
      {"poll", poll},
  };
  return all;
}

int noop(vac_call& call) {
  const std::string_view wanted = data_of(call);
  if (wanted.starts_with("next:")) {
    next = wanted.substr(5);
    return VAC_OK;
  }
  const auto found = noop_behaviours().find(wanted);
  return found == noop_behaviours().end() ? VAC_OK : found->second(call);
}

int minmax(vac_call& call) {
  if (next == "wrong size") {
    call.args[3].bytes = 1U << 20;
    return VAC_OK;
  }
  if (next == "wrong record") {
    call.args[0].bytes = 0;
    return VAC_OK;
  }
  if (next == "wrong argument") host->output(&call, 0, 0, 8, VAC_F64, 0, nullptr);
  if (next == "no such argument") host->output(&call, 77, 0, 8, VAC_F64, 0, nullptr);
  if (next == "too large") host->output(&call, 3, 0, UINT64_MAX - 7, VAC_F64, 0, nullptr);
  if (next == "array asked twice") {
    host->output(&call, 3, 0, 8, VAC_F64, 0, nullptr);
    host->output(&call, 3, 0, 16, VAC_F64, 0, nullptr);
  }
  if (next == "middle of an element") host->output(&call, 3, 0, 9, VAC_F64, 0, nullptr);
  return VAC_OK;
}

int run(vac_call& call) {
  const std::int64_t huge[] = {INT64_MAX, INT64_MAX};
  const std::int64_t negative[] = {-1, -4};
  const std::int64_t one[] = {1};
  const auto ask = [&](std::uint32_t child, std::uint64_t bytes, const std::int64_t* dims,
                       std::uint8_t rank) {
    return host->output(&call, 5, child, bytes, VAC_F32, rank, dims);
  };
  if (next == "huge shape") ask(0, 4, huge, 2);
  if (next == "negative shape") ask(0, 16, negative, 2);
  if (next == "other size") ask(0, 400, one, 1);
  if (next == "no shape") ask(0, 4, nullptr, 1);
  if (next == "too many items") ask(70'000, 4, one, 1);
  if (next == "item left out") ask(1, 4, one, 1);
  if (next == "asked twice") {
    ask(0, 4, one, 1);
    ask(0, 4, one, 1);
  }
  return VAC_OK;
}

int submit(void* /*plugin*/, vac_call* const* calls, std::size_t /*n*/) {
  vac_call& call = *calls[0];
  if (call.op == kNoop) return noop(call);
  if (call.op == kMinmax) return minmax(call);
  if (call.op == kRun) return run(call);
  return VAC_OK;
}

int open(const vac_host* given, const char* config, void** /*plugin*/) {
  host = given;
  how = config;
  if (told("throw in open")) throw std::runtime_error("boom");
  if (told("fail in open")) {
    host->error(host->host, nullptr, 0, "there is no device");
    return VAC_ENODEV;
  }
  return VAC_OK;
}

int session_open(void* /*plugin*/, const vac_session_view* /*view*/, void** /*session*/) {
  if (told("throw in session_open")) throw std::runtime_error("boom");
  return VAC_OK;
}

int accepts(void* /*plugin*/, const vac_resource_view* /*view*/) {
  if (told("throw in accepts")) throw std::runtime_error("boom");
  if (told("refuse silently")) return VAC_EINVAL;
  return VAC_OK;
}

int attach(void* /*plugin*/, void* /*session*/, const vac_resource_view* /*view*/, void** /*st*/) {
  if (told("throw in attach")) throw std::runtime_error("boom");
  if (told("attach later") && attaches++ == 0) {
    host->error(host->host, nullptr, 0, "not yet");
    return VAC_EAGAIN;
  }
  return VAC_OK;
}

int describe(void* /*plugin*/, char* json, std::size_t* bytes) {
  if (told("throw in describe")) throw std::runtime_error("boom");
  const std::string_view text = told("no json") ? "}{" : "{}";
  std::memcpy(json, text.data(), text.size());
  *bytes = told("endless description") ? SIZE_MAX : text.size();
  return VAC_OK;
}

}  // namespace

const vac_plugin* vac_plugin_entry(std::uint32_t /*host_major*/, std::uint32_t /*host_minor*/) {
#if defined(THROWING_ENTRY)
  throw std::runtime_error("boom");
#endif
  static vac_plugin table{};
  table.struct_size = sizeof table;
  table.abi_major = VAC_ABI_MAJOR;
  table.abi_minor = VAC_ABI_MINOR;
  table.name = BAD_NAME;
  table.version = "1.0\n\xff";
#if defined(ASYNCHRONOUS)
  table.caps = VAC_CAP_ASYNC;
#endif
  table.ops = kOffers;
  table.op_count = std::size(kOffers);
  table.open = open;
  table.session_open = session_open;
  table.accepts = accepts;
  table.resource_attach = attach;
  table.submit = submit;
  table.describe = describe;
  return &table;
}
