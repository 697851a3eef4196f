// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/json_text.hpp"
#include "base/text.hpp"
#include "plugin_check/guarded_memory.hpp"
#include "plugin_check/parts.hpp"
#include "plugin_check/subject.hpp"

namespace vac::plugin_check {
namespace {

constexpr std::size_t kFirstCapacity = 65536;
constexpr std::size_t kMostDescription = 1U << 20;

/// Whether the plugin opens; else there is nothing to check.
bool check_open(Reporter& reporter, const Subject& subject, const CheckOptions& options) {
  constexpr const char* kCheck = "open";
  const bool own_config = options.config_json != "{}";
  const auto refused = [&](const char* step, const Answer& answer) {
    if (check_answer(reporter, kCheck, step, answer)) {
      reporter.failed(kCheck, concat(step, " was refused with ", answer.words(),
                                     ": give what it needs by --config, or do without"));
    }
    return false;
  };
  if (own_config) {
    const Instance instance(reporter, subject, kCheck, options.config_json);
    if (!instance.answer()) return refused("open with --config", instance.answer());
    reporter.ok(kCheck, "opens with --config and closes");
  }
  const Instance empty(reporter, subject, kCheck, "{}");
  if (!empty.answer() && !own_config) return refused("open with {}", empty.answer());
  if (!check_answer(reporter, kCheck, "open with {}", empty.answer())) return false;
  reporter.ok(kCheck, empty.answer() ? "opens with {} and closes"
                                     : concat("refuses {}: ", empty.answer().text));
  return true;
}

void check_unknown_key(Reporter& reporter, const Subject& subject) {
  constexpr const char* kCheck = "open: unknown key";
  const Instance instance(reporter, subject, kCheck, R"({"vaccel_plugin_check":1})");
  if (!check_answer(reporter, kCheck, "open with an unknown key", instance.answer())) return;
  reporter.ok(kCheck,
              instance.answer() ? "is ignored" : concat("is refused: ", instance.answer().text));
}

/// Whether it does; else the plugin cannot be opened in this process any more.
bool check_again(Reporter& reporter, const Subject& subject, const CheckOptions& options) {
  constexpr const char* kCheck = "open: again";
  for (int i = 0; i < 2; ++i) {
    const Instance instance(reporter, subject, kCheck, options.config_json);
    if (instance.answer()) continue;
    reporter.failed(kCheck, concat("opened and closed, it does not open again: ",
                                   instance.answer().words(), ": give all back in close"));
    return false;
  }
  reporter.ok(kCheck, "opens and closes twice");
  return true;
}

void check_two(Reporter& reporter, const Subject& subject, const CheckOptions& options) {
  constexpr const char* kCheck = "open: two at once";
  auto first = std::make_unique<Instance>(reporter, subject, kCheck, options.config_json);
  const Instance second(reporter, subject, kCheck, options.config_json);
  if (!first->answer() || !second.answer()) {
    return reporter.failed(
        kCheck, concat("while one is open, another does not open: ", second.answer().words(),
                       ": keep state in what open makes, not in globals"));
  }
  first->close();  // the second must go on without it
  if (second.table().describe != nullptr) {
    std::vector<char> json(kFirstCapacity);
    std::size_t bytes = json.size();
    (void)ask_plugin(reporter, kCheck, "describe of the second after the first is closed",
                     [&] { return second.table().describe(second.state(), json.data(), &bytes); });
  }
  reporter.ok(kCheck, "two are open at once and close in the order of opening");
}

/// The size protocol: capacity in, size out, VAC_ENOSPC when too small.
void check_describe(Reporter& reporter, const Instance& instance) {
  constexpr const char* kCheck = "describe";
  const vac_plugin& table = instance.table();
  if (table.describe == nullptr) return reporter.ok(kCheck, "there is none, {} is shown");
  const auto describe = [&](GuardedMemory& room, std::size_t& bytes) {
    return ask_plugin(reporter, kCheck, concat("describe with room for ", bytes, " bytes"), [&] {
      return table.describe(instance.state(), reinterpret_cast<char*>(room.data()), &bytes);
    });
  };
  std::size_t needed = 0;
  GuardedMemory nothing(0, 1);
  const Answer none = describe(nothing, needed);
  if (none.code != VAC_ENOSPC || needed == 0 || needed > kMostDescription) {
    return reporter.failed(
        kCheck, concat("with no room it returned ", error_name(none.code), " and the size ", needed,
                       ": return VAC_ENOSPC and set *bytes to what is needed"));
  }
  GuardedMemory less(needed - 1, 1), right(needed, 1);
  std::size_t short_bytes = needed - 1;
  std::size_t bytes = needed;
  const Answer refused = describe(less, short_bytes);
  const Answer given = describe(right, bytes);
  if (less.breach() || right.breach() || nothing.breach()) {
    return reporter.failed(kCheck,
                           "it wrote beyond the room given: copy *bytes bytes at most, "
                           "without a NUL behind them");
  }
  if (refused.code != VAC_ENOSPC || short_bytes != needed) {
    return reporter.failed(
        kCheck, concat("it needs ", needed, " bytes, and with room for ", needed - 1,
                       " it returned ", error_name(refused.code), " and the size ", short_bytes,
                       ": return VAC_ENOSPC and the size that is needed"));
  }
  if (!given || bytes != needed) {
    return reporter.failed(
        kCheck,
        concat("with the ", needed, " bytes that it asked for it returned ", error_name(given.code),
               " and the size ", bytes, ": return VAC_OK and the size of the text"));
  }
  const std::string_view text(reinterpret_cast<const char*>(right.data()), bytes);
  const Result<JsonValue> json = parse_json(text, {.most_bytes = kMostDescription});
  if (!json || !json->is_object()) {
    return reporter.failed(kCheck, concat("its text is no JSON object",
                                          json ? "" : concat(" (", json.error().text(), ")"),
                                          ": write one, in UTF-8 and without a NUL"));
  }
  reporter.ok(kCheck, std::string(text));
}

void check_sessions(Reporter& reporter, const Instance& instance, const CheckOptions& options) {
  constexpr const char* kCheck = "sessions";
  const bool remote = instance.subject().remote();
  if (instance.table().session_open == nullptr) {
    return reporter.ok(kCheck, "there is nothing to open for one");
  }
  if (remote) {
    const SessionOf nowhere(instance, kCheck, "vaccel-plugin-check:nowhere");
    if (!check_answer(reporter, kCheck, "session_open", nowhere.answer())) return;
    if (nowhere.answer()) {
      return reporter.failed(kCheck,
                             "session_open took the address 'vaccel-plugin-check:nowhere': "
                             "refuse an address that cannot be served, with a text");
    }
  }
  if (remote && options.address.empty()) {
    return reporter.tell(Verdict::skipped, kCheck,
                         "it serves other addresses than local:, give an agent's by --at");
  }
  const std::string address = session_address(options, remote);
  const SessionOf first(instance, kCheck, address), second(instance, kCheck, address);
  if (!check_answer(reporter, kCheck, "session_open", second.answer())) return;
  if (!first.answer() || !second.answer()) {
    return reporter.failed(kCheck, concat("session_open for ", address, " was refused with ",
                                          second.answer().words()));
  }
  reporter.ok(kCheck, "two are open at once");
}

constexpr const char* kBuffers = "buffers";
constexpr std::size_t kBufferAlignment = 64;

struct Loan {
  vac_buffer_view view;
  std::uint64_t bytes;
};

bool overlap(const Loan& one, const Loan& other) {
  const auto start = [](const Loan& loan) {
    return reinterpret_cast<std::uintptr_t>(loan.view.data);
  };
  return start(one) < start(other) + other.bytes && start(other) < start(one) + one.bytes;
}

/// What is wrong with a buffer beside the others that are out; empty: nothing.
std::string loan_fault(const Loan& loan, std::span<const Loan> others) {
  if (loan.view.data == nullptr || loan.view.bytes < loan.bytes) {
    return concat(loan.view.bytes, loan.view.data == nullptr ? " at NULL" : "",
                  ": give at least as many, or an error");
  }
  if (reinterpret_cast<std::uintptr_t>(loan.view.data) % kBufferAlignment != 0) {
    return concat("memory that is not aligned to ", kBufferAlignment, " bytes: align it");
  }
  if (std::ranges::any_of(others, [&](const Loan& other) { return overlap(loan, other); })) {
    return "memory that another buffer has: give each its own until it is freed";
  }
  return {};
}

/// Asks for a buffer, and writes to it. False: it has failed the check.
bool borrow(Reporter& reporter, const Instance& instance, void* session, std::uint64_t bytes,
            std::vector<Loan>& loans) {
  Loan loan{{}, bytes};
  const std::string step = concat("buffer_alloc of ", bytes, " bytes");
  const Answer answer = ask_plugin(reporter, kBuffers, step, [&] {
    return instance.table().buffer_alloc(instance.state(), session, bytes, &loan.view);
  });
  if (!check_answer(reporter, kBuffers, "buffer_alloc", answer)) return false;
  if (!answer) return true;  // the host takes ordinary memory
  if (const std::string fault = loan_fault(loan, loans); !fault.empty()) {
    reporter.failed(kBuffers, concat(step, " gave ", fault));
    return false;
  }
  run_plugin(reporter, kBuffers, "the buffer is written to",
             [&] { std::memset(loan.view.data, 0x5a, static_cast<std::size_t>(bytes)); });
  loans.push_back(loan);
  return true;
}

void give_back(Reporter& reporter, const Instance& instance, void* session, const Loan& loan) {
  run_plugin(reporter, kBuffers,
             session == nullptr ? "buffer_free after session_close" : "buffer_free",
             [&] { instance.table().buffer_free(instance.state(), session, &loan.view); });
}

void check_buffers(Reporter& reporter, const Instance& instance, const CheckOptions& options) {
  const vac_plugin& table = instance.table();
  const bool remote = instance.subject().remote();
  if (table.buffer_alloc == nullptr || table.buffer_free == nullptr) return;
  if (remote && options.address.empty()) return;
  std::vector<Loan> loans;
  {
    const SessionOf session(instance, kBuffers, session_address(options, remote));
    for (const std::uint64_t bytes :
         {std::uint64_t{1}, std::uint64_t{4096}, std::uint64_t{3000001}}) {
      if (!borrow(reporter, instance, session.state(), bytes, loans)) return;
    }
    for (; loans.size() > 1; loans.pop_back()) {
      give_back(reporter, instance, session.state(), loans.back());
    }
  }
  // The session is NULL now: the cookie must suffice.
  for (const Loan& loan : loans) give_back(reporter, instance, nullptr, loan);
  reporter.ok(kBuffers, "given, written to and freed, with a session and after it");
}

}  // namespace

std::string session_address(const CheckOptions& options, bool remote) {
  return remote ? options.address : "local:";
}

void check_life(Reporter& reporter, const CheckOptions& options) {
  const Subject subject = Subject::load(reporter, options.file);
  if (!check_open(reporter, subject, options)) return;
  reporter.fact("opens", "");
  check_unknown_key(reporter, subject);
  if (!check_again(reporter, subject, options)) return;
  check_two(reporter, subject, options);
  {
    const Instance instance(reporter, subject, "open", options.config_json);
    check_describe(reporter, instance);
    check_sessions(reporter, instance, options);
    check_buffers(reporter, instance, options);
  }
  reporter.step("end", "the process ends after close");
  reporter.done();
  std::exit(0);  // with the destructors of the plugin's statics, as in a program
}

}  // namespace vac::plugin_check
