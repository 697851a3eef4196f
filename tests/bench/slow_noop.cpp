// SPDX-License-Identifier: Apache-2.0
// The plugin noop with a slowdown planted in it: twenty microseconds of work.
#include <vac/plugin.hpp>

#include <chrono>

namespace {

vac::Status work(vac::Call& /*call*/, const vac::ops::Noop::Args& /*in*/) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(20);
  while (std::chrono::steady_clock::now() < end) {
  }
  return {};
}

}  // namespace

VAC_PLUGIN(vac::Plugin("noop", "1.0").handles<vac::ops::Noop>(work, {.quick = true}));
