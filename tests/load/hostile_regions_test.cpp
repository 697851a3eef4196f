// SPDX-License-Identifier: Apache-2.0
// Clients that do with shared memory what nobody should, while an honest one works: it never
// notices, and the agent says what is wrong and lives.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <vac/vac.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <exception>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "support/agent_process.hpp"
#include "support/load.hpp"
#include "support/random.hpp"
#include "support/random_call.hpp"
#include "support/raw_region.hpp"

namespace vac {
namespace {

using test::BuiltCall;
using test::Random;
using test::RawClient;
using test::RawRegion;

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

const Op& some_operation(Random& random) {
  for (;;) {
    const Op& op = all_ops()[random.below(all_ops().size())];
    if (!op.control()) return op;
  }
}

/// The attackers themselves write to a region from two threads at once, in an order that is
/// nobody's.
void scribble(std::byte* to, unsigned char value) {
  std::atomic_ref(*reinterpret_cast<unsigned char*>(to)).store(value, std::memory_order_relaxed);
}

/// Puts the data of a call anywhere into a region.
void move_into(const RawRegion& region, vac_call& call, Random& random) {
  for (vac_arg& record : std::span(call.args, call.arg_count)) {
    const bool data = record.form == VAC_ARRAY || record.form == VAC_TENSOR;
    const bool made = record.where == VAC_WHERE_NOWHERE;
    if (!data || record.bytes == 0 || record.bytes > kMiB / 2 || random.one_in(4)) continue;
    std::uint64_t offset = random.below(region.bytes().size() - record.bytes);
    if (!random.one_in(4)) offset &= ~std::uint64_t{63};
    std::byte* const place = region.bytes().data() + offset;
    const auto* const from = reinterpret_cast<const unsigned char*>(record.value);
    for (std::uint64_t i = 0; i < record.bytes && !made; ++i) scribble(place + i, from[i]);
    record.where = VAC_WHERE_INLINE;
    record.value = reinterpret_cast<std::uintptr_t>(place);
  }
}

/// One hostile client after the other.
class Attacker {
 public:
  Attacker(std::string address, std::uint64_t seed) : address_(std::move(address)), random_(seed) {}

  void attack() {
    try {
      if (client_ == nullptr || random_.one_in(50)) connect();
      act();
    } catch (const std::exception&) {  // the agent has sent it away, as it may
      region_.reset();
      client_.reset();
    }
  }

 private:
  void connect() {
    region_.reset();
    client_ = std::make_unique<RawClient>(test::sharing_client(address_));
    region_ = std::make_unique<RawRegion>(*client_, kMiB);
    client_->share(*region_);
  }

  void act() {
    switch (random_.below(4)) {
      case 0:
        return flip_during_calls();
      case 1:
        return punch_holes();
      case 2:
        return lie();
      default:
        return grow();
    }
  }

  /// Sends a call of any operation with data in the region. Its resources do not exist.
  void send_some(bool lying) {
    BuiltCall call = test::random_call(some_operation(random_), random_);
    vac_call& built = call.call();
    move_into(*region_, built, random_);
    auto bytes = RawClient::call_bytes(call, client_->next_request(), 0, region_.get());
    if (lying) {
      auto* const records = reinterpret_cast<vac_arg*>(bytes.data() + sizeof(wire::FrameHeader));
      vac_arg& record = records[random_.below(built.arg_count)];
      switch (random_.below(3)) {
        case 0:
          record.where = static_cast<std::uint32_t>(random_.below(18));
          break;
        case 1:
          record.value = random_.one_in(2) ? random_.next() : kMiB - random_.below(128);
          break;
        default:
          record.bytes = random_.one_in(2) ? random_.next() : kMiB + random_.below(128);
      }
    }
    client_->skip_request();
    client_->send(bytes);
  }

  void flip_during_calls() {
    std::atomic<bool> over{false};
    std::thread flipper([&, seed = random_.next()] {
      Random random(seed);
      while (!over) {
        const std::size_t at = random.below(region_->bytes().size());
        scribble(region_->bytes().data() + at, static_cast<unsigned char>(random.next()));
      }
    });
    try {
      for (int i = 0; i < 8; ++i) send_some(false);
      for (int i = 0; i < 8; ++i) (void)client_->receive();
    } catch (...) {
      over = true;
      flipper.join();
      throw;
    }
    over = true;
    flipper.join();
  }

