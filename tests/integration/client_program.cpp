// SPDX-License-Identifier: Apache-2.0
// A user's program for tests that look at its process from outside. It prints what it saw as lines
// "key value".
//   client_program noops ADDRESS COUNT BYTES inline|region    calls noop
//   client_program model ADDRESS MODEL                        runs a model of one f32 [1,3] input
//   on 1, 2, 3
#include <stdio.h>
#include <stdlib.h>
#include <vac/vac.hpp>

#include <cstring>
#include <fstream>
#include <span>
#include <string>
#include <vector>

namespace {

int fail(const vac::Error& error) {
  std::fprintf(stderr, "%s\n", error.message().c_str());
  return 1;
}

int noops(vac::Session& session, int count, std::size_t bytes, bool in_region) {
  std::vector<std::byte> heap(in_region ? 0 : bytes);
  const vac::Buffer buffer = in_region ? session.buffer(bytes).value() : vac::Buffer();
  const std::span<const std::byte> data = in_region ? buffer.bytes() : std::span(heap);
  for (int i = 0; i < count; ++i) {
    if (auto status = session.noop(data); !status) return fail(status.error());
  }
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
    return noops(*session, std::stoi(words[3]), std::stoul(words[4]), words[5] == "region");
  }
  if (words[1] == "model") return model(*session, words[3]);
  return 2;
}
