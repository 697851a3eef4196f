// SPDX-License-Identifier: Apache-2.0
// Calls functions of shared libraries that the caller brings. In the caller's own process that is
// nothing he could not do without it; in an agent it runs foreign code with the agent's rights, so
// there only what its configuration names runs.
#include <vac/plugin.hpp>

#include <cstddef>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "allow_list.hpp"
#include "library.hpp"

namespace vac::exec {
namespace {

using nlohmann::json;

struct Session {
  bool own_process;
};

/// An agent names the tenant of each session; a process that calls for itself has none. A host that
/// says nothing is taken for an agent.
Result<std::unique_ptr<Session>> open_session(const vac_session_view& view) {
  const bool own_process = view.tenant != nullptr && *view.tenant == '\0';
  return std::make_unique<Session>(Session{own_process});
}

Result<std::unique_ptr<AllowList>> open(Host /*host*/, std::string_view config_json) {
  VAC_TRY(AllowList list, AllowList::from_config(config_json));
  return std::make_unique<AllowList>(std::move(list));
}

Result<std::unique_ptr<Library>> attach(const vac_resource_view& view) {
  const json options = json::parse(view.options_json, nullptr, false);
  for (const auto& [key, value] : options.items()) {
    if (key == "stateful") continue;
    return Error{Errc::invalid, "option '" + key + "' is not known to exec: there is stateful"};
  }
  return std::make_unique<Library>(view);
}

Error changed_more(const std::string& what) {
  return Error{Errc::failed, what + ", it may change its data, and lower the bytes of an array"};
}

/// The sizes that the function left, checked against those it was given.
Status take_sizes(const std::string& function, std::span<const vac_value> given,
                  std::span<const vac_value> left, std::span<vac_arg> records) {
  for (std::size_t i = 0; i < given.size(); ++i) {
    const vac_value& before = given[i];
    const vac_value& after = left[i];
    const std::string where = function + " ";
    const std::string value = "write[" + std::to_string(i) + "]";
    if (after.data != before.data || after.dims != before.dims || after.type != before.type ||
        after.form != before.form || after.rank != before.rank || after.tag != before.tag) {
      return changed_more(where + "changed what " + value + " is");
    }
    if (after.bytes == before.bytes) continue;
    if (after.bytes > before.bytes) {
      return Error{Errc::failed, where + "says that it wrote " + std::to_string(after.bytes) +
                                     " bytes to " + value + ", which has room for " +
                                     std::to_string(before.bytes) + ": give it more room"};
    }
    if (before.form != VAC_ARRAY) return changed_more(where + "changed the size of " + value);
    if (const std::uint64_t width = element_width(before.type); after.bytes % width != 0) {
      return Error{Errc::failed, where + "left " + std::to_string(after.bytes) + " bytes in " +
                                     value + ", which is no whole number of elements of " +
                                     std::to_string(width)};
    }
    records[i].bytes = after.bytes;
  }
  return {};
}

Status run(const AllowList& allowed, Call& call, const ops::Exec::Args& in) {
  auto& library = in.library.state<Library>();
  if (!call.session<Session>().own_process) VAC_CHECK(allowed.check(library));
  VAC_TRY(const Library::Function function, library.find(in.symbol));
  const std::vector<vac_value> read(in.read.begin(), in.read.end());
  const std::vector<vac_value> given(in.write.begin(), in.write.end());
  std::vector<vac_value> write = given;
  const int result = function(read.data(), read.size(), write.data(), write.size());
  const std::string name = "function '" + shortened(in.symbol) + "' of " + library.title();
  if (result != 0) {
    return Error{Errc::failed, name + " returned " + std::to_string(result) +
                                   ": what that means is the library's to say"}
        .with_detail(static_cast<std::uint32_t>(result));
  }
  return take_sizes(name, given, write, call.records().last(given.size()));
}

}  // namespace
}  // namespace vac::exec

VAC_PLUGIN(vac::Plugin<vac::exec::AllowList>("exec", "1.0")
               .opens(vac::exec::open)
               .sessions(vac::exec::open_session)
               .accepts(vac::exec::check_library)
               .attaches(vac::exec::attach)
               .handles<vac::ops::Exec>(vac::exec::run));
