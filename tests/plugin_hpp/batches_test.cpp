// SPDX-License-Identifier: Apache-2.0
// Plugin::batches: what the handler of several calls sees, and what becomes of those it leaves.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <vac/plugin.hpp>

#include <deque>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "support/fake_host.hpp"

namespace {

using testing::ElementsAre;
using testing::Pair;
using vac::ops::Minmax;
using vac::test::FakeCall;
using vac::test::FakeHost;
using vac::test::OpenPlugin;

enum class Way { finish_all, refuse_the_second, leave_the_second, finish_twice, give_up, raise };

struct State {
  Way way = Way::finish_all;
  std::vector<std::size_t> batches;
  int alone = 0;
};

/// Sends each number back.
vac::Status copy(const Minmax::Args& in) {
  if (in.low > in.high) return vac::Error{vac::Errc::invalid, "'low' is above 'high'"};
  VAC_TRY(const auto out, in.result.resize(in.data.size()));
  std::copy(in.data.begin(), in.data.end(), out.begin());
  return {};
}

vac::Status one(State& state, vac::Call& /*call*/, const Minmax::Args& in) {
  ++state.alone;
  return copy(in);
}

vac::Status several(State& state, vac::Batch<Minmax>& batch) {
  state.batches.push_back(batch.size());
  if (state.way == Way::raise) throw std::runtime_error("the framework broke");
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (i == 1 && state.way == Way::leave_the_second) continue;
    if (i == 1 && state.way == Way::refuse_the_second) {
      batch[i].finish(vac::Error{vac::Errc::failed, "not this one"}.with_detail(9));
      continue;
    }
    batch[i].finish(copy(batch[i].args()));
    if (state.way == Way::finish_twice) batch[i].finish(vac::Error{vac::Errc::failed, "again"});
    if (state.way == Way::give_up) return vac::Error{vac::Errc::failed, "no more"};
  }
  return {};
}

std::uint64_t key(const vac::Call& /*call*/, const Minmax::Args& in) {
  if (in.data.size() == 2) throw std::runtime_error("two");
  return in.data.size();
}

State* opened = nullptr;

struct Batching {
  static const auto& plugin() {
    static const auto made =
        vac::Plugin<State>("batching", "1")
            .opens([](vac::Host, std::string_view) -> vac::Result<std::unique_ptr<State>> {
              auto state = std::make_unique<State>();
              opened = state.get();
              return state;
            })
            .handles<Minmax>(one, {.max_batch = 4, .batch_on_request = true})
            .batches<Minmax>(key, several)
            .handles<vac::ops::Noop>(
                [](vac::Call&, const vac::ops::Noop::Args&) -> vac::Status { return {}; });
    return made;
  }
};
struct WithoutHandler {
  static const auto& plugin() {
    static const auto made = vac::Plugin<State>("without", "1").batches<Minmax>(key, several);
    return made;
  }
};
template <class T>
const vac_plugin* table_of() {
  return vac::thunks::plugin_table<T>(VAC_ABI_MAJOR);
}

class PluginBatches : public testing::Test {
 protected:
  void add(std::vector<double> numbers, int low = 0) {
    Given& given = given_.emplace_back(std::move(numbers), host_);
    const std::size_t bytes = given.in.size() * sizeof(double);
    given.out.resize(given.in.size());
    given.call.array(VAC_F64, given.in.data(), bytes)
        .scalar(VAC_I32, static_cast<std::uint32_t>(low))
        .scalar(VAC_I32, 5)
        .out_array(VAC_F64, given.out.data(), bytes)
        .out_scalar(VAC_F64)
        .out_scalar(VAC_F64);
    calls_.push_back(&given.call.call());
  }
  int submit() { return plugin_.table().submit(plugin_.state(), calls_.data(), calls_.size()); }
  /// The codes, in the order of the calls' completion.
  std::vector<std::pair<std::size_t, int>> completed() const {
    std::vector<std::pair<std::size_t, int>> all;
    for (const auto& [call, code] : host_.completed) {
      const auto at = std::find(calls_.begin(), calls_.end(), call);
      all.emplace_back(static_cast<std::size_t>(at - calls_.begin()), code);
    }
    return all;
  }

