// SPDX-License-Identifier: Apache-2.0
// Clients that are killed while they share memory with the agent: it has all of it back.
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>
#include <vac/vac.hpp>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <deque>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "as_before.hpp"
#include "support/agent_process.hpp"
#include "support/forked_process.hpp"
#include "support/load.hpp"
#include "support/random.hpp"
#include "support/raw_region.hpp"

namespace vac {
namespace {

using test::BuiltCall;
using test::ForkedProcess;
using test::ProcessState;
using test::Random;
using test::RawClient;
using test::RawRegion;

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kMostPages = 512;

/// What a client is doing when it is killed.
enum class Moment : std::uint8_t {
  asked,    ///< it has asked for a region, and reads no answer
  opened,   ///< it has the region, and has not proven it
  working,  ///< calls are under way whose data and results are in the region
  dropped,  ///< the same, and the region has been given back under them
  buffers,  ///< the same as working, by the library
};

/// Whether a region is certainly mapped in the agent then.
bool is_mapped_at(Moment moment) { return moment != Moment::asked && moment != Moment::dropped; }

void tick(int output) {
  const std::byte byte{'.'};
  test::write_or_exit(output, {&byte, 1});
}

[[noreturn]] void stay(int output) {
  for (;;) {
    tick(output);
    ::pause();
  }
}

/// fpga_arraycopy from the first half of a region to the second.
BuiltCall copy_within(const RawRegion& region) {
  BuiltCall call(find_op("fpga_arraycopy")->id);
  call.array(VAC_I32, std::vector<std::int32_t>()).out_array_in_place(VAC_I32, 4);
  const std::size_t half = region.bytes().size() / 2;
  for (const std::size_t i : {0U, 1U}) {
    call.records().at(i).value = reinterpret_cast<std::uintptr_t>(region.bytes().data() + i * half);
    call.records().at(i).bytes = half;
  }
  return call;
}

BuiltCall control(const char* name) { return BuiltCall(find_op(name)->id); }

/// Frame by frame. Says a byte once the moment is there, and with each call that is answered.
void be_raw_client(const std::string& address, Moment moment, Random random, int output) {
  RawClient client = test::sharing_client(address);
  const std::uint64_t bytes = kPage * (1 + random.below(kMostPages));
  if (moment == Moment::asked) {
    BuiltCall open = control("region_open");
    open.scalar(VAC_U64, bytes).scalar(VAC_U32, 1);
    open.out_scalar(VAC_U32).out_scalar(VAC_U32).out_scalar(VAC_U64).out_scalar(VAC_U64);
    (void)client.call(open);
    stay(output);
  }
  RawRegion region(client, bytes, moment != Moment::opened);
  if (moment == Moment::opened) stay(output);
  client.share(region);
  BuiltCall call = copy_within(region);
  for (int i = 0; i < 4; ++i) (void)client.call(call);
  if (moment == Moment::dropped) {
    (void)client.call(control("region_drop").scalar(VAC_U32, region.id()));
    stay(output);
  }
  for (;;) {
    tick(output);
    const test::RawFrame answer = client.receive();
    if (answer.code() != VAC_OK) throw std::runtime_error(answer.text());
    (void)client.call(call);
  }
}

void be_library_client(const std::string& address, int output) {
  const Session session = Session::open(address, {std::chrono::minutes(2), "killed"}).value();
  const Buffer in = session.buffer(64 * kPage).value(), out = session.buffer(64 * kPage).value();
  const auto ints = [](const Buffer& buffer) {
    return std::span(reinterpret_cast<std::int32_t*>(buffer.bytes().data()),
                     buffer.bytes().size() / sizeof(std::int32_t));
  };
  for (;;) {
    tick(output);
    (void)session.fpga_arraycopy(ints(in), ints(out)).value();
  }
}

struct Tally {
  std::uint64_t killed = 0;  ///< as they should be
  std::uint64_t mapped = 0;  ///< of these: whose region was certainly mapped
};

/// Some clients at a time, one after the other; in a process of its own, which has one thread.
class Killer {
 public:
  Killer(std::string address, std::uint64_t seed) : address_(std::move(address)), random_(seed) {}

