// SPDX-License-Identifier: Apache-2.0
// The plugin through its ABI. Times are compared from below only: nothing bounds how late a thread
// goes on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <time.h>
#include <vac/plugin.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <string>

#include "support/fake_host.hpp"

namespace {

using testing::StartsWith;
using vac::test::FakeCall;
using vac::test::FakeHost;
using vac::test::OpenPlugin;

const vac_plugin* table() { return vac_plugin_entry(VAC_ABI_MAJOR, VAC_ABI_MINOR); }

std::array<std::uint8_t, 8> little_endian(std::uint64_t value) {
  std::array<std::uint8_t, 8> bytes{};
  for (std::uint8_t& byte : bytes) {
    byte = static_cast<std::uint8_t>(value);
    value >>= 8U;
  }
  return bytes;
}

TEST(Mbench, OffersNoopAloneWithoutALimitAndNotAsQuick) {
  FakeHost host;
  OpenPlugin plugin(host, table());
  EXPECT_EQ(plugin.table().op_count, 1U);
  const auto offer = plugin.offer(vac::ops::Noop::id);
  ASSERT_TRUE(offer);
  EXPECT_EQ(offer->concurrency, 0U);
  EXPECT_EQ(offer->flags, 0U);
}

TEST(Mbench, BurnsAtLeastTheTimeThatDataSays) {
  FakeHost host;
  OpenPlugin plugin(host, table());
  for (const std::uint64_t microseconds : {0, 1, 300, 3000}) {
    const auto data = little_endian(microseconds);
    FakeCall call(host, vac::ops::Noop::id);
    call.array(VAC_BYTE, data.data(), data.size());
    timespec before{};
    timespec after{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
    const auto start = std::chrono::steady_clock::now();
    EXPECT_EQ(plugin.submit(call), VAC_OK) << host.error;
    EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::microseconds(microseconds));
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
    EXPECT_TRUE(after.tv_sec > before.tv_sec || after.tv_nsec > before.tv_nsec) << "it works";
  }
}

TEST(Mbench, EndsWhenTheCallIsCancelled) {
  FakeHost host;
  host.cancelled = true;
  OpenPlugin plugin(host, table());
  const auto data = little_endian(UINT64_MAX);
  FakeCall call(host, vac::ops::Noop::id);
  call.array(VAC_BYTE, data.data(), data.size());
  EXPECT_EQ(plugin.submit(call), VAC_ECANCELED);
  EXPECT_THAT(host.error, StartsWith("cancelled after "));
}

TEST(Mbench, RefusesDataOfAnotherSize) {
  FakeHost host;
  OpenPlugin plugin(host, table());
  const std::string data(9, 'x');
  for (const std::size_t size : {0U, 1U, 7U, 9U}) {
    FakeCall call(host, vac::ops::Noop::id);
    call.array(VAC_BYTE, data.data(), size);
    EXPECT_EQ(plugin.submit(call), VAC_EINVAL);
    EXPECT_EQ(host.error,
              "data has " + std::to_string(size) +
                  " bytes, mbench takes 8: a little-endian u64, the microseconds to burn");
  }
  FakeCall call(host, vac::ops::Noop::id);
  call.absent(VAC_BYTE, VAC_IN);
  EXPECT_EQ(plugin.submit(call), VAC_EINVAL);
  EXPECT_THAT(host.error, StartsWith("data has 0 bytes"));
}

}  // namespace