  void punch_holes() {
    for (int i = 0; i < 8; ++i) send_some(false);
    for (int i = 0; i < 8; ++i) {
      const auto from = static_cast<off_t>(4096 * random_.below(128));
      (void)::fallocate(region_->descriptor().get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                        from, static_cast<off_t>(4096 * (1 + random_.below(128))));
      (void)::ftruncate(region_->descriptor().get(), from);
    }
    for (int i = 0; i < 8; ++i) (void)client_->receive();
  }

  void lie() {
    for (int i = 0; i < 8; ++i) {
      send_some(true);
      (void)client_->receive();
    }
  }

  void grow() {
    for (int i = 0; i < 20; ++i) {
      const std::uint64_t bytes = random_.one_in(8) ? random_.next() : kMiB * random_.below(80);
      const test::RawReply opened = test::open_region(*client_, bytes);
      (void)client_->channel().take_descriptor();
      if (opened.code() != VAC_OK) continue;
      std::vector<std::byte> proof(random_.below(32));
      if (random_.one_in(2)) (void)test::prove_region(*client_, opened.scalar(2), proof);
      if (random_.one_in(2)) (void)test::drop_region(*client_, random_.below(17));
    }
    connect();
  }

  const std::string address_;
  Random random_;
  std::unique_ptr<RawClient> client_;
  std::unique_ptr<RawRegion> region_;
};

/// Calls in shared memory, whose answers are known.
std::uint64_t work_honestly(const std::string& address, const std::atomic<bool>& over) {
  const Session local = Session::open("local:").value();
  const Session session =
      Session::open(address, {std::chrono::milliseconds(5000), "honest"}).value();
  Random random(7);
  std::uint64_t calls = 0;
  while (!over) {
    const Buffer in = session.buffer(65'536).value(), out = session.buffer(65'536).value();
    random.fill(in.bytes());
    const auto ints = [](const Buffer& buffer) {
      return std::span(reinterpret_cast<std::int32_t*>(buffer.bytes().data()),
                       buffer.bytes().size() / sizeof(std::int32_t));
    };
    std::vector<std::int32_t> wanted(ints(out).size());
    const std::size_t count = local.fpga_arraycopy(ints(in), wanted).value();
    const Result<std::size_t> made = session.fpga_arraycopy(ints(in), ints(out));
    EXPECT_TRUE(made) << made.error().message();
    if (!made) return calls;
    EXPECT_TRUE(*made == count &&
                std::equal(wanted.begin(), wanted.begin() + count, ints(out).begin()));
    ++calls;
  }
  return calls;
}

class HostileRegions : public testing::TestWithParam<const char*> {};

INSTANTIATE_TEST_SUITE_P(SharedInput, HostileRegions, testing::Values("copy", "in_place"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(HostileRegions, HurtNobody) {
  ::setenv("VAC_PLUGINS", "noop", 1);
  test::AgentProcess agent(
      {"--plugin", "noop"},
      std::string("[[listen]]\naddress = \"ADDRESS\"\nshared_input = \"") + GetParam() + "\"\n");
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(test::load_count(300));
  std::atomic<std::uint64_t> rounds{0};
  std::atomic<bool> over{false};
  std::uint64_t honest = 0;
  std::thread worker([&] { honest = work_honestly(agent.address(), over); });
  std::vector<std::thread> attackers;
  for (std::uint64_t seed = 1; seed <= 2; ++seed) {
    attackers.emplace_back([&, seed] {
      Attacker attacker(agent.address(), seed);
      for (; std::chrono::steady_clock::now() < end; ++rounds) attacker.attack();
    });
  }
  for (std::thread& attacker : attackers) attacker.join();
  over = true;
  worker.join();
  EXPECT_GT(honest, 0U);
  EXPECT_GT(rounds, 0U);
  std::printf("soak: hostile_regions %s rounds=%llu honest_calls=%llu\n", GetParam(),
              static_cast<unsigned long long>(rounds), static_cast<unsigned long long>(honest));
  EXPECT_EQ(agent.stop(), 0) << agent.log();
  EXPECT_THAT(agent.log(), testing::Not(testing::HasSubstr("Sanitizer")));
}

}  // namespace
}  // namespace vac
