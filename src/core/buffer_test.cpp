// SPDX-License-Identifier: Apache-2.0
// Who gives a session's buffers, what is checked of them, and when they go back.
#include "core/buffer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <semaphore>
#include <span>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "core/session_fixture.hpp"

namespace vac::core {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using namespace fixture;  // NOLINT(google-build-using-namespace)

std::uintptr_t address(const void* memory) { return reinterpret_cast<std::uintptr_t>(memory); }

bool all_zero(const Buffer& buffer) {
  const std::span bytes(static_cast<const unsigned char*>(buffer.data()), buffer.bytes());
  return std::ranges::all_of(bytes, [](unsigned char byte) { return byte == 0; });
}

/// A plugin that lends parts of one array, and keeps what came back with which session.
struct Lender : FakePlugin {
  struct Returned {
    void* session;
    vac_buffer_view view;
  };
  alignas(64) unsigned char memory[1 << 16];
  std::vector<std::uint64_t> asked;
  std::vector<Returned> returned;

  Lender() {
    std::memset(memory, 0xee, sizeof memory);
    on_buffer_alloc = [this](void* session, std::uint64_t bytes, vac_buffer_view& view) {
      EXPECT_EQ(session, this);
      asked.push_back(bytes);
      if (bytes > sizeof memory) return VAC_ENOSPC;
      view = {memory, sizeof memory, 7};
      return VAC_OK;
    };
    on_buffer_free = [this](void* session, const vac_buffer_view& view) {
      returned.push_back({session, view});
    };
  }
  bool lies_here(const Buffer& buffer) const { return buffer.data() == memory; }
};

TEST(Buffer, OfASessionWithoutALenderIsZeroedAlignedHeap) {
  FakePlugin plugin;
  Rig rig({&plugin});
  for (const std::uint64_t bytes : {0, 1, 64, 4095, 4096, 3000001}) {
    const auto buffer = rig.session->new_buffer(bytes).value();
    ASSERT_NE(buffer->data(), nullptr);
    EXPECT_EQ(buffer->bytes(), bytes);
    EXPECT_EQ(address(buffer->data()) % (bytes < 4096 ? 64 : 4096), 0U) << bytes;
    EXPECT_TRUE(all_zero(*buffer));
  }
}

TEST(Buffer, LargerThanMemoryIsRefused) {
  FakePlugin plugin;
  Rig rig({&plugin});
  for (const std::uint64_t bytes : {UINT64_MAX, std::uint64_t{INT64_MAX}}) {
    const auto buffer = rig.session->new_buffer(bytes);
    ASSERT_FALSE(buffer);
    EXPECT_EQ(buffer.error().message(),
              "no memory for " + std::to_string(bytes) + " bytes (VAC_ENOMEM)");
  }
}

TEST(Buffer, IsLentByTheFirstPluginThatServesTheSessionAndHasTheHook) {
  FakePlugin without;
  Lender lender;
  Rig rig({&without, &lender});
  auto buffer = rig.session->new_buffer(1000).value();
  EXPECT_TRUE(lender.lies_here(*buffer));
  EXPECT_EQ(buffer->bytes(), 1000U);
  EXPECT_TRUE(all_zero(*buffer));
  EXPECT_EQ(lender.memory[1000], 0xee) << "more than asked for is not touched";
  EXPECT_THAT(lender.asked, ElementsAre(1000U));
  buffer.reset();
  ASSERT_EQ(lender.returned.size(), 1U);
  EXPECT_EQ(lender.returned[0].session, &lender);
  EXPECT_EQ(lender.returned[0].view.data, lender.memory);
  EXPECT_EQ(lender.returned[0].view.bytes, sizeof lender.memory);
  EXPECT_EQ(lender.returned[0].view.cookie, 7U);
}

TEST(Buffer, IsNotAskedOfASecondLender) {
  Lender first, second;
  first.on_buffer_alloc = [](void*, std::uint64_t, vac_buffer_view&) { return VAC_ENOSPC; };
  Rig rig({&first, &second});
  const auto buffer = rig.session->new_buffer(100).value();
  EXPECT_FALSE(second.lies_here(*buffer));
  EXPECT_THAT(second.asked, IsEmpty());
}

TEST(Buffer, IsNotAskedOfAPluginThatServesNotTheSession) {
  Lender refuses, lends;
  refuses.on_session_open = [] { return VAC_EPERM; };
  Rig rig({&refuses, &lends});
  const auto buffer = rig.session->new_buffer(100).value();
  EXPECT_THAT(refuses.asked, IsEmpty());
  EXPECT_TRUE(lends.lies_here(*buffer));
}

TEST(Buffer, OfNoBytesIsNotAskedFor) {
  Lender lender;
  Rig rig({&lender});
  EXPECT_NE(rig.session->new_buffer(0).value()->data(), nullptr);
  EXPECT_THAT(lender.asked, IsEmpty());
  EXPECT_THAT(lender.returned, IsEmpty());
}

TEST(Buffer, IsHeapWhereThePluginFails) {
  Lender lender;
  LogCapture log;
  constexpr int kCodes[] = {VAC_ENOSPC, VAC_EFBIG, VAC_ENOTSUP, VAC_EINPROGRESS, -1, 12345};
  for (const int code : kCodes) {
    lender.on_buffer_alloc = [&](void*, std::uint64_t, vac_buffer_view& view) {
      view = {lender.memory, 1 << 16, 1};
      lender.host->error(lender.host->host, nullptr, 0, "the quota is used up");
      return code;
    };
    Rig rig({&lender});
    const auto buffer = rig.session->new_buffer(100).value();
    EXPECT_FALSE(lender.lies_here(*buffer)) << code;
    EXPECT_TRUE(all_zero(*buffer));
  }
  EXPECT_THAT(lender.returned, IsEmpty()) << "nothing was lent";
  EXPECT_THAT(log.lines(), IsEmpty());
}

TEST(BadBuffer, IsGivenBackAndSaidOnce) {
  struct Case {
    std::ptrdiff_t offset;  ///< from the lender's memory; -1: NULL
    std::uint64_t bytes;
    const char* words;
  };
  for (const Case& bad : {Case{-1, 100, "gave a buffer of 100 bytes at NULL"},
                          Case{0, 99, "gave a buffer of 99 bytes where 100 were asked for"},
                          Case{32, 100, "gave a buffer that is not aligned to 64 bytes"}}) {
    Lender lender;
    unsigned char* const data = bad.offset < 0 ? nullptr : lender.memory + bad.offset;
    lender.on_buffer_alloc = [&](void*, std::uint64_t, vac_buffer_view& view) {
      view = {data, bad.bytes, 3};
      return VAC_OK;
    };
    Rig rig({&lender});
    LogCapture log;
    const auto one = rig.session->new_buffer(100).value();
    const auto other = rig.session->new_buffer(100).value();
    EXPECT_TRUE(all_zero(*one) && all_zero(*other));
    EXPECT_NE(one->data(), data);
    ASSERT_EQ(lender.returned.size(), 2U) << bad.words;
    EXPECT_EQ(lender.returned[0].session, &lender);
    EXPECT_EQ(lender.returned[0].view.data, data);
    EXPECT_EQ(lender.returned[0].view.cookie, 3U);
    EXPECT_THAT(log.lines(),
                ElementsAre(std::string("plugin 'first' ") + bad.words +
                            ": it is given back, and ordinary memory used; not said again"));
  }
}

TEST(BadBuffer, HooksThatThrowAreContained) {
  Lender lender;
  lender.on_buffer_alloc = [](void*, std::uint64_t, vac_buffer_view&) -> int {
    throw std::runtime_error("boom");
  };
  Rig rig({&lender});
  LogCapture log;
  EXPECT_TRUE(all_zero(*rig.session->new_buffer(100).value()));
  EXPECT_TRUE(all_zero(*rig.session->new_buffer(100).value()));
  EXPECT_THAT(log.lines(),
              ElementsAre("plugin 'first': the plugin threw from buffer_alloc: boom: ordinary "
                          "memory is used; not said again"));
}

TEST(BadBuffer, AFreeThatThrowsIsContained) {
  Lender lender;
  lender.on_buffer_free = [](void*, const vac_buffer_view&) { throw std::runtime_error("boom"); };
  Rig rig({&lender});
  LogCapture log;
  rig.session->new_buffer(100).value().reset();
  EXPECT_THAT(log.lines(), ElementsAre("plugin 'first' threw from buffer_free: boom"));
}

TEST(Buffer, MayOutliveItsSessionAndGoesBackWithoutIt) {
  Lender lender;
  Rig rig({&lender});
  auto buffer = rig.session->new_buffer(100).value();
  rig.session.reset();
  EXPECT_THAT(lender.returned, IsEmpty());
  std::memset(buffer->data(), 1, 100);
  buffer.reset();
  ASSERT_EQ(lender.returned.size(), 1U);
  EXPECT_EQ(lender.returned[0].session, nullptr);
  EXPECT_EQ(lender.returned[0].view.cookie, 7U);
}

TEST(Buffer, KeepsItsPluginOpenBeyondTheRuntime) {
  Lender lender;
  std::vector<const char*> events;
  lender.on_close = [&] { events.push_back("close"); };
  lender.on_buffer_free = [&](void*, const vac_buffer_view&) { events.push_back("free"); };
  std::optional<Rig> rig(std::in_place, std::vector<FakePlugin*>{&lender});
  auto one = rig->session->new_buffer(100).value();
  auto other = rig->session->new_buffer(100).value();
  rig.reset();
  one.reset();
  EXPECT_THAT(events, ElementsAre(testing::StrEq("free")));
  other.reset();
  EXPECT_THAT(events,
              ElementsAre(testing::StrEq("free"), testing::StrEq("free"), testing::StrEq("close")));
}

TEST(Buffer, FreedWithinSessionCloseGoesBackAfterIt) {
  Lender lender;
  std::unique_ptr<Buffer> buffer;
  lender.on_session_close = [&] {
    buffer.reset();
    EXPECT_THAT(lender.returned, IsEmpty()) << "while the session is being closed";
  };
  Rig rig({&lender});
  buffer = rig.session->new_buffer(100).value();
  rig.session.reset();
  ASSERT_EQ(lender.returned.size(), 1U);
  EXPECT_EQ(lender.returned[0].session, nullptr);
}

TEST(Buffer, SessionCloseWaitsForAFreeThatHasTheSession) {
  Lender lender;
  std::binary_semaphore in_free(0), go_on(0), closes(0);
  std::atomic<bool> freed{false};
  std::atomic<int> with_session{0};
  std::atomic<const unsigned char*> slow{nullptr};
  lender.on_buffer_alloc = [&, next = lender.memory](void*, std::uint64_t,
                                                     vac_buffer_view& view) mutable {
    view = {next, 64, 0};
    next += 64;
    return VAC_OK;
  };
  lender.on_buffer_free = [&](void* session, const vac_buffer_view& view) {
    if (session != nullptr) ++with_session;
    if (view.data != slow) return;
    in_free.release();
    go_on.acquire();
    freed = true;
  };
  lender.on_session_close = [&] { EXPECT_TRUE(freed); };
  Rig rig({&lender});
  auto first = rig.session->new_buffer(64).value();
  slow = static_cast<const unsigned char*>(first->data());
  std::vector<std::unique_ptr<Buffer>> others;
  for (int i = 0; i < 1000; ++i) others.push_back(rig.session->new_buffer(64).value());
  std::thread frees([&] { first.reset(); });
  in_free.acquire();
  std::thread closer([&] {
    closes.release();
    rig.session.reset();
  });
  closes.acquire();
  // A buffer that does not come back with the session says that it is being closed.
  for (int came = with_session; !others.empty(); ++came) {
    others.pop_back();
    if (with_session == came) break;
    std::this_thread::yield();
  }
  go_on.release();
  frees.join();
  closer.join();
}

TEST(Buffer, ManyAreFreedOnceWhileTheSessionIsClosed) {
  constexpr std::size_t kThreads = 4, kEach = 200;
  Lender lender;
  std::atomic<std::size_t> returned{0};
  std::atomic<bool> closed{false};
  lender.on_session_close = [&] { closed = true; };
  lender.on_buffer_free = [&](void* session, const vac_buffer_view&) {
    EXPECT_EQ(session, closed ? nullptr : static_cast<void*>(&lender));
    ++returned;
  };
  Rig rig({&lender});
  std::vector<std::unique_ptr<Buffer>> buffers;
  for (std::size_t i = 0; i < kThreads * kEach; ++i) {
    buffers.push_back(rig.session->new_buffer(64).value());
  }
  std::vector<std::thread> threads;
  for (std::size_t thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (std::size_t i = 0; i < kEach; ++i) buffers[thread * kEach + i].reset();
    });
  }
  rig.session.reset();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(returned, kThreads * kEach);
}

TEST(Buffer, OfTheParentIsLeftAloneInAChildOfFork) {
  Lender lender;
  Rig rig({&lender});
  auto buffer = rig.session->new_buffer(100).value();
  const pid_t child = ::fork();
  if (child == 0) {
    buffer.reset();
    ::_exit(lender.returned.empty() ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  buffer.reset();
  EXPECT_EQ(lender.returned.size(), 1U);
}

}  // namespace
}  // namespace vac::core
