// SPDX-License-Identifier: Apache-2.0
// Writes a network and its weights as TorchScript, with vac.json beside the code. The same input
// gives the same bytes, whatever the output is called.
#include <torch/csrc/jit/api/module.h>
#include <torch/version.h>

#include <cstdio>
#include <exception>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>

#include "efficientnet_lite0.hpp"
#include "weights.hpp"

namespace {

constexpr const char* kUsage =
    "usage: export-torchscript WEIGHTS VAC_JSON OUTPUT\n"
    "       export-torchscript --version\n"
    "Makes OUTPUT, EfficientNet-Lite0 as TorchScript, of the WEIGHTS that read_weights.py wrote;\n"
    "the text of VAC_JSON becomes the extra file vac.json in it.\n";

std::string read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) {
    throw std::runtime_error("cannot read " + path + ": is it a file with text in it?");
  }
  return text.str();
}

void save(const torch::jit::Module& module, const std::string& vac_json, const std::string& path) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  if (!file) throw std::runtime_error("cannot write " + path + ": is its folder there?");
  // Saving by path would put the path's name into the archive; a stream gives "archive" always.
  module.save(file, {{"vac.json", vac_json}});
  file.close();
  if (!file) throw std::runtime_error("cannot write all of " + path + ": is the disk full?");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::string(argv[1]) == "--version") {
    std::printf("export-torchscript, libtorch %s\n", TORCH_VERSION);
    return 0;
  }
  if (argc != 4) {
    std::fputs(kUsage, stderr);
    return 2;
  }
  try {
    const auto weights = vac::models::Weights::read(argv[1]);
    save(vac::models::efficientnet_lite0(weights), read_text(argv[2]), argv[3]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "export-torchscript: %s\n", error.what());
    return 1;
  }
  return 0;
}
