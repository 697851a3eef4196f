// SPDX-License-Identifier: Apache-2.0
// Serves every operation and computes nothing: `noop` reads what it is given and returns, to
// measure the way there and back; the others answer what follows from their inputs, so that
// whatever is lost or changed on the way shows.
#include <vac/plugin.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>

#include "answer.hpp"
#include "mixer.hpp"

namespace {

/// What is larger is read once, as a plugin with a use for it would: who measures how data travels
/// measures with it that it has come.
constexpr std::size_t kUnread = 4096;

vac::Status read_data(vac::Call& /*call*/, const vac::ops::Noop::Args& in) {
  const std::span<const std::byte> data = in.data.value_or(std::span<const std::byte>());
  if (data.size() < kUnread) return {};
  std::uint64_t sum = 0;
  const std::size_t words = data.size() / sizeof sum;
  for (std::size_t i = 0; i < words; ++i) {
    std::uint64_t word;
    std::memcpy(&word, data.data() + i * sizeof word, sizeof word);
    sum += word;
  }
  volatile std::uint64_t kept = sum;
  static_cast<void>(kept);
  return {};
}

vac::Result<std::unique_ptr<vac::noop::ResourceState>> attach(const vac_resource_view& view) {
  vac::noop::Mixer mixer;
  for (const char* text : {view.digest, view.options_json}) {
    mixer.bytes(text, text == nullptr ? 0 : std::strlen(text));
  }
  return std::make_unique<vac::noop::ResourceState>(vac::noop::ResourceState{mixer.value()});
}

}  // namespace

VAC_PLUGIN(vac::Plugin("noop", "1.0")
               .handles<vac::ops::Noop>(read_data, {.quick = true})
               .handles_all(vac::noop::answer)
               .attaches(attach));
