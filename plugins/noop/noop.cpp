// SPDX-License-Identifier: Apache-2.0
// Serves every operation and computes nothing: `noop` returns at once, to measure the way there and
// back; the others answer what follows from their inputs, so that whatever is lost or changed on
// the way shows.
#include <vac/plugin.hpp>

#include <cstring>
#include <memory>

#include "answer.hpp"
#include "mixer.hpp"

namespace {

vac::Status do_nothing(vac::Call& /*call*/, const vac::ops::Noop::Args& /*in*/) { return {}; }

vac::Result<std::unique_ptr<vac::noop::ResourceState>> attach(const vac_resource_view& view) {
  vac::noop::Mixer mixer;
  for (const char* text : {view.digest, view.options_json}) {
    mixer.bytes(text, text == nullptr ? 0 : std::strlen(text));
  }
  return std::make_unique<vac::noop::ResourceState>(vac::noop::ResourceState{mixer.value()});
}

}  // namespace

VAC_PLUGIN(vac::Plugin("noop", "1.0")
               .handles<vac::ops::Noop>(do_nothing, {.quick = true})
               .handles_all(vac::noop::answer)
               .attaches(attach));
