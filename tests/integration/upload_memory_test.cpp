// SPDX-License-Identifier: Apache-2.0
// Nobody holds a model twice: what an upload takes of memory does not depend on its size.
#include <gtest/gtest.h>
#include <unistd.h>
#include <vac/vac.hpp>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "support/agent_process.hpp"
#include "support/temp_directory.hpp"

namespace vac {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::uint64_t kModel = 256 * kMiB;
/// Four pieces of 1 MiB on each side, buffers for hashing, stacks, and what the allocator keeps.
constexpr std::uint64_t kMost = 16 * kMiB;

/// The most memory that a process has had in use, in bytes.
std::uint64_t peak(pid_t process) {
  std::ifstream status("/proc/" + std::to_string(process) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stoull(line.substr(6)) * 1024;
  }
  throw std::runtime_error("no VmHWM");
}

class UploadMemory : public testing::Test {
 protected:
  UploadMemory() {
    // So that all that is loaded once is there.
    warm_ = session_.resource_bytes(std::as_bytes(std::span("warm"))).value();
    EXPECT_TRUE(session_.model_load(warm_));
    client_ = peak(::getpid());
    server_ = peak(agent_.pid());
  }
  void expect_little() const {
    const std::uint64_t client = peak(::getpid()) - client_, server = peak(agent_.pid()) - server_;
    RecordProperty("client_kib", std::to_string(client / 1024));
    RecordProperty("agent_kib", std::to_string(server / 1024));
    EXPECT_LT(client, kMost);
    EXPECT_LT(server, kMost);
  }

  test::AgentProcess agent_{{"--plugin", "noop"}};
  Session session_ = Session::open(agent_.address()).value();
  Resource warm_;
  std::uint64_t client_ = 0, server_ = 0;
};

TEST_F(UploadMemory, OfAFileIsThatOfAFewPieces) {
  const test::TempDirectory folder;
  const std::string path = folder / "model.pt";
  std::ofstream(path).close();
  std::filesystem::resize_file(path, kModel);
  const Resource model = session_.resource(path).value();
  const Status sent = session_.model_load(model);
  ASSERT_TRUE(sent) << sent.error().message();
  expect_little();
}

class UploadOfBytes : public UploadMemory {
 protected:
  std::vector<std::byte> bytes_ = [this] {
    std::vector<std::byte> bytes(64 * kMiB, std::byte{7});
    client_ = peak(::getpid());
    return bytes;
  }();
};

TEST_F(UploadOfBytes, KeepsToTheCallersCopy) {
  const Resource model = session_.resource_bytes(bytes_).value();
  const Status sent = session_.model_load(model);
  ASSERT_TRUE(sent) << sent.error().message();
  expect_little();
}

}  // namespace
}  // namespace vac
