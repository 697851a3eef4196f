// SPDX-License-Identifier: Apache-2.0
// The program of a harness where there is no libFuzzer: every file of the folders and files that
// are named, once. A finding ends it; so does a corpus without files.
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <vector>

// NOLINTBEGIN(readability-identifier-naming): libFuzzer's names
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t room);

/// Never called here; a harness that mutates refers to it.
std::size_t LLVMFuzzerMutate(std::uint8_t* /*data*/, std::size_t size, std::size_t /*room*/) {
  return size;
}
// NOLINTEND(readability-identifier-naming)

namespace {

namespace fs = std::filesystem;

std::vector<fs::path> files_of(std::span<char*> arguments) {
  std::vector<fs::path> files;
  for (const char* argument : arguments) {
    if (!fs::is_directory(argument)) {
      files.emplace_back(argument);
      continue;
    }
    for (const auto& entry : fs::directory_iterator(argument)) files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

void replay(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path.string());
  const std::string bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  // Of exactly its size, so that a sanitizer sees every access beside it.
  const std::vector<std::uint8_t> input(bytes.begin(), bytes.end());
  LLVMFuzzerTestOneInput(input.data(), input.size());
}

int run(std::span<char*> arguments) {
  const std::vector<fs::path> files = files_of(arguments);
  if (files.empty()) {
    std::fputs("replay: name files, or folders with files in them\n", stderr);
    return 2;
  }
  for (const fs::path& path : files) {
    // Last on the screen when there is a finding.
    std::fprintf(stderr, "%s\n", path.c_str());
    replay(path);
  }
  std::printf("%zu inputs, no finding\n", files.size());
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  // A finding is a failed run and no crash: ctest takes no text for an answer from what crashed.
  std::signal(SIGABRT, [](int /*signal*/) { ::_exit(1); });
  try {
    return run(std::span(arguments, static_cast<std::size_t>(count)).subspan(1));
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "replay: %s\n", failure.what());
    return 2;
  }
}
