// SPDX-License-Identifier: Apache-2.0
// A warm call asks for no memory: no allocation, no mapping, no page fault, in the program and in
// the agent, however its data travels.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#include <vac/vac.hpp>

#include <algorithm>
#include <array>
#include <fstream>
#include <functional>
#include <memory>
#include <new>
#include <ostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "memory_counter.hpp"
#include "support/agent_process.hpp"
#include "support/temp_directory.hpp"
#include "support/test_paths.hpp"

namespace vac {
namespace {

constexpr int kWarmup = 300;
constexpr int kCalls = 200;
/// What a process does now and then, such as the agent's housekeeping, spoils one round, not all.
constexpr int kRounds = 5;
constexpr std::size_t kSmall = 64;
constexpr std::size_t kLarge = 602'112;
constexpr std::size_t kInFrames = 5 << 20;  // what travels inline goes in several frames

struct Spent {
  std::uint64_t allocations = 0, mappings = 0, faults = 0;

  std::uint64_t all() const noexcept { return allocations + mappings + faults; }
  Spent operator-(const Spent& before) const noexcept {
    return {allocations - before.allocations, mappings - before.mappings, faults - before.faults};
  }
  friend std::ostream& operator<<(std::ostream& out, const Spent& spent) {
    return out << spent.allocations << " allocations, " << spent.mappings << " mappings, "
               << spent.faults << " page faults";
  }
};

Spent spent_here() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return {test::memory_counter().allocations, test::memory_counter().mappings,
          static_cast<std::uint64_t>(usage.ru_minflt + usage.ru_majflt)};
}

std::uint64_t page_faults(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  std::istringstream words(text.substr(text.rfind(')') + 2));  // from field 3 on
  std::vector<std::string> fields((std::istream_iterator<std::string>(words)), {});
  constexpr std::size_t kMinor = 10 - 3, kMajor = 12 - 3;
  return std::stoull(fields.at(kMinor)) + std::stoull(fields.at(kMajor));
}

/// An agent that counts, and this program's view of what it has counted.
class CountingAgent {
 public:
  explicit CountingAgent(const std::string& shared_input) {
    const std::string path = (folder_ / "counter").string();
    const Fd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!file || ::ftruncate(file.get(), sizeof(test::MemoryCounter)) != 0) {
      throw std::runtime_error("no file for the counter");
    }
    void* const shared = ::mmap(nullptr, sizeof(test::MemoryCounter), PROT_READ | PROT_WRITE,
                                MAP_SHARED, file.get(), 0);
    if (shared == MAP_FAILED) throw std::runtime_error("the counter cannot be mapped");
    counter_ = new (shared) test::MemoryCounter;
    ::setenv(test::kMemoryCounterFile, path.c_str(), 1);
    const auto preload = test::build_directory() / "test" / "memory_counter.so";
    ::setenv("LD_PRELOAD", preload.c_str(), 1);
    agent_ = std::make_unique<test::AgentProcess>(
        std::vector<std::string>{"--plugin", "noop"},
        "[[listen]]\naddress = \"ADDRESS\"\nshared_input = \"" + shared_input + "\"\n");
    ::unsetenv("LD_PRELOAD");
    ::unsetenv(test::kMemoryCounterFile);
  }
  ~CountingAgent() {
    agent_.reset();
    ::munmap(counter_, sizeof *counter_);
  }
  CountingAgent(const CountingAgent&) = delete;
  CountingAgent& operator=(const CountingAgent&) = delete;

  const std::string& address() const noexcept { return agent_->address(); }
  Spent spent() const {
    return {counter_->allocations, counter_->mappings, page_faults(agent_->pid())};
  }

 private:
  test::TempDirectory folder_;
  test::MemoryCounter* counter_;
  std::unique_ptr<test::AgentProcess> agent_;
};

/// Where the operations run, and how data gets there.
struct Way {
  const char* name;
  const char* shared_input;  // nullptr: in this process
  bool in_buffers;
};
constexpr std::array kWays{
    Way{"InProcess", nullptr, false},
    Way{"Inline", "copy", false},
    Way{"RegionCopied", "copy", true},
    Way{"RegionInPlace", "in_place", true},
};

class WarmMemory : public testing::TestWithParam<Way> {
 protected:
  WarmMemory() {
    ::setenv("VAC_PLUGINS", "noop", 1);
    if (GetParam().shared_input != nullptr) {
      agent_ = std::make_unique<CountingAgent>(GetParam().shared_input);
    }
    session_ = Session::open(agent_ == nullptr ? "local:" : agent_->address()).value();
  }
  Spent agent_spent() const { return agent_ == nullptr ? Spent() : agent_->spent(); }