  struct Given {
    Given(std::vector<double> numbers, FakeHost& host)
        : in(std::move(numbers)), call(host, Minmax::id) {}
    std::vector<double> in, out;
    FakeCall call;
  };
  FakeHost host_;
  OpenPlugin plugin_{host_, table_of<Batching>()};
  std::deque<Given> given_;
  std::vector<vac_call*> calls_;
};

TEST_F(PluginBatches, AreOffered) {
  const auto offer = plugin_.offer(Minmax::id);
  ASSERT_TRUE(offer);
  EXPECT_EQ(offer->max_batch, 4U);
  EXPECT_EQ(offer->flags, VAC_OFFER_BATCH_ON_REQUEST);
}

TEST_F(PluginBatches, KeyIsThatOfTheOperation) {
  ASSERT_NE(plugin_.table().batch_key, nullptr);
  add({1, 2, 3});
  add({1, 2});
  EXPECT_EQ(plugin_.table().batch_key(plugin_.state(), calls_[0]), 3U);
  EXPECT_EQ(plugin_.table().batch_key(plugin_.state(), calls_[1]), 0U) << "what throws has none";
  FakeCall noop(host_, vac::ops::Noop::id);
  EXPECT_EQ(plugin_.table().batch_key(plugin_.state(), &noop.absent(VAC_BYTE, VAC_IN).call()), 0U);
}

TEST_F(PluginBatches, GetAllCallsAndFinishEach) {
  add({1});
  add({2});
  add({3}, 9);
  EXPECT_EQ(submit(), VAC_EINPROGRESS);
  EXPECT_THAT(completed(), ElementsAre(Pair(0, VAC_OK), Pair(1, VAC_OK), Pair(2, VAC_EINVAL)));
  EXPECT_THAT(given_[1].out, ElementsAre(2));
  EXPECT_EQ(host_.error, "'low' is above 'high'");
  EXPECT_THAT(opened->batches, ElementsAre(3U));
  EXPECT_EQ(opened->alone, 0);
}

TEST_F(PluginBatches, TellWhyACallFailed) {
  opened->way = Way::refuse_the_second;
  add({1});
  add({2});
  submit();
  EXPECT_THAT(completed(), ElementsAre(Pair(0, VAC_OK), Pair(1, VAC_EIO)));
  EXPECT_EQ(host_.error, "not this one");
  EXPECT_EQ(host_.detail, 9U);
}

TEST_F(PluginBatches, FinishACallOnce) {
  opened->way = Way::finish_twice;
  add({1});
  add({2});
  submit();
  EXPECT_THAT(completed(), ElementsAre(Pair(0, VAC_OK), Pair(1, VAC_OK)));
}

TEST_F(PluginBatches, LeaveCallsToTheHandlerOfSingleOnes) {
  opened->way = Way::leave_the_second;
  add({1});
  add({2});
  add({3});
  submit();
  EXPECT_THAT(completed(), ElementsAre(Pair(0, VAC_OK), Pair(2, VAC_OK), Pair(1, VAC_OK)));
  EXPECT_THAT(given_[1].out, ElementsAre(2));
  EXPECT_EQ(opened->alone, 1);
}

TEST_F(PluginBatches, ThatFailAreRunOneByOneSoThatTheGuiltyFailsAlone) {
  for (const Way way : {Way::raise, Way::give_up}) {
    host_.completed.clear();
    given_.clear();
    calls_.clear();
    opened->way = way;
    add({1});
    add({2}, 9);
    add({3});
    EXPECT_EQ(submit(), VAC_EINPROGRESS);
    EXPECT_THAT(completed(), ElementsAre(Pair(0, VAC_OK), Pair(1, VAC_EINVAL), Pair(2, VAC_OK)));
    EXPECT_THAT(given_[2].out, ElementsAre(3));
  }
}

TEST(PluginBatchesOffer, NeedsAHandlerOfSingleCalls) {
  EXPECT_EQ(table_of<WithoutHandler>(), nullptr);
}

}  // namespace
