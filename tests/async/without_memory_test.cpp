// SPDX-License-Identifier: Apache-2.0
// Calls to an agent, waited for and submitted, while memory runs out in any thread of the client:
// the n-th allocation fails, or all from it on, for each n until there is enough. Each call ends,
// with its result or a reason that it can have, and the session works on, or is lost and says so.
#include <gtest/gtest.h>
#include <stdlib.h>
#include <vac/vac.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <numeric>
#include <vector>

#include "support/agent_process.hpp"
#include "support/starved_memory.hpp"

namespace vac {
namespace {

using test::StarvedMemory;

/// Integers: a frame that is copied, one that is sent from where it is, one whose payload follows.
constexpr std::array<std::size_t, 3> kSizes = {16, 50'000, 1'000'000};
constexpr std::size_t kCalls = 2 * kSizes.size();

struct Call {
  std::vector<std::int32_t> input, output;
  std::size_t count = 0;
  vac_call_handle* handle = nullptr;
  int code = VAC_OK;

  explicit Call(std::size_t size) : input(size), output(size) {
    std::iota(input.begin(), input.end(), static_cast<std::int32_t>(size));
  }
  void submit(vac_session* session) {
    code = vac_fpga_arraycopy_submit(session, nullptr, input.data(), input.size(), output.data(),
                                     output.size(), &count, &handle);
  }
  void finish() {
    if (handle != nullptr) code = vac_call_finish(handle);
    handle = nullptr;
  }
  void run(vac_session* session) {
    code = vac_fpga_arraycopy(session, input.data(), input.size(), output.data(), output.size(),
                              &count);
  }
  void check(bool cancelled) const {
    if (code == VAC_OK) {
      EXPECT_EQ(count, input.size());
      EXPECT_TRUE(output == input);
      return;
    }
    EXPECT_TRUE(code == VAC_ENOMEM || code == VAC_EREMOTEIO || (cancelled && code == VAC_ECANCELED))
        << code;
  }
};

class CallsWithoutMemory : public testing::TestWithParam<StarvedMemory::Fails> {
 protected:
  void SetUp() override {
    ::setenv("VAC_PLUGINS", "remote", 1);
    for (const std::size_t size : kSizes) {
      waited_.emplace_back(size);
      for (int i = 0; i < 2; ++i) submitted_.emplace_back(size);
    }
  }
  void TearDown() override {
    vac_session_close(session_);
    EXPECT_EQ(agent_.stop(), 0) << agent_.log();
  }
  void open() {
    ASSERT_EQ(vac_session_open(agent_.address().c_str(), nullptr, &session_), VAC_OK)
        << vac_error_message();
  }

  /// Whether there was enough.
  bool round(long room) {
    bool enough = false;
    {
      const StarvedMemory starved(room, GetParam());
      for (Call& call : submitted_) call.submit(session_);
      if (submitted_.back().handle != nullptr) vac_call_cancel(submitted_.back().handle);
      for (Call& call : waited_) call.run(session_);
      for (Call& call : submitted_) call.finish();
      enough = !StarvedMemory::felt();
    }
    for (const Call& call : waited_) call.check(false);
    for (const Call& call : submitted_) call.check(&call == &submitted_.back());
    return enough;
  }

  /// Whether the session works; else it is lost.
  bool works() {
    bool works = true;
    for (const std::size_t size : kSizes) {
      Call waited(size), submitted(size);
      submitted.submit(session_);
      waited.run(session_);
      submitted.finish();
      EXPECT_EQ(submitted.code == VAC_OK, waited.code == VAC_OK);
      for (const Call& call : {waited, submitted}) {
        EXPECT_TRUE(call.code == VAC_OK || call.code == VAC_EREMOTEIO) << vac_error_message();
        call.check(false);
        works = works && call.code == VAC_OK;
      }
    }
    return works;
  }

  test::AgentProcess agent_{{"--plugin", "reference"}};
  vac_session* session_ = nullptr;
  std::vector<Call> waited_, submitted_;
};

TEST_P(CallsWithoutMemory, EndEach) {
  constexpr long kMostRounds = 10'000;
  std::size_t lost = 0;
  long room = 0;
  for (bool enough = false; !enough && room < kMostRounds; ++room) {
    SCOPED_TRACE(room);
    open();
    enough = round(room);
    if (!works()) ++lost;
    if (HasFailure()) return;
    vac_session_close(session_);
    session_ = nullptr;
  }
  EXPECT_LT(room, kMostRounds) << "never enough";
  EXPECT_GT(room, 20);
  EXPECT_LT(lost, static_cast<std::size_t>(room)) << "no session survived";
}

INSTANTIATE_TEST_SUITE_P(One, CallsWithoutMemory, testing::Values(StarvedMemory::Fails::one));
INSTANTIATE_TEST_SUITE_P(All, CallsWithoutMemory, testing::Values(StarvedMemory::Fails::all));

}  // namespace
}  // namespace vac