  /// Memory for a call, of the kind that is tested.
  std::span<std::byte> memory(std::size_t bytes) {
    if (GetParam().in_buffers) {
      buffers_.push_back(session_.buffer(bytes).value());
      return buffers_.back().bytes();
    }
    heap_.emplace_back(bytes);
    return heap_.back();
  }
  Tensor tensor(std::span<const std::int64_t> shape) {
    std::size_t elements = 1;
    for (const std::int64_t side : shape) elements *= static_cast<std::size_t>(side);
    const std::span<std::byte> data = memory(elements);
    return session_
        .wrap(std::span(reinterpret_cast<std::uint8_t*>(data.data()), data.size()), shape)
        .value();
  }

  void expect_nothing(const std::function<void()>& call) {
    for (int i = 0; i < kWarmup; ++i) call();
    Spent here{.allocations = ~0ULL, .mappings = 0, .faults = 0}, agent = here;
    for (int round = 0; round < kRounds && (here.all() != 0 || agent.all() != 0); ++round) {
      const Spent agent_before = agent_spent(), before = spent_here();
      for (int i = 0; i < kCalls; ++i) call();
      const Spent after = spent_here(), agent_after = agent_spent();
      if ((after - before).all() < here.all()) here = after - before;
      if ((agent_after - agent_before).all() < agent.all()) agent = agent_after - agent_before;
    }
    EXPECT_EQ(here.all(), 0U) << "this program, in " << kCalls << " calls: " << here;
    EXPECT_EQ(agent.all(), 0U) << "the agent, in " << kCalls << " calls: " << agent;
  }

  void expect_no_memory_for_noop(std::size_t bytes) {
    const std::span<std::byte> data = memory(bytes);
    expect_nothing(
        [&] { ASSERT_EQ(vac_noop(session_.handle(), data.data(), data.size()), VAC_OK); });
  }
  /// One input, and one output that is the caller's own.
  void expect_no_memory_for_model(std::size_t bytes) {
    static const std::array<std::byte, 100> kModel{};
    const Resource model = session_.resource_bytes(kModel).value();
    const std::array<std::int64_t, 1> shape{static_cast<std::int64_t>(bytes)};
    const Tensor input = tensor(shape), output = tensor(shape);
    expect_nothing([&] {
      vac_tensor* const inputs[] = {input.handle()};
      vac_tensor* outputs[] = {output.handle()};
      std::size_t count = 0;
      ASSERT_EQ(vac_model_run(session_.handle(), model.handle(), nullptr, 0, inputs, 1, nullptr, 0,
                              nullptr, 0, outputs, 1, &count),
                VAC_OK)
          << vac_error_message();
    });
  }

  std::unique_ptr<CountingAgent> agent_;
  Session session_;
  std::vector<Buffer> buffers_;
  std::vector<std::vector<std::byte>> heap_;
};

TEST_P(WarmMemory, OfASmallNoopIsNone) { expect_no_memory_for_noop(kSmall); }
TEST_P(WarmMemory, OfALargeNoopIsNone) { expect_no_memory_for_noop(kLarge); }
TEST_P(WarmMemory, OfANoopInSeveralFramesIsNone) { expect_no_memory_for_noop(kInFrames); }
TEST_P(WarmMemory, OfASmallModelIsNone) { expect_no_memory_for_model(kSmall); }
TEST_P(WarmMemory, OfALargeModelIsNone) { expect_no_memory_for_model(kLarge); }

INSTANTIATE_TEST_SUITE_P(Ways, WarmMemory, testing::ValuesIn(kWays),
                         [](const auto& info) { return std::string(info.param.name); });

/// What the others rely on.
TEST(MemoryCounter, CountsWhatIsAsked) {
  const Spent before = spent_here();
  const auto heap = std::make_unique<std::array<std::byte, 100>>();
  heap->fill(std::byte{1});
  const Spent allocated = spent_here() - before;
  EXPECT_GE(allocated.allocations, 1U);
  void* const mapped =
      ::mmap(nullptr, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(mapped, MAP_FAILED);
  static_cast<volatile char*>(mapped)[0] = 1;
  ::munmap(mapped, 1 << 20);
  const Spent spent = spent_here() - before;
  EXPECT_GE(spent.mappings, 2U);
  EXPECT_GE(spent.faults, 1U);
}

TEST(MemoryCounter, CountsInTheAgent) {
  ::setenv("VAC_PLUGINS", "noop", 1);
  const CountingAgent agent("copy");
  const Spent before = agent.spent();
  const Session session = Session::open(agent.address()).value();
  EXPECT_TRUE(session.describe());
  EXPECT_GT((agent.spent() - before).allocations, 0U);
}

}  // namespace
}  // namespace vac
