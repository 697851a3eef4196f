// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cctype>
#include <cstddef>
#include <filesystem>
#include <limits>
#include <set>
#include <span>
#include <string_view>

#include "base/text.hpp"
#include "plugin_check/parts.hpp"
#include "plugin_check/subject.hpp"

namespace vac::plugin_check {
namespace {

constexpr std::uint64_t kKnownCaps =
    VAC_CAP_REMOTE | VAC_CAP_ASYNC | VAC_CAP_WORKER_ONLY | VAC_CAP_NO_WAIT;
constexpr std::uint32_t kMostConcurrency = 4096;
constexpr std::uint32_t kMostBatch = 65536;
constexpr std::uint32_t kAnyMinor = 1'000'000;

bool is_name(std::string_view name) {
  const auto letter = [](char c) { return c >= 'a' && c <= 'z'; };
  const auto fits = [&](char c) { return letter(c) || (c >= '0' && c <= '9') || c == '_'; };
  return !name.empty() && letter(name.front()) && std::ranges::all_of(name, fits);
}

/// Ends the process where the table cannot be used at all.
void check_abi(Reporter& reporter, const vac_plugin& table) {
  constexpr std::size_t kLeast = offsetof(vac_plugin, submit) + sizeof(table.submit);
  if (table.abi_major != VAC_ABI_MAJOR) {
    reporter.fail_and_leave(
        "abi", concat("the table says ABI ", table.abi_major, ".", table.abi_minor, ", asked for ",
                      VAC_ABI_MAJOR, ".", VAC_ABI_MINOR,
                      ": set abi_major to VAC_ABI_MAJOR, or return NULL for hosts not served"));
  }
  if (table.struct_size < kLeast) {
    reporter.fail_and_leave(
        "abi", concat("struct_size is ", table.struct_size, ", up to submit it is ", kLeast,
                      ": set it to sizeof(struct vac_plugin)"));
  }
  reporter.ok("abi", concat(table.abi_major, ".", table.abi_minor, ", a table of ",
                            table.struct_size, " bytes"));
}

void check_entry(Reporter& reporter, const Subject& subject) {
  const auto entry = [&](std::uint32_t major, std::uint32_t minor) {
    return run_plugin(reporter, "entry", concat("vac_plugin_entry(", major, ", ", minor, ")"),
                      [&] { return subject.entry()(major, minor); });
  };
  constexpr std::uint32_t kNoMajor = std::numeric_limits<std::uint32_t>::max();
  if (entry(kNoMajor, 0) != nullptr) {
    reporter.failed("entry", concat("vac_plugin_entry(", kNoMajor,
                                    ", 0) returned a table: return NULL for a host_major that is "
                                    "not VAC_ABI_MAJOR"));
  } else if (entry(VAC_ABI_MAJOR, kAnyMinor) == nullptr) {
    reporter.failed("entry", concat("vac_plugin_entry(", VAC_ABI_MAJOR, ", ", kAnyMinor,
                                    ") returned NULL: hosts of a newer minor must be served"));
  } else {
    reporter.ok("entry", "serves this major with any minor, and no other major");
  }
}

void check_names(Reporter& reporter, const vac_plugin& table, const std::string& file) {
  const std::string stem = std::filesystem::path(file).stem().string();
  if (table.name == nullptr) {
    reporter.failed("name", "it is NULL: name the plugin as its file, without .so");
  } else if (!is_name(table.name)) {
    reporter.failed("name", concat("it is '", table.name,
                                   "': use a letter, then letters, digits and _, all small"));
  } else if (stem != table.name) {
    reporter.failed("name", concat("it is '", table.name, "', the file's is '", stem,
                                   "': they must be the same, users choose plugins by it"));
  } else {
    reporter.ok("name", table.name);
  }
  if (table.version == nullptr || *table.version == '\0') {
    reporter.failed("version", "there is none: set it, it is shown by vaccel list");
  } else {
    reporter.ok("version", table.version);
  }
}

void check_slots(Reporter& reporter, const vac_plugin& table) {
  if (table.submit == nullptr) {
    reporter.fail_and_leave("slots", "submit is NULL: it is the one function that must be there");
  }
  if ((table.buffer_alloc == nullptr) != (table.buffer_free == nullptr)) {
    reporter.failed("slots", "only one of buffer_alloc and buffer_free is there: set both");
  } else if (table.op_count != 0 && table.ops == nullptr) {
    reporter.fail_and_leave(
        "slots", concat("ops is NULL and op_count is ", table.op_count, ": set both, or neither"));
  } else {
    reporter.ok("slots", "submit is there");
  }
}

void check_caps(Reporter& reporter, const vac_plugin& table) {
  if ((table.caps & ~kKnownCaps) != 0) {
    reporter.failed("caps", concat("it is ", table.caps, ", of which ", table.caps & ~kKnownCaps,
                                   " is no VAC_CAP_...: set the bits of <vac/plugin.h> alone"));
    return;
  }
  std::string names;
  const auto add = [&](std::uint64_t bit, const char* name) {
    if ((table.caps & bit) != 0) names += concat(names.empty() ? "" : ", ", name);
  };
  add(VAC_CAP_REMOTE, "remote");
  add(VAC_CAP_ASYNC, "asynchronous");
  add(VAC_CAP_WORKER_ONLY, "in a worker only");
  add(VAC_CAP_NO_WAIT, "takes calls without waiting");
  reporter.ok("caps", names.empty() ? "none" : names);
}

/// Why an offer cannot be; empty where it can.
std::string offer_fault(const vac_op_offer& offer) {
  if (offer.op < kFirstPublicOp) {
    return concat("operation ", offer.op, " is the host's own: offer ids from ", kFirstPublicOp,
                  " on");
  }
  if (offer.max_batch == 0 || offer.max_batch > kMostBatch) {
    return concat("operation ", offer.op, " has max_batch ", offer.max_batch, ": set 1 to ",
                  kMostBatch, ", 1 for no batches");
  }
  if (offer.concurrency > kMostConcurrency) {
    return concat("operation ", offer.op, " has concurrency ", offer.concurrency, ": at most ",
                  kMostConcurrency, ", or 0 for no limit");
  }
  if ((offer.flags & ~(VAC_OFFER_QUICK | VAC_OFFER_BATCH_ON_REQUEST)) != 0) {
    return concat("operation ", offer.op, " has flags ", offer.flags,
                  ": there are VAC_OFFER_QUICK and VAC_OFFER_BATCH_ON_REQUEST");
  }
  return {};
}

void check_offers(Reporter& reporter, const vac_plugin& table) {
  std::set<std::uint32_t> seen;
  std::string text, unknown;
  for (const vac_op_offer& offer : std::span(table.ops, table.op_count)) {
    if (std::string fault = offer_fault(offer); !fault.empty()) {
      return reporter.failed("offers", fault);
    }
    if (!seen.insert(offer.op).second) {
      return reporter.failed("offers",
                             concat("operation ", offer.op, " is offered twice: offer each once"));
    }
    const Op* op = find_op(offer.op);
    std::string& to = op == nullptr ? unknown : text;
    to += concat(to.empty() ? "" : ", ", op == nullptr ? concat(offer.op) : op->name);
  }
  if (table.op_count == 0 && (table.caps & VAC_CAP_REMOTE) == 0) {
    reporter.tell(Verdict::warning, "offers", "there is none, so nothing will ever be asked of it");
  } else {
    reporter.ok("offers", text.empty() ? "every operation of other addresses" : text);
  }
  if (!unknown.empty()) {
    reporter.tell(Verdict::skipped, "offers",
                  concat("of operation ", unknown,
                         " nothing is known here: its calls are checked by a vaccel that was built "
                         "with its entry in ops/"));
  }
}

}  // namespace

void check_table(Reporter& reporter, const CheckOptions& options) {
  const Subject subject = Subject::load(reporter, options.file);
  const vac_plugin& table = subject.table();
  reporter.ok("load", "loads, and vac_plugin_entry gives a table");
  check_abi(reporter, table);
  check_entry(reporter, subject);
  check_names(reporter, table, options.file);
  check_slots(reporter, table);
  check_caps(reporter, table);
  check_offers(reporter, table);
  reporter.fact("caps", concat(table.caps));
  for (const vac_op_offer& offer : std::span(table.ops, table.op_count)) {
    reporter.fact("offer", {reinterpret_cast<const char*>(&offer), sizeof offer});
  }
}

}  // namespace vac::plugin_check
