// SPDX-License-Identifier: Apache-2.0
// A plugin that tells where it was given its memory: fpga_arraycopy answers with two numbers, for
// the input and for the result: 1 in a shared region, else 0. The result lies where it was asked
// for. Each output of its model does the same for the input of that number.
#include <vac/plugin.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "is_shared.hpp"

namespace {

template <class T>
void answer(std::span<const T> in, std::span<T> out) {
  std::copy(in.begin(), in.end(), out.begin());
  if (out.size() < 2) return;
  out[0] = vac::test::is_shared(in.data()) ? 1 : 0;
  out[1] = vac::test::is_shared(out.data()) ? 1 : 0;
}

vac::Status tell(vac::Call& /*call*/, const vac::ops::FpgaArraycopy::Args& in) {
  VAC_TRY(const std::span<std::int32_t> out, in.out_a.resize(in.a.size()));
  answer<std::int32_t>(in.a, out);
  return {};
}

vac::Status run_model(vac::Call& /*call*/, const vac::ops::ModelRun::Args& in) {
  std::uint32_t child = 0;
  for (const vac::TensorView input : in.inputs) {
    VAC_TRY(const std::span<float> out, in.outputs.create<float>(child++, input.dims));
    answer<float>(input.as<float>(), out);
  }
  return {};
}

vac::Status describe_model(vac::Call& /*call*/, const vac::ops::ModelDescribe::Args& in) {
  return in.json.assign(
      R"({"inputs":[{"name":"x","type":"f32","shape":[1,3,32,32]}],"outputs":[]})");
}

}  // namespace

VAC_PLUGIN(vac::Plugin("witness", "1.0")
               .handles<vac::ops::FpgaArraycopy>(tell)
               .handles<vac::ops::ModelRun>(run_model)
               .handles<vac::ops::ModelDescribe>(describe_model));
