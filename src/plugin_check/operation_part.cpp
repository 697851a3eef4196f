// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/text.hpp"
#include "plugin_check/clock.hpp"
#include "plugin_check/parts.hpp"
#include "plugin_check/random_call.hpp"
#include "plugin_check/subject.hpp"
#include "plugin_check/trial_call.hpp"

namespace vac::plugin_check {
namespace {

constexpr std::uint32_t kFewCalls = 8;     // of the checks that repeat calls
constexpr std::uint32_t kMostThreads = 8;  // where concurrency is higher, or without a limit
constexpr std::uint32_t kMostBatched = 8;
constexpr std::int64_t kQuickNs = 20'000;
// A call has this time; then `cancelled` tells the plugin that its caller has given up.
constexpr std::int64_t kCallNs = 1'000'000'000;

constexpr std::array<const char*, kPromises> kPromiseNames = {
    "completes once", "codes", "error texts", "inputs stay", "bounds", "outputs"};

/// All that is done with one operation. Calls and what they were given live until the plugin is
/// closed, so that what it does to them too late is seen.
class OperationCheck {
 public:
  OperationCheck(Instance& instance, const CheckOptions& options, const Op& op,
                 const vac_op_offer& offer, const CallPlace& place)
      : instance_(instance), options_(options), op_(op), offer_(offer), place_(place) {
    make_calls();
  }

  void answers();
  void equal_calls();
  void no_memory();
  void cancelled();
  void concurrent();
  void batches();
  void quick();
  /// What every call above is held to. After the plugin is closed.
  void promises();

 private:
  void make_calls();
  std::string name(std::string_view check) const { return concat(op_.name, ": ", check); }
  Reporter& reporter() const { return instance_.reporter(); }
  TrialCall& new_trial(BuiltCall& built, std::string title, std::uint32_t slot = 0);
  int submit(std::span<vac_call* const> calls, const std::string& check, const std::string& title);
  void run(TrialCall& trial, const std::string& check);
  std::span<TrialCall* const> succeeded(std::size_t most) const;
  bool repeatable() const { return op_.idempotent; }
  std::uint64_t key_of(TrialCall& trial, const std::string& check);
  std::vector<TrialCall*> of_one_key(const std::string& check);
  std::vector<TrialCall*> make_batch(const std::string& check);
  int run_batch(std::span<TrialCall* const> batch, const std::string& check,
                const std::string& title);
  bool as_alone(std::span<TrialCall* const> batch, const std::string& check);
  bool cancelled_in_batch(const std::string& check);

