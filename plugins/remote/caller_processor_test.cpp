// SPDX-License-Identifier: Apache-2.0
// What the agent is told of where calls come from.
#include "caller_processor.hpp"

#include <sched.h>

#include <vector>

#include "connection_fixture.hpp"
#include "support/processors.hpp"

namespace vac::remote {
namespace {

using test::processors;

constexpr int kEnough = 2 * CallerProcessor::kCallsBetweenLooks;

/// From here on the calling thread runs there alone.
void run_on(int processor) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(processor, &set);
  ASSERT_EQ(::sched_setaffinity(0, sizeof set, &set), 0);
}

TEST(CallerProcessor, IsNewsOnceWhereItStays) {
  std::thread([] {
    for (const int processor : processors()) {
      CallerProcessor caller;
      run_on(processor);
      for (int i = 1; i < kEnough; ++i) EXPECT_EQ(caller.news(), std::nullopt);
      EXPECT_EQ(caller.news(), processor);
      for (int i = 0; i < 3 * kEnough; ++i) EXPECT_EQ(caller.news(), std::nullopt);
      caller.forget();
      int told = 0;
      for (int i = 0; i < kEnough; ++i) told += caller.news() == processor ? 1 : 0;
      EXPECT_EQ(told, 1);
    }
  }).join();
}

/// Makes calls one by one; the processors that the agent was told of.
std::vector<std::uint64_t> told_during(Link& link, int calls) {
  std::vector<std::uint64_t> told;
  Script agent(link, [&] {
    for (int i = 0; i < calls;) {
      test::ReceivedFrame frame = link.agent.receive();
      if (frame.header.code == VAC_OP_CALLER_PROCESSOR) {
        told.push_back(frame.scalar(0));
      } else {
        ++i;
      }
      link.agent.reply(frame);
    }
  });
  for (int i = 0; i < calls; ++i) EXPECT_THAT(NoopCall().run(*link.connection), Succeeds());
  agent.join();
  return told;
}

TEST(CallerProcessor, IsToldToAnAgentOnThisMachine) {
  std::thread([] {
    const std::vector<int> all = processors();
    run_on(all.front());
    Link link;
    link.agent.show_advice();
    EXPECT_THAT(told_during(link, 3 * kEnough), testing::ElementsAre(all.front()));
    EXPECT_THAT(told_during(link, 3 * kEnough), testing::IsEmpty());
    if (all.size() < 2) return;  // there is nowhere to go
    run_on(all.back());
    EXPECT_THAT(told_during(link, 3 * kEnough), testing::ElementsAre(all.back()));
  }).join();
}

}  // namespace
}  // namespace vac::remote
