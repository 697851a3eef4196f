// SPDX-License-Identifier: Apache-2.0
// A user's program for tests that look at its process from outside. It prints what it saw as lines
// "key value".
//   client_program noops ADDRESS BYTES WARMUP COUNT    calls noop; faults: page faults of the last
//   COUNT calls client_program model ADDRESS MODEL                 runs a model of one f32 [1,3]
//   input on 1, 2, 3
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <vac/vac.hpp>

#include <cstring>
#include <fstream>
#include <string>
#include <vector>

namespace {

int fail(const vac::Error& error) {
  std::fprintf(stderr, "%s\n", error.message().c_str());
  return 1;
}

long page_faults() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_minflt + usage.ru_majflt;
}

int noops(vac::Session& session, std::size_t bytes, int warmup, int count) {
  const std::vector<std::byte> data(bytes);
  for (int i = 0; i < warmup; ++i) {
    if (auto status = session.noop(data); !status) return fail(status.error());
  }
  const long before = page_faults();
  for (int i = 0; i < count; ++i) {
    if (auto status = session.noop(data); !status) return fail(status.error());
  }
  const long after = page_faults();
  std::printf("faults %ld\n", after - before);
  return 0;
}

bool maps_contain(const std::string& word) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (line.find(word) != std::string::npos) return true;
  }
  return false;
}

int model(vac::Session& session, const std::string& name) {
  auto model = session.model(name);
  if (!model) return fail(model.error());
  const vac::Tensor input = session.tensor<float>({1, 3});
  for (std::size_t i = 0; i < 3; ++i) input.span<float>()[i] = static_cast<float>(i + 1);
  auto outputs = model->run({input});
  if (!outputs) return fail(outputs.error());
  for (const float value : (*outputs)[0].span<float>()) std::printf("output %g\n", value);
  std::printf("libtorch %s\n", maps_contain("libtorch") ? "mapped" : "absent");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv, argv + argc);
  if (words.size() < 4) return 2;
  auto session = vac::Session::open(words[2]);
  if (!session) return fail(session.error());
  if (words[1] == "noops" && words.size() == 6) {
    return noops(*session, std::stoul(words[3]), std::stoi(words[4]), std::stoi(words[5]));
  }
  if (words[1] == "model") return model(*session, words[3]);
  return 2;
}
