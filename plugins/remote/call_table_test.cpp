// SPDX-License-Identifier: Apache-2.0
#include "call_table.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace vac::remote {
namespace {

TEST(CallTable, HasAsManyPlacesAsItsCapacity) {
  for (const std::uint32_t capacity : {1U, 2U, 63U, 64U, 1000U}) {
    const auto table = std::make_unique<CallTable>(capacity);
    std::uint32_t places = 0;
    while (table->try_take() != nullptr) ++places;
    EXPECT_EQ(places, std::min(capacity, wire::kMaxCallsInFlight));
    EXPECT_FALSE(table->any_free());
  }
}

TEST(CallTable, GivesAFreedPlaceAgainWithoutItsPast) {
  const auto table = std::make_unique<CallTable>(2);
  Place* first = table->try_take();
  first->done = first->abandoned = first->lost = first->answered = first->leads = true;
  first->code = VAC_EIO;
  first->payload_left = 7;
  table->release(*first);
  Place* again = table->try_take();
  ASSERT_EQ(again, first);
  EXPECT_FALSE(again->done || again->abandoned || again->lost || again->answered || again->leads);
  EXPECT_EQ(again->code, VAC_OK);
  EXPECT_EQ(again->payload_left, 0u);
}

TEST(CallTable, NumbersRequestsUpwardsAndFindsThem) {
  const auto table = std::make_unique<CallTable>(3);
  std::uint64_t last = 0;
  for (int round = 0; round < 100; ++round) {
    Place* a = table->try_take();
    Place* b = table->try_take();
    table->number(*b);
    table->number(*a);
    EXPECT_GT(b->request, last);
    EXPECT_GT(a->request, b->request);
    last = a->request;
    EXPECT_EQ(table->find(a->request), a);
    EXPECT_EQ(table->find(b->request), b);
    EXPECT_EQ(table->find(a->request + 64), nullptr);
    table->release(*a);
    EXPECT_EQ(table->find(last), nullptr);
    table->release(*b);
  }
  EXPECT_EQ(table->find(0), nullptr);
  EXPECT_EQ(table->find(UINT64_MAX), nullptr);
}

TEST(CallTable, GivesTheLeadOnceToEachWhoWaits) {
  const auto table = std::make_unique<CallTable>(4);
  Place* a = table->try_take();
  Place* b = table->try_take();
  Place* c = table->try_take();
  table->set_waiting(*a, true);
  table->set_waiting(*b, true);
  table->set_waiting(*c, true);
  table->set_waiting(*b, false);
  table->release(*c);
  EXPECT_EQ(table->take_waiting(), a);
  EXPECT_EQ(table->take_waiting(), nullptr);
}

TEST(CallTable, LetsSendersGoInTheOrderTheyCame) {
  const auto table = std::make_unique<CallTable>(5);
  std::vector<Place*> places;
  while (Place* place = table->try_take()) places.push_back(place);
  for (Place* place : places) table->queue_sender(*place);
  table->leave_senders(*places[4]);  // the last
  table->leave_senders(*places[2]);  // in the middle
  table->leave_senders(*places[2]);  // not there any more
  table->queue_sender(*places[4]);
  for (const std::size_t expected : {0UL, 1UL, 3UL, 4UL}) {
    Place* first = table->first_sender();
    ASSERT_EQ(first, places[expected]);
    table->leave_senders(*first);
  }
  EXPECT_EQ(table->first_sender(), nullptr);
  table->queue_sender(*places[0]);
  EXPECT_EQ(table->first_sender(), places[0]);
}

TEST(Signal, RaisedBeforeTheWaitIsNotLost) {
  Signal signal;
  signal.raise();
  EXPECT_EQ(signal.wait(std::nullopt), FutexWait::changed);
}

TEST(Signal, WaitEndsAtItsLimit) {
  Signal signal;
  EXPECT_EQ(signal.wait(now_ns() + 1'000'000), FutexWait::timed_out);
}

}  // namespace
}  // namespace vac::remote