  Tally kill(std::uint64_t clients) {
    constexpr std::size_t kAtATime = 4;
    Tally tally;
    for (std::uint64_t started = 0; tally.killed < clients;) {
      for (; started < clients && running_.size() < kAtATime; ++started) start();
      const Running oldest = std::move(running_.front());
      running_.pop_front();
      std::vector<std::byte> said(oldest.bytes);
      if (!oldest.process->read(said) || !oldest.process->kill()) {
        throw std::runtime_error("a client has ended by itself");
      }
      ++tally.killed;
      tally.mapped += is_mapped_at(oldest.moment) ? 1 : 0;
    }
    return tally;
  }

 private:
  struct Running {
    Moment moment;
    std::size_t bytes;  // of output until it is killed
    std::unique_ptr<ForkedProcess> process;
  };

  void start() {
    const Moment moment =
        random_.pick({Moment::asked, Moment::opened, Moment::dropped, Moment::buffers,
                      Moment::working, Moment::working, Moment::working, Moment::working});
    const bool works = moment == Moment::working || moment == Moment::buffers;
    const std::size_t ticks = works ? 1 + random_.below(12) : 1;
    auto process = std::make_unique<ForkedProcess>([&, seed = random_.next()](int output) {
      if (moment == Moment::buffers) return be_library_client(address_, output);
      be_raw_client(address_, moment, Random(seed), output);
    });
    running_.push_back({moment, ticks, std::move(process)});
  }

  const std::string address_;
  Random random_;
  std::deque<Running> running_;
};

/// Before this process has more than one thread.
Tally kill_clients(const std::string& address, std::uint64_t clients) {
  ForkedProcess killer([&](int output) {
    const Tally tally = Killer(address, 20261123).kill(clients);
    test::write_or_exit(output, std::as_bytes(std::span(&tally, 1)));
  });
  Tally tally;
  const auto bytes = std::as_writable_bytes(std::span(&tally, 1));
  // All of them take longer than one answer may.
  EXPECT_TRUE(killer.read(bytes, std::chrono::hours(1)));
  EXPECT_EQ(killer.wait(), 0);
  return tally;
}

class KilledWithRegions : public testing::TestWithParam<const char*> {};

INSTANTIATE_TEST_SUITE_P(SharedInput, KilledWithRegions, testing::Values("copy", "in_place"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(KilledWithRegions, ClientsLeaveNothingBehindInTheAgent) {
  ::setenv("VAC_PLUGINS", "noop", 1);
  const std::uint64_t clients = test::load_count(5000);
  test::AgentProcess agent(
      {"--plugin", "noop"},
      std::string("[[listen]]\naddress = \"ADDRESS\"\nshared_input = \"") + GetParam() + "\"\n");
  const ProcessState before = test::state_of(agent.pid());
  const Tally tally = kill_clients(agent.address(), clients);
  EXPECT_EQ(tally.killed, clients);
  EXPECT_GT(tally.mapped, 0U);
  {
    RawClient next = test::sharing_client(agent.address());
    // The last of the killed may still be on their way out.
    EXPECT_TRUE(test::eventually([&] {
      return test::open_region(next, std::uint64_t{256} << 20U).code() == VAC_OK;
    })) << "what is left of its tenant's limit is not all of it";
  }
  ProcessState after;
  // The idle trim comes 10 s after the last call.
  const bool trimmed = test::eventually([&] {
    after = test::state_of(agent.pid());
    return test::trimmed_as_before(after, before);
  });
  std::printf("soak: killed_with_regions %s count=%llu mapped=%llu rss_growth_kib=%lld\n",
              GetParam(), static_cast<unsigned long long>(clients),
              static_cast<unsigned long long>(tally.mapped),
              static_cast<long long>(after.resident_bytes - before.resident_bytes) / 1024);
  EXPECT_TRUE(trimmed) << "before: " << before << "\nafter:  " << after;
  EXPECT_EQ(agent.stop(), 0) << agent.log();
}

}  // namespace
}  // namespace vac
