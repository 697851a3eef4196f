// SPDX-License-Identifier: Apache-2.0
// What a client has of an agent while memory runs out in any of its threads: calls of two threads,
// waited for and submitted, an upload, shared memory. The n-th allocation fails, or all from it on,
// for each n until there is enough. Each call ends, with its result or a reason that it can have,
// and the session works on, or is lost and says so.
#include <gtest/gtest.h>
#include <stdlib.h>
#include <vac/vac.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "support/agent_process.hpp"
#include "support/starved_memory.hpp"

namespace vac {
namespace {

using test::StarvedMemory;

/// Integers: a frame that is copied, one that is sent from where it is, one whose payload follows.
constexpr std::array<std::size_t, 3> kSizes = {16, 50'000, 1'000'000};
constexpr std::size_t kModelBytes = 3'000'000;  // several pieces
constexpr std::size_t kBufferBytes = 100'000;

struct Call {
  std::vector<std::int32_t> input, output;
  std::size_t count = 0;
  vac_call_handle* handle = nullptr;
  std::atomic<unsigned> told = 0;
  bool submitted = false;
  int code = VAC_OK;

  explicit Call(std::size_t size) : input(size), output(size) {
    std::iota(input.begin(), input.end(), static_cast<std::int32_t>(size));
  }
  void submit(vac_session* session) {
    vac_call_options options{};
    options.struct_size = sizeof options;
    options.done = [](void* call, vac_call_handle*, int) { ++static_cast<Call*>(call)->told; };
    options.user = this;
    told = 0;
    code = vac_fpga_arraycopy_submit(session, &options, input.data(), input.size(), output.data(),
                                     output.size(), &count, &handle);
    submitted = handle != nullptr;
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
    EXPECT_EQ(told, submitted ? 1U : 0U);
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
      waited_by_another_.emplace_back(size);
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
    // Another one each time, which the agent lacks.
    std::iota(model_.begin(), model_.begin() + 8, static_cast<char>(++models_));
    ASSERT_EQ(vac_resource_open_bytes(session_, model_.data(), model_.size(), nullptr, &resource_),
              VAC_OK)
        << vac_error_message();
  }
  void close() {
    vac_resource_close(resource_);
    vac_session_close(session_);
    session_ = nullptr;
  }

  /// Whether there was enough.
  bool round(long room) {
    bool enough = false;
    int loaded = VAC_OK;
    int shared = VAC_OK;
    vac_buffer* buffer = nullptr;
    std::atomic<bool> begins{false};
    std::thread another([&] {
      begins.wait(false);
      for (Call& call : waited_by_another_) call.run(session_);
      loaded = vac_model_load(session_, resource_);
    });
    {
      const StarvedMemory starved(room, GetParam());
      begins = true;
      begins.notify_one();
      shared = vac_buffer_new(session_, kBufferBytes, &buffer);
      for (Call& call : submitted_) call.submit(session_);
      if (submitted_.back().handle != nullptr) vac_call_cancel(submitted_.back().handle);
      for (Call& call : waited_) call.run(session_);
      for (Call& call : submitted_) call.finish();
      another.join();
      enough = !StarvedMemory::felt();
    }
    vac_buffer_free(buffer);
    for (const int code : {loaded, shared}) {
      EXPECT_TRUE(code == VAC_OK || code == VAC_ENOMEM || code == VAC_EREMOTEIO) << code;
    }
    for (const Call& call : waited_) call.check(false);
    for (const Call& call : waited_by_another_) call.check(false);
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
      for (const Call* const call : {&waited, &submitted}) {
        EXPECT_TRUE(call->code == VAC_OK || call->code == VAC_EREMOTEIO) << vac_error_message();
        call->check(false);
        works = works && call->code == VAC_OK;
      }
    }
    EXPECT_EQ(vac_model_load(session_, resource_) == VAC_OK, works) << vac_error_message();
    return works;
  }

  test::AgentProcess agent_{{"--plugin", "reference,noop"}};
  vac_session* session_ = nullptr;
  vac_resource* resource_ = nullptr;
  std::vector<char> model_ = std::vector<char>(kModelBytes, 'm');
  unsigned models_ = 0;
  std::deque<Call> waited_, waited_by_another_, submitted_;
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
    close();
  }
  EXPECT_LT(room, kMostRounds) << "never enough";
  EXPECT_GT(room, 20);
  EXPECT_LT(lost, static_cast<std::size_t>(room)) << "no session survived";
}

TEST_P(CallsWithoutMemory, OpenASessionWhenThereIsEnough) {
  constexpr long kMostRounds = 10'000;
  long room = 0;
  for (int code = VAC_ENOMEM; code != VAC_OK && room < kMostRounds; ++room) {
    {
      const StarvedMemory starved(room, GetParam());
      code = vac_session_open(agent_.address().c_str(), R"({"timeout_ms":60000})", &session_);
    }
    if (code != VAC_OK) {
      EXPECT_EQ(code, VAC_ENOMEM) << room << ": " << vac_error_message();
    }
    if (HasFailure()) return;
  }
  EXPECT_GT(room, 5);
  EXPECT_EQ(vac_noop(session_, "data", 4), VAC_OK) << vac_error_message();
}

INSTANTIATE_TEST_SUITE_P(One, CallsWithoutMemory, testing::Values(StarvedMemory::Fails::one));
INSTANTIATE_TEST_SUITE_P(All, CallsWithoutMemory, testing::Values(StarvedMemory::Fails::all));

}  // namespace
}  // namespace vac