  Instance& instance_;
  const CheckOptions& options_;
  const Op& op_;
  const vac_op_offer& offer_;
  const CallPlace place_;
  std::deque<BuiltCall> built_;
  std::deque<TrialCall> trials_;
  std::vector<TrialCall*> answered_;  // of answers()
  std::vector<TrialCall*> succeeded_;
};

void OperationCheck::make_calls() {
  const CallSizes sizes{.plausible = true};
  for (std::uint32_t i = 0; i < options_.calls; ++i) {
    Random random(options_.seed * 1'000'003 + i);
    built_.push_back(random_call(op_, random, sizes));
  }
}

TrialCall& OperationCheck::new_trial(BuiltCall& built, std::string title, std::uint32_t slot) {
  CallPlace place = place_;
  if (offer_.concurrency != 0) place.slot = slot % offer_.concurrency;
  return trials_.emplace_back(op_, built, place, std::move(title));
}

int OperationCheck::submit(std::span<vac_call* const> calls, const std::string& check,
                           const std::string& title) {
  return run_plugin(reporter(), check, title, [&] {
    clear_thread_text();
    const std::int64_t deadline_ns = now_ns() + kCallNs;
    for (vac_call* call : calls) call->deadline_ns = deadline_ns;
    return instance_.table().submit(instance_.state(), calls.data(), calls.size());
  });
}

void OperationCheck::run(TrialCall& trial, const std::string& check) {
  vac_call* call = &trial.call();
  const int code = submit({&call, 1}, check, trial.title());
  if (code == VAC_EINPROGRESS) {
    reporter().step(name(kPromiseNames[0]),
                    concat(trial.title(),
                           ": submit returned VAC_EINPROGRESS and complete was not "
                           "called: call it once for each such call"));
  }
  trial.end(code, instance_.subject().asynchronous() || instance_.subject().remote());
}

void OperationCheck::answers() {
  const std::string check = name("answers");
  std::string refusal;
  for (std::uint32_t i = 0; i < built_.size(); ++i) {
    TrialCall& trial = new_trial(built_[i], concat("call ", i + 1, " of seed ", options_.seed));
    run(trial, check);
    answered_.push_back(&trial);
    if (trial.code() == VAC_OK) {
      succeeded_.push_back(&trial);
    } else if (refusal.empty()) {
      refusal = trial.text();
    }
  }
  const std::size_t refused = answered_.size() - succeeded_.size();
  const std::string counts = concat(answered_.size(), " calls, ", succeeded_.size(), " succeeded",
                                    refused == 0 ? "" : concat(", the first refusal: ", refusal));
  if (!succeeded_.empty()) return reporter().ok(check, counts);
  reporter().tell(Verdict::warning, check,
                  concat(counts, ": outputs could not be checked",
                         place_.resource_state != nullptr && options_.resource_file.empty()
                             ? ", give a resource that it takes by --resource"
                             : ", test those of your own choice"));
}

std::span<TrialCall* const> OperationCheck::succeeded(std::size_t most) const {
  return std::span(succeeded_).first(std::min(most, succeeded_.size()));
}

void OperationCheck::equal_calls() {
  if (!repeatable()) return;
  const std::string check = name("equal calls");
  for (TrialCall* first : succeeded(kFewCalls)) {
    TrialCall& second = new_trial(first->built(), first->title() + " again");
    run(second, check);
    if (second.gave_up()) continue;
    const std::string difference =
        second.code() == VAC_OK ? second.difference(*first) : "a failure: " + second.text();
    if (difference.empty()) continue;
    return reporter().failed(
        check, concat(second.title(), " gave ", difference,
                      ": the operation is idempotent, equal calls must give equal results"));
  }
  reporter().ok(check, concat("give equal results, ", succeeded(kFewCalls).size(), " pairs"));
}

void OperationCheck::no_memory() {
  const std::string check = name("no memory");
  std::size_t count = 0;
  for (TrialCall* first : succeeded_) {
    if (!first->record().asked_for_memory() || count == kFewCalls) continue;
    ++count;
    TrialCall& trial = new_trial(first->built(), first->title() + " with output answering NULL");
    trial.record().no_memory = true;
    run(trial, check);
    if (trial.code() != VAC_OK || !trial.record().asked_for_memory()) continue;
    return reporter().failed(check,
                             concat(trial.title(), " succeeded: return VAC_ENOMEM and a text"));
  }
  if (count != 0) reporter().ok(check, concat(count, " calls were refused"));
}

void OperationCheck::cancelled() {
  const std::string check = name("cancelled");
  const vac_plugin& table = instance_.table();
  std::uint32_t given_up = 0;
  const auto calls = std::span(answered_).first(std::min<std::size_t>(kFewCalls, answered_.size()));
  for (TrialCall* first : calls) {
    TrialCall& trial = new_trial(first->built(), first->title() + ", cancelled");
    trial.record().cancelled = true;
    vac_call* call = &trial.call();
    const int code = submit({&call, 1}, check, trial.title());
    if (code == VAC_EINPROGRESS) {
      if (table.cancel != nullptr) {
        run_plugin(reporter(), check, trial.title() + ", cancel",
                   [&] { table.cancel(instance_.state(), call); });
      }
      reporter().step(
          name(kPromiseNames[0]),
          trial.title() + ": complete was not called: cancelled calls end by it as well");
    }
    trial.end(code, instance_.subject().asynchronous() || instance_.subject().remote());
    given_up += trial.code() == VAC_ECANCELED ? 1 : 0;
  }
  reporter().ok(check, concat(calls.size(), " calls ended, ", given_up, " of them as cancelled"));
}

void OperationCheck::concurrent() {
  const std::string check = name("concurrent calls");
  const std::uint32_t limit = offer_.concurrency == 0 ? kMostThreads : offer_.concurrency;
  const std::uint32_t threads = std::min(limit, kMostThreads);
  if (threads == 1) return reporter().ok(check, "it is asked for one at a time");
  // trials[i] is run by thread i % threads, which has that slot.
  std::vector<TrialCall*> trials, alone;
  for (std::uint32_t i = 0; i < kFewCalls * threads; ++i) {
    TrialCall* first = answered_[(i / threads + i % threads) % answered_.size()];
    trials.push_back(&new_trial(first->built(), first->title() + " beside others", i % threads));
    alone.push_back(first);
  }
  std::vector<std::thread> running;
  running.reserve(threads);
  for (std::uint32_t thread = 0; thread < threads; ++thread) {
    running.emplace_back([&, thread] {
      for (std::size_t i = thread; i < trials.size(); i += threads) run(*trials[i], check);
    });
  }
  for (std::thread& thread : running) thread.join();
  for (std::size_t i = 0; repeatable() && i < trials.size(); ++i) {
    if (trials[i]->code() != VAC_OK || alone[i]->code() != VAC_OK) continue;
    const std::string difference = trials[i]->difference(*alone[i]);
    if (difference.empty()) continue;
    return reporter().failed(check, concat(trials[i]->title(), " gave ", difference,
                                           " than alone: share nothing between calls without a "
                                           "lock, or lower the offer's concurrency"));
  }
  reporter().ok(check, concat(trials.size(), " calls on ", threads, " threads"));
}

std::uint64_t OperationCheck::key_of(TrialCall& trial, const std::string& check) {
  return run_plugin(reporter(), check, "batch_key",
                    [&] { return instance_.table().batch_key(instance_.state(), &trial.call()); });
}

/// The calls that the host may put together: those of the key that most have. Without batch_key,
/// one call.
std::vector<TrialCall*> OperationCheck::of_one_key(const std::string& check) {
  const std::vector<TrialCall*>& calls = succeeded_.empty() ? answered_ : succeeded_;
  if (instance_.table().batch_key == nullptr) return {calls.front()};
  std::map<std::uint64_t, std::vector<TrialCall*>> groups;
  for (TrialCall* call : calls) {
    TrialCall& trial = new_trial(call->built(), call->title() + ", asked for its key");
    if (const std::uint64_t key = key_of(trial, check)) groups[key].push_back(call);
  }
  const auto most =
      std::ranges::max_element(groups, {}, [](const auto& group) { return group.second.size(); });
  return most == groups.end() ? std::vector<TrialCall*>() : most->second;
}

/// As many as are allowed; equal calls where there are too few others.
std::vector<TrialCall*> OperationCheck::make_batch(const std::string& check) {
  std::vector<TrialCall*> batch;
  const std::vector<TrialCall*> calls = of_one_key(check);
  const std::uint32_t most = std::min(offer_.max_batch, kMostBatched);
  for (std::uint32_t i = 0; i < most && !calls.empty(); ++i) {
    TrialCall* first = calls[i % calls.size()];
    batch.push_back(&new_trial(first->built(), first->title() + " in a batch", i));
  }
  return batch;
}

/// What submit answered; each call has ended.
int OperationCheck::run_batch(std::span<TrialCall* const> batch, const std::string& check,
                              const std::string& title) {
  std::vector<vac_call*> calls;
  calls.reserve(batch.size());
  for (TrialCall* trial : batch) calls.push_back(&trial->call());
  const int code = submit(calls, check, title);
  if (code == VAC_OK) return code;
  const bool later = instance_.subject().asynchronous() || instance_.subject().remote();
  for (TrialCall* trial : batch) {
    if (code != VAC_EINPROGRESS) {
      trial->end_refused(code);
      continue;
    }
    const std::string forgotten = concat(title, ": complete was not called for each of its calls");
    if (!later && trial->record().completions() == 0) {
      reporter().fail_and_leave(
          name(kPromiseNames[0]),
          concat(forgotten, " before submit returned: do so, or offer VAC_CAP_ASYNC"));
    }
    reporter().step(name(kPromiseNames[0]), forgotten);
    trial->end_in_batch();
  }
  return code;
}

/// Whether the calls of a batch have the results that they had alone.
bool OperationCheck::as_alone(std::span<TrialCall* const> batch, const std::string& check) {
  for (TrialCall* trial : batch) {
    if (!repeatable() || trial->code() != VAC_OK) continue;
    const auto alone = std::ranges::find_if(
        succeeded_, [&](TrialCall* one) { return &one->built() == &trial->built(); });
    const std::string difference =
        alone == succeeded_.end() ? std::string() : trial->difference(**alone);
    if (difference.empty()) continue;
    reporter().failed(check, concat(trial->title(), " gave ", difference, " than alone"));
    return false;
  }
  return true;
}

void OperationCheck::batches() {
  if (offer_.max_batch < 2) return;
  const std::string check = name("batches");
  const std::vector<TrialCall*> batch = make_batch(check);
  if (batch.empty()) {
    return reporter().tell(Verdict::skipped, check,
                           "batch_key is 0 for every call, so it never is in one");
  }
  const std::string title = concat("a batch of ", batch.size());
  const int code = run_batch(batch, check, title);
  if (code == VAC_OK) {
    return reporter().failed(check, concat(title,
                                           ": submit returned VAC_OK: return VAC_EINPROGRESS "
                                           "and complete each call, or one error for all"));
  }
  if (!as_alone(batch, check) || !cancelled_in_batch(check)) return;
  const bool keyed = instance_.table().batch_key != nullptr;
  reporter().tell(keyed ? Verdict::ok : Verdict::warning, check,
                  concat(title, code == VAC_EINPROGRESS ? " ended" : " was refused",
                         keyed ? ""
                               : ", but without batch_key no host makes one: set it, or "
                                 "max_batch to 1"));
}

/// Whether a call that is cancelled leaves the others of its batch alone.
bool OperationCheck::cancelled_in_batch(const std::string& check) {
  std::vector<TrialCall*> batch = make_batch(check);
  TrialCall* const cancelled = batch[batch.size() / 2];
  cancelled->record().cancelled = true;
  run_batch(batch, check, concat("a batch of ", batch.size(), " with a cancelled call"));
  std::erase(batch, cancelled);
  for (const TrialCall* trial : batch) {
    if (trial->code() != VAC_ECANCELED) continue;
    reporter().failed(check, concat(trial->title(),
                                    " ended as cancelled, another call of its batch was: ask "
                                    "`cancelled` for each call by itself"));
    return false;
  }
  return as_alone(batch, check);
}

void OperationCheck::quick() {
  if ((offer_.flags & VAC_OFFER_QUICK) == 0) return;
  const std::string check = name("quick");
  std::vector<std::int64_t> times;
  for (TrialCall* first : answered_) {
    TrialCall& trial = new_trial(first->built(), first->title() + ", timed");
    const std::int64_t start = now_ns();
    run(trial, check);
    times.push_back(now_ns() - start);
  }
  if (times.empty()) return;
  const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::ranges::nth_element(times, middle);
  reporter().tell(Verdict::note, check,
                  concat("a call takes ", *middle / 1000, ".", *middle / 100 % 10,
                         " us (median), with what the check itself does",
                         *middle > kQuickNs ? ": more than 20 us hold up a connection's thread, "
                                              "leave VAC_OFFER_QUICK out"
                                            : ""));
}

void OperationCheck::promises() {
  std::array<std::optional<std::string>, kPromises> first;
  for (TrialCall& trial : trials_) {
    trial.look_again();
    for (Breach& breach : trial.take_breaches()) {
      std::optional<std::string>& place = first[static_cast<std::size_t>(breach.promise)];
      if (!place) place = std::move(breach.text);
    }
  }
  for (std::size_t i = 0; i < kPromises; ++i) {
    if (first[i]) {
      reporter().failed(name(kPromiseNames[i]), *first[i]);
    } else if (static_cast<Promise>(i) != Promise::outputs || !succeeded_.empty()) {
      reporter().ok(name(kPromiseNames[i]), concat(trials_.size(), " calls"));
    }
  }
}

bool takes_resource(const Op& op) {
  return std::ranges::any_of(op.args, [](const OpArgument& argument) {
    return argument.signature == signature_word(VAC_RESOURCE, VAC_SCALAR, VAC_IN);
  });
}

/// With the session open and the resource attached.
void check_calls(OperationCheck& operation) {
  operation.answers();
  operation.equal_calls();
  operation.no_memory();
  operation.cancelled();
  operation.concurrent();
  operation.batches();
  operation.quick();
}

/// Why there can be no calls; empty where there can.
std::string resource_fault(const CheckOptions& options, const AttachedTo& attached) {
  if (attached.answer()) return {};
  return concat("its resource was refused with ", attached.answer().words(),
                options.resource_file.empty() ? ": give one that it takes by --resource" : "");
}

}  // namespace

void check_operation(Reporter& reporter, const CheckOptions& options, const Op& op,
                     const vac_op_offer& offer) {
  const Subject subject = Subject::load(reporter, options.file);
  const std::string check = concat(op.name, ": answers");
  const Result<KitResource> data = resource_of(options);
  if (!data) return reporter.failed(check, data.error().message());
  Instance instance(reporter, subject, check, options.config_json);
  if (!instance.answer()) return;  // told already
  std::optional<OperationCheck> operation;
  {
    const SessionOf session(instance, check, session_address(options, subject.remote()));
    if (!session.answer()) {
      return reporter.tell(Verdict::skipped, check, "no session opens, see 'sessions'");
    }
    std::optional<AttachedTo> attached;
    if (takes_resource(op)) {
      attached.emplace(instance, check, session.state(), data->data->view());
      if (std::string fault = resource_fault(options, *attached); !fault.empty()) {
        return reporter.tell(options.resource_file.empty() ? Verdict::skipped : Verdict::failed,
                             check, fault);
      }
    }
    const CallPlace place{session.state(), attached ? attached->state() : nullptr, VAC_NO_SLOT};
    operation.emplace(instance, options, op, offer, place);
    check_calls(*operation);
  }
  instance.close();
  operation->promises();
}

}  // namespace vac::plugin_check
