// SPDX-License-Identifier: Apache-2.0
// How a connection comes to shared memory, and what an agent may do wrong. What calls do with it is
// in tests/integration.
#include <fcntl.h>
#include <sys/mman.h>

#include "connection_fixture.hpp"
#include "support/process_state.hpp"

namespace vac::remote {
namespace {

using test::ReceivedFrame;

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr std::uint32_t kPing = 1, kOpen = 7, kReady = 8, kDrop = 9;

/// What the agent gives for a region.
struct Grant {
  std::uint64_t bytes = 2 * kMiB;       ///< as it says
  std::uint64_t real_bytes = 2 * kMiB;  ///< of the memory
  int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
  std::uint64_t id = 1;
  bool with_descriptor = true;
};

class ConnectionRegions : public testing::Test {
 protected:
  ReceivedFrame receive(std::uint32_t op) {
    ReceivedFrame frame = link_.agent.receive();
    EXPECT_EQ(frame.header.code, op);
    return frame;
  }
  /// Answers the next region_open.
  void grant(const Grant& grant = {}) {
    ReceivedFrame open = receive(kOpen);
    answer(open, grant);
  }
  void answer(ReceivedFrame& open, const Grant& grant = {}) {
    EXPECT_EQ(open.scalar(1), 1U);
    asked_ = open.scalar(0);
    memory_.reset(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    ASSERT_EQ(::ftruncate(memory_.get(), static_cast<off_t>(grant.real_bytes)), 0);
    ASSERT_EQ(::pwrite(memory_.get(), "0123456789abcdef", 16, 0), 16);
    if (grant.seals != 0) {
      ASSERT_EQ(::fcntl(memory_.get(), F_ADD_SEALS, grant.seals), 0);
    }
    auto frames = link_.agent.reply_frames(
        open, {.scalars = {{2, grant.id}, {3, 1}, {4, grant.bytes}, {5, 0}}});
    const iovec piece{frames.front().data(), frames.front().size()};
    transport::Channel& channel = link_.agent.channel();
    if (grant.with_descriptor) {
      channel.send_with({&piece, 1}, memory_.get(), transport::Wait::now);
    } else {
      channel.send({&piece, 1}, transport::Wait::all);
    }
  }
  void take_proof() {
    ReceivedFrame ready = receive(kReady);
    EXPECT_EQ(ready.text(1), "0123456789abcdef");
    link_.agent.reply(ready);
  }
  /// A buffer where the agent does as it is told; nullptr: there was none.
  std::unique_ptr<RegionBuffer> buffer(std::uint64_t bytes, std::function<void()> agent) {
    Script script(link_, std::move(agent));
    auto made = link_.connection->new_buffer(bytes);
    script.join();
    return made;
  }
  void restart(const Times& times) {
    Link fresh({.times = times, .region_kinds = 1});
    std::swap(fresh, link_);
  }
  void expect_not_asked() {
    EXPECT_EQ(link_.connection->new_buffer(kMiB), nullptr);
    EXPECT_FALSE(link_.agent.readable());
  }

  Link link_{{.region_kinds = 1}};
  Fd memory_;
  std::uint64_t asked_ = 0;
};

TEST_F(ConnectionRegions, AreOpenedAtTheFirstBufferAndServeMore) {
  const auto first = buffer(600'000, [&] { grant(), take_proof(); });
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(asked_, 2 * kMiB);
  std::memset(first->data(), 7, 600'000);
  std::byte seen{};
  // What the application writes is what the agent has.
  ASSERT_EQ(::pread(memory_.get(), &seen, 1, 0), 1);
  EXPECT_EQ(seen, std::byte{7});
  EXPECT_NE(link_.connection->new_buffer(600'000), nullptr);
  EXPECT_FALSE(link_.agent.readable()) << "the agent was not asked";
}

/// Whoever reads already does so without a place for a descriptor.
TEST_F(ConnectionRegions, AreOpenedBesideACallThatSomebodyWaitsFor) {
  Sleeper reader;
  std::thread caller([&] {
    reader.is_me();
    EXPECT_THAT(NoopCall().run(*link_.connection), Succeeds());
  });
  ReceivedFrame noop = receive(VAC_OP_NOOP);
  reader.wait_until_asleep();
  const auto made = buffer(kMiB, [&] {
    ReceivedFrame ping = receive(kPing);
    link_.agent.reply(ping);
    grant();
    take_proof();
  });
  EXPECT_NE(made, nullptr);
  link_.agent.reply(noop);
  caller.join();
}

TEST_F(ConnectionRegions, AreNotAskedForWhereNoneWereAgreedUpon) {
  Link link;
  EXPECT_EQ(link.connection->new_buffer(kMiB), nullptr);
  EXPECT_FALSE(link.agent.readable());
}

TEST_F(ConnectionRegions, AreNotAskedForByWhatIsTooLarge) {
  EXPECT_EQ(link_.connection->new_buffer(64 * kMiB + 1), nullptr);
  EXPECT_EQ(link_.connection->new_buffer(UINT64_MAX), nullptr);
  EXPECT_EQ(link_.connection->new_buffer(0), nullptr);
  EXPECT_FALSE(link_.agent.readable());
}

TEST_F(ConnectionRegions, ThatTheTenantMayNotHaveAreNotAskedForAgainAtOnce) {
  EXPECT_EQ(buffer(kMiB,
                   [&] {
                     ReceivedFrame open = receive(kOpen);
                     link_.agent.fail(open.header.request, VAC_ENOSPC, 0, "the tenant's limit");
                   }),
            nullptr);
  expect_not_asked();
}

TEST_F(ConnectionRegions, OfAnAgentWithoutThemAreNeverAskedForAgain) {
  EXPECT_EQ(buffer(kMiB,
                   [&] {
                     ReceivedFrame open = receive(kOpen);
                     link_.agent.fail(open.header.request, VAC_ENOTSUP, 0, "no such thing");
                   }),
            nullptr);
  expect_not_asked();
}

TEST_F(ConnectionRegions, AreAskedForAgainWhereTheAgentWasNotAbleTo) {
  for (const int code : {VAC_ENOSPC, VAC_ENOMEM, VAC_ETIMEDOUT, VAC_ECANCELED, VAC_EMFILE,
                         VAC_EAGAIN, VAC_EBUSY, VAC_EIO}) {
    restart({.region_refusal = 0});
    EXPECT_EQ(buffer(kMiB,
                     [&] {
                       ReceivedFrame open = receive(kOpen);
                       link_.agent.fail(open.header.request, code, 0, "not now");
                     }),
              nullptr);
    EXPECT_NE(buffer(kMiB, [&] { grant(), take_proof(); }), nullptr) << code;
  }
}

/// It was busy for longer than anybody waits for a buffer.
TEST_F(ConnectionRegions, ThatComeTooLateGoBackAndAreAskedForAgain) {
  restart({.region_refusal = 0});
  const std::size_t descriptors = test::state_of(::getpid()).descriptors;
  ReceivedFrame open;
  Script slow(link_, [&] {
    open = receive(kOpen);
    EXPECT_EQ(link_.agent.receive().header.kind, wire::Kind::cancel);
  });
  EXPECT_EQ(link_.connection->new_buffer(kMiB, 100 * kMillisecondNs), nullptr);
  slow.join();
  expect_not_asked();
  Script late(link_, [&] {
    ReceivedFrame noop = receive(VAC_OP_NOOP);
    answer(open);
    link_.agent.reply(noop);
    ReceivedFrame drop = receive(kDrop);
    EXPECT_EQ(drop.scalar(0), 1U);
    link_.agent.reply(drop);
  });
  EXPECT_THAT(NoopCall().run(*link_.connection), Succeeds());
  late.join();
  memory_.reset();
  EXPECT_EQ(test::state_of(::getpid()).descriptors, descriptors) << "the late one is closed";
  const auto made = buffer(kMiB, [&] { grant({.id = 2}), take_proof(); });
  ASSERT_NE(made, nullptr);
  made->data()[0] = std::byte{7};
  std::byte seen{};
  ASSERT_EQ(::pread(memory_.get(), &seen, 1, 0), 1);
  EXPECT_EQ(seen, std::byte{7}) << "it is the memory of the second answer";
}

/// Nothing was granted: nothing goes back.
TEST_F(ConnectionRegions, ThatAreRefusedTooLateAreAskedForAgain) {
  restart({.region_refusal = 0});
  Script script(link_, [&] {
    ReceivedFrame open = receive(kOpen);
    EXPECT_EQ(link_.agent.receive().header.kind, wire::Kind::cancel);
    ReceivedFrame noop = receive(VAC_OP_NOOP);
    link_.agent.fail(open.header.request, VAC_ECANCELED, 0, "cancelled");
    link_.agent.reply(noop);
  });
  EXPECT_EQ(link_.connection->new_buffer(kMiB, 100 * kMillisecondNs), nullptr);
  EXPECT_THAT(NoopCall().run(*link_.connection), Succeeds());
  script.join();
  EXPECT_NE(buffer(kMiB, [&] { grant(), take_proof(); }), nullptr);
}

TEST_F(ConnectionRegions, WhoseProofIsRefusedAreNotUsed) {
  EXPECT_EQ(buffer(kMiB,
                   [&] {
                     grant();
                     ReceivedFrame ready = receive(kReady);
                     link_.agent.fail(ready.header.request, VAC_EACCES, 0, "not the same memory");
                     ReceivedFrame drop = receive(kDrop);
                     EXPECT_EQ(drop.scalar(0), 1U);
                   }),
            nullptr);
  expect_not_asked();
}

/// Each could end the application by a signal, or mix up what is whose.
TEST_F(ConnectionRegions, ThatCannotBeTrustedAreNotUsed) {
  const Grant wrong[] = {
      {.with_descriptor = false},
      {.real_bytes = kMiB},
      {.bytes = kMiB, .real_bytes = kMiB},
      {.seals = 0},
      {.seals = F_SEAL_GROW},
      {.bytes = 8, .real_bytes = 8},
      {.bytes = UINT64_MAX},
      // More than was asked for, and more than any region has: the client would pay for it.
      {.bytes = 4 * kMiB, .real_bytes = 4 * kMiB},
      {.bytes = 3000 * kMiB, .real_bytes = 3000 * kMiB},
      {.bytes = 4096 * kMiB, .real_bytes = 4096 * kMiB},
  };
  for (const Grant& grant : wrong) {
    restart({});
    EXPECT_EQ(buffer(kMiB,
                     [&] {
                       this->grant(grant);
                       EXPECT_EQ(receive(kDrop).scalar(0), 1U);
                     }),
              nullptr);
    expect_not_asked();
  }
}

TEST_F(ConnectionRegions, WithANumberThatNoneCanHaveAreNotUsed) {
  EXPECT_EQ(buffer(kMiB,
                   [&] {
                     grant({.id = 16});
                     take_proof();
                     EXPECT_EQ(receive(kDrop).scalar(0), 16U);
                   }),
            nullptr);
  expect_not_asked();
}

/// One stays for the next buffer.
TEST_F(ConnectionRegions, ThatNoBufferNeedsGoBack) {
  restart({.region_idle = 0});
  auto small = buffer(2 * kMiB, [&] { grant(), take_proof(); });
  ASSERT_NE(small, nullptr);
  auto large = buffer(4 * kMiB, [&] {
    grant({.bytes = 4 * kMiB, .real_bytes = 4 * kMiB, .id = 2});
    take_proof();
  });
  ASSERT_NE(large, nullptr);
  large.reset();
  link_.connection->return_regions();
  EXPECT_FALSE(link_.agent.readable());
  small.reset();
  link_.connection->return_regions();
  EXPECT_EQ(receive(kDrop).scalar(0), 1U);
  EXPECT_NE(link_.connection->new_buffer(4 * kMiB), nullptr);
  EXPECT_FALSE(link_.agent.readable()) << "the other one is there";
}

/// Else who makes and frees several large buffers in each round would pay for them each time.
TEST_F(ConnectionRegions, ThatAreNeededAgainSoonStay) {
  restart({.region_idle = 3'600'000'000'000});
  auto first = buffer(3 * kMiB, [&] {
    grant({.bytes = 4 * kMiB, .real_bytes = 4 * kMiB});
    take_proof();
  });
  auto second = buffer(3 * kMiB, [&] {
    grant({.bytes = 8 * kMiB, .real_bytes = 8 * kMiB, .id = 2});
    take_proof();
  });
  for (int round = 0; round < 10; ++round) {
    ASSERT_TRUE(first && second) << round;
    for (auto* gone : {&first, &second}) {
      gone->reset();
      link_.connection->return_regions();
    }
    EXPECT_FALSE(link_.agent.readable()) << round;
    // No larger than one of the regions each, and larger than what is left of it.
    first = link_.connection->new_buffer(3 * kMiB);
    second = link_.connection->new_buffer(8 * kMiB);
  }
  EXPECT_FALSE(link_.agent.readable());
}

/// A buffer may go before the reply to the call that uses it.
TEST_F(ConnectionRegions, GoBackAfterTheLastCallInThem) {
  restart({.region_idle = 0});
  auto small = buffer(2 * kMiB, [&] { grant(), take_proof(); });
  auto large = buffer(4 * kMiB, [&] {
    grant({.bytes = 4 * kMiB, .real_bytes = 4 * kMiB, .id = 2});
    take_proof();
  });
  large.reset();
  TestCall call(VAC_OP_NOOP);
  call->array(VAC_BYTE, small->data(), kMiB);
  Script script(link_, [&] {
    ReceivedFrame received = receive(VAC_OP_NOOP);
    small.reset();
    link_.connection->return_regions();
    EXPECT_FALSE(link_.agent.readable()) << "the agent may still read it";
    link_.agent.reply(received);
    EXPECT_EQ(receive(kDrop).scalar(0), 1U);
  });
  EXPECT_TRUE(call.run(*link_.connection));
  script.join();
}

TEST_F(ConnectionRegions, OutliveTheConnection) {
  const auto held = buffer(600'000, [&] { grant(), take_proof(); });
  ASSERT_NE(held, nullptr);
  link_.connection.reset();
  std::memset(held->data(), 1, 600'000);
}

TEST_F(ConnectionRegions, OfALostConnectionGiveNothingNew) {
  const auto held = buffer(600'000, [&] { grant(), take_proof(); });
  ASSERT_NE(held, nullptr);
  link_.agent.close();
  NoopCall call;
  EXPECT_FALSE(call.run(*link_.connection));
  EXPECT_EQ(link_.connection->new_buffer(4096), nullptr);
  std::memset(held->data(), 1, 600'000);
}

TEST_F(ConnectionRegions, MayBeAskedForWhenTheAgentIsLost) {
  EXPECT_EQ(buffer(kMiB,
                   [&] {
                     (void)receive(kOpen);
                     link_.agent.close();
                   }),
            nullptr);
}

}  // namespace
}  // namespace vac::remote
