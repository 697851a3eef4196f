// SPDX-License-Identifier: Apache-2.0
#include "plugin_check/plugin_check.hpp"

#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/json_text.hpp"
#include "base/text.hpp"
#include "call/op_table.hpp"
#include "plugin_check/elf_file.hpp"
#include "plugin_check/isolation.hpp"
#include "plugin_check/parts.hpp"

namespace vac::plugin_check {
namespace {

/// What the table told, for the parts after it.
struct Facts {
  std::uint64_t caps = 0;
  std::vector<vac_op_offer> offers;
  bool complete = false;  // the table was read to its end
  bool opens = false;

  void take(const std::string& key, const std::string& value) {
    if (key == "caps") {
      caps = std::strtoull(value.c_str(), nullptr, 10);
      complete = true;
    }
    if (key == "opens") opens = true;
    vac_op_offer offer{};
    if (key == "offer" && value.size() == sizeof offer) {
      std::memcpy(&offer, value.data(), sizeof offer);
      offers.push_back(offer);
    }
  }
};

/// One run of the kit: counts failures and knows what goes on.
class Check {
 public:
  Check(const CheckOptions& options, const Listener& listener)
      : options_(options), listener_(listener) {}

  Result<bool> run() {
    if (!check_file()) return false;
    isolated([this](Reporter& reporter) { check_table(reporter, options_); });
    if (!facts_.complete) return false;
    VAC_TRY(const auto wanted, operations());
    isolated([this](Reporter& reporter) { check_life(reporter, options_); });
    if (!facts_.opens) {
      tell({Verdict::skipped, "calls", "it does not open"});
      return false;
    }
    isolated([this](Reporter& reporter) { check_resources(reporter, options_); });
    for (const auto& [op, offer] : wanted) {
      isolated([&, op = op, offer = offer](Reporter& reporter) {
        check_operation(reporter, options_, *op, offer);
      });
    }
    return failures_ == 0;
  }

 private:
  using Wanted = std::vector<std::pair<const Op*, vac_op_offer>>;

  void tell(const Outcome& outcome) {
    if (outcome.verdict == Verdict::failed) ++failures_;
    listener_(outcome);
  }

  bool check_file() {
    const Result<ElfFile> file = read_elf(options_.file);
    if (!file) {
      tell({Verdict::failed, "file", file.error().text()});
      return false;
    }
    tell({Verdict::ok, "file",
          concat("a shared library of this machine, ", format_bytes(file->bytes))});
    check_symbols(*file);
    return true;
  }

  void check_symbols(const ElfFile& file) {
    std::string names;
    std::size_t others = 0;
    for (const std::string& name : file.exported) {
      if (name == "vac_plugin_entry") continue;
      if (++others <= 3) names += concat(others == 1 ? "" : ", ", name);
    }
    if (others == 0)
      return tell({Verdict::ok, "symbols", "nothing but vac_plugin_entry is exported"});
    tell({Verdict::warning, "symbols",
          concat(others, others == 1 ? " more symbol is" : " more symbols are", " exported (",
                 names, others > 3 ? ", ..." : "",
                 "): compile with -fvisibility=hidden, so that plugins do not share them")});
  }

  void isolated(const std::function<void(Reporter&)>& part) {
    const auto outcomes = [this](const Outcome& outcome) { tell(outcome); };
    const auto facts = [this](const std::string& key, const std::string& value) {
      facts_.take(key, value);
    };
    std::optional<Outcome> end = run_isolated(part, options_.patience, outcomes, facts);
    if (!end) return;
    end->text += concat("; the checks after it were left out. To see where: --seed ", options_.seed,
                        " again, under a debugger that follows the child");
    tell(*end);
  }

  /// Those that are offered; of a plugin that serves other addresses, all there are.
  Result<Wanted> operations() {
    Wanted wanted;
    std::vector<std::string> names;
    const bool remote = (facts_.caps & VAC_CAP_REMOTE) != 0;
    if (remote && options_.address.empty()) {
      tell({Verdict::skipped, "calls",
            "it serves other addresses than local:, give an agent's by --at to check calls"});
      return wanted;
    }
    const auto add = [&](const Op* op, const vac_op_offer& offer) {
      if (op == nullptr || op->control()) return;
      names.emplace_back(op->name);
      if (options_.op.empty() || options_.op == op->name) wanted.emplace_back(op, offer);
    };
    for (const vac_op_offer& offer : facts_.offers) add(find_op(offer.op), offer);
    for (const Op& op : all_ops()) {
      if (remote && facts_.offers.empty()) add(&op, {op.id, 1, 0, 0});
    }
    if (!options_.op.empty() && wanted.empty()) {
      std::string all;
      for (const std::string& name : names) all += concat(all.empty() ? "" : ", ", name);
      return Error{Errc::invalid, concat("the plugin does not offer an operation '", options_.op,
                                         "': it offers ", all.empty() ? "none" : all)};
    }
    return wanted;
  }

  const CheckOptions& options_;
  const Listener& listener_;
  Facts facts_;
  std::size_t failures_ = 0;
};

}  // namespace

Result<bool> check_plugin(const CheckOptions& given, const Listener& listener) {
  CheckOptions options = given;
  auto config = canonical_json_object(options.config_json);
  if (!config) return std::move(config).error().with_context("--config is no JSON object");
  options.config_json = *config;
  if (options.calls == 0) return Error{Errc::invalid, "--calls is 0: give at least 1"};
  if (options.patience.count() < 1)
    return Error{Errc::invalid, "--timeout-s is 0: give at least 1"};
  if (!options.resource_file.empty()) VAC_CHECK(resource_of(options));
  return Check(options, listener).run();
}

}  // namespace vac::plugin_check
