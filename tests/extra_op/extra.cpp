// SPDX-License-Identifier: Apache-2.0
// The handler of the operation that tests/extra_op/extra.toml adds.
#include <vac/plugin.hpp>

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <string>
#include <vector>

namespace {

using Args = vac::ops::ExtraWeave::Args;

vac::Status scale_tensor(const vac::OutTensors& out, std::uint32_t child,
                         const vac::TensorView& from, double scale) {
  if (from.type != VAC_F32) {
    return vac::Error{vac::Errc::invalid,
                      "tensor " + std::to_string(child) + " is not of f32: convert it"};
  }
  VAC_TRY(const std::span<float> to, out.create<float>(child, from.dims));
  const std::span<const float> elements = from.as<float>();
  for (std::size_t i = 0; i < to.size(); ++i) to[i] = static_cast<float>(elements[i] * scale);
  return {};
}

void invert(const vac_value& value) {
  for (std::byte& byte : std::span(static_cast<std::byte*>(value.data), value.bytes)) byte = ~byte;
}

vac::Status weave(vac::Call& /*call*/, const Args& in) {
  const double scale = in.scale.value_or(1);
  std::string label(in.title);
  std::vector<std::uint64_t> counts;
  for (const std::string_view name : in.names) {
    label.append("-").append(name);
    counts.push_back(name.size());
  }
  VAC_CHECK(in.label.assign(label));
  VAC_CHECK(in.counts.assign(counts));
  in.sum.set(scale * std::accumulate(in.weights.begin(), in.weights.end(), 0.0));

  std::uint32_t child = 0;
  for (const vac::TensorView& tensor : in.cloth) {
    VAC_CHECK(scale_tensor(in.woven, child++, tensor, scale));
  }
  VAC_TRY(const std::span<double> weights,
          in.woven.create<double>(child, {static_cast<std::int64_t>(in.weights.size())}));
  for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = in.weights[i] * scale;

  for (const vac_value& value : in.values) invert(value);
  return {};
}

}  // namespace

VAC_PLUGIN(vac::Plugin("extra", "1.0").handles<vac::ops::ExtraWeave>(weave));
