// SPDX-License-Identifier: Apache-2.0
#include <vac/plugin.hpp>

#include <optional>
#include <span>
#include <type_traits>

namespace {

using namespace vac::ops;

static_assert(std::is_same_v<decltype(ScalarsIn::Args::a), bool>);
static_assert(std::is_same_v<decltype(ScalarsOptional::Args::n), std::optional<vac_c64>>);
static_assert(std::is_same_v<decltype(ScalarsOut::Args::o), vac::OutScalar<bool>>);
static_assert(std::is_same_v<decltype(ArraysIn::Args::a), std::span<const std::uint8_t>>);
static_assert(
    std::is_same_v<decltype(ArraysIn::Args::p), std::optional<std::span<const vac_c128>>>);
static_assert(std::is_same_v<decltype(ArraysOut::Args::e), std::span<std::uint8_t>>);
static_assert(std::is_same_v<decltype(WholeIn::Args::h), vac::ResourceArg>);
static_assert(std::is_same_v<decltype(WholeOut::Args::g), vac::MutableTensorView>);
static_assert(std::is_same_v<decltype(WholeOut::Args::i), vac::OutTensors>);

vac::Status whole_out(vac::Call& /*call*/, const WholeOut::Args& in) {
  if (in.b) VAC_CHECK(in.b.assign("there"));
  if (in.f) VAC_CHECK(in.f.create<float>({1}));
  if (in.h) in.h->as<float>()[0] = 1;
  return in.a.assign("text");
}

}  // namespace

VAC_PLUGIN(vac::Plugin("every_kind", "1")
               .handles<WholeOut>(whole_out)
               .handles_all([](vac::Call&) -> vac::Status { return {}; }));
