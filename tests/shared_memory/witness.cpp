// SPDX-License-Identifier: Apache-2.0
// A plugin that tells where it was given its memory: fpga_arraycopy answers with two numbers, for
// the input and for the result: 1 in a shared region, else 0. The result lies where it was asked
// for.
#include <vac/plugin.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <span>
#include <string>

namespace {

/// Whether an address of this process is in a mapping of that name.
std::int32_t is_shared(const void* address) {
  const auto wanted = reinterpret_cast<std::uintptr_t>(address);
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    std::size_t used = 0;
    const std::uintptr_t begin = std::stoull(line, &used, 16);
    const std::uintptr_t end = std::stoull(line.substr(used + 1), nullptr, 16);
    if (wanted >= begin && wanted < end) {
      return line.find("vaccel-region") != std::string::npos ? 1 : 0;
    }
  }
  return 0;
}

vac::Status tell(vac::Call& /*call*/, const vac::ops::FpgaArraycopy::Args& in) {
  VAC_TRY(const std::span<std::int32_t> out, in.out_a.resize(in.a.size()));
  std::copy(in.a.begin(), in.a.end(), out.begin());
  if (out.size() < 2) return {};
  out[0] = is_shared(in.a.data());
  out[1] = is_shared(out.data());
  return {};
}

}  // namespace

VAC_PLUGIN(vac::Plugin("witness", "1.0").handles<vac::ops::FpgaArraycopy>(tell));
