// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/text.hpp"
#include "plugin_check/parts.hpp"
#include "plugin_check/random.hpp"
#include "plugin_check/subject.hpp"

namespace vac::plugin_check {
namespace {

constexpr std::size_t kNonsenseBytes = 5000;

Result<KitResource> nonsense(std::uint64_t seed, std::string_view options) {
  KitResource resource;
  resource.bytes.resize(kNonsenseBytes);
  Random(seed).fill(resource.bytes);
  VAC_TRY(resource.data, core::ResourceData::from_bytes(resource.bytes, options));
  return resource;
}

void check_nonsense(const Instance& instance, void* session, const core::ResourceData& data) {
  constexpr const char* kCheck = "resources: random bytes";
  Reporter& reporter = instance.reporter();
  const AttachedTo attached(instance, kCheck, session, data.view());
  if (!check_answer(reporter, kCheck, "a resource of random bytes", attached.answer())) return;
  reporter.ok(kCheck, attached.answer() ? "are attached, a call may still refuse them"
                                        : concat("are refused: ", attached.answer().text));
}

void check_given(const Instance& instance, void* session, const core::ResourceData& data) {
  constexpr const char* kCheck = "resources: attach";
  Reporter& reporter = instance.reporter();
  for (int i = 0; i < 2; ++i) {
    const AttachedTo first(instance, kCheck, session, data.view());
    const AttachedTo second(instance, kCheck, session, data.view());
    for (const AttachedTo* attached : {&first, &second}) {
      if (!check_answer(reporter, kCheck, "the resource", attached->answer())) return;
      if (attached->answer()) continue;
      return reporter.failed(kCheck, concat("the resource of --resource was refused with ",
                                            attached->answer().words()));
    }
  }
  reporter.ok(kCheck, "attached and detached, two at once and again");
}

}  // namespace

Result<KitResource> resource_of(const CheckOptions& options) {
  if (options.resource_file.empty()) return nonsense(options.seed, options.resource_options_json);
  KitResource resource;
  VAC_TRY(resource.data,
          core::ResourceData::from_file(options.resource_file, options.resource_options_json));
  return resource;
}

void check_resources(Reporter& reporter, const CheckOptions& options) {
  constexpr const char* kCheck = "resources";
  const Subject subject = Subject::load(reporter, options.file);
  if (subject.table().resource_attach == nullptr && subject.table().accepts == nullptr) {
    return reporter.ok(kCheck, "it keeps nothing of them");
  }
  if (subject.remote() && options.address.empty()) {
    return reporter.tell(Verdict::skipped, kCheck, "they need a session at an agent: give --at");
  }
  const Instance instance(reporter, subject, kCheck, options.config_json);
  if (!instance.answer()) return;  // told already
  const SessionOf session(instance, kCheck, session_address(options, subject.remote()));
  const auto random = nonsense(options.seed, "{}");
  if (random) check_nonsense(instance, session.state(), *random->data);
  if (options.resource_file.empty()) return;
  const auto given = resource_of(options);
  if (!given) return reporter.failed(kCheck, given.error().message());
  check_given(instance, session.state(), *given->data);
}

}  // namespace vac::plugin_check
