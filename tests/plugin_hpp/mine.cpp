// SPDX-License-Identifier: Apache-2.0
#include <vac/plugin.hpp>

#include <algorithm>

static vac::Status minmax(vac::Call&, const vac::ops::Minmax::Args& in) {
  if (in.low > in.high) return vac::Error{vac::Errc::invalid, "'low' is above 'high'"};
  VAC_TRY(auto result, in.result.resize(in.data.size()));
  double smallest = in.high;
  double largest = in.low;
  for (std::size_t i = 0; i < result.size(); ++i) {
    result[i] = std::clamp<double>(in.data[i], in.low, in.high);
    smallest = std::min(smallest, result[i]);
    largest = std::max(largest, result[i]);
  }
  in.min.set(smallest);
  in.max.set(largest);
  return {};
}
VAC_PLUGIN(vac::Plugin("mine", "1.0").handles<vac::ops::Minmax>(minmax));
