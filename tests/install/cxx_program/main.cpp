// SPDX-License-Identifier: Apache-2.0
// program ADDRESS: limits three numbers to 0..2 and prints what came back.
#include <cstdio>
#include <vac/vac.hpp>
#include <vector>

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  vac::Result<vac::Session> session = vac::Session::open(argv[1]);
  if (!session) {
    std::fprintf(stderr, "%s\n", session.error().message().c_str());
    return 1;
  }
  const vac::Tensor tensor = session->tensor<float>({2, 3});
  const std::vector<double> data = {1, 5, -3};
  std::vector<double> result(data.size());
  const auto limits = session->minmax(data, 0, 2, result);
  if (!limits) {
    std::fprintf(stderr, "%s\n", limits.error().message().c_str());
    return 1;
  }
  std::printf("%zu elements, %zu numbers:", tensor.span<float>().size(), limits->result_count);
  for (const double value : result) std::printf(" %g", value);
  std::printf("\n");
}
