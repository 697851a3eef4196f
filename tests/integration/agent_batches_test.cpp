// SPDX-License-Identifier: Apache-2.0
// Batches of models in a real agent. It waits for as many calls as make a batch, so that a test
// decides which run together: one second, which nothing here takes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/json_text.hpp"
#include "support/agent_process.hpp"
#include "support/raw_client.hpp"
#include "support/resource_calls.hpp"
#include "support/test_paths.hpp"

namespace vac {
namespace {

using test::BuiltCall;
using test::load_model;
using test::RawClient;
using test::RawFrame;
using test::RawReply;
using testing::HasSubstr;

constexpr std::size_t kCalls = 6;

/// What one call brought.
struct Answer {
  int code = VAC_OK;
  std::string text;
  std::vector<std::vector<std::byte>> outputs;

  bool operator==(const Answer&) const = default;
};

/// An agent, and a client of it that has opened a model.
class Side {
 public:
  explicit Side(const std::string& settings)
      : agent_(
            {"--plugin", "torch", "--models", (test::build_directory() / "test-models").string()},
            "[[listen]]\naddress = \"ADDRESS\"\n[plugin.torch]\n" + settings),
        client_(RawClient::greeted(agent_.address())) {}
  ~Side() { EXPECT_EQ(agent_.stop(), 0) << agent_.log(); }
  Side(const Side&) = delete;
  Side& operator=(const Side&) = delete;

  void open(const std::string& model, const std::string& options) {
    BuiltCall open(find_op("resource_open")->id);
    open.string("model://" + model).string(options);
    open.out_scalar(VAC_U64).out_array(VAC_CHAR, VAC_ANY_BYTES);
    const RawReply opened = client_.run(open);
    ASSERT_EQ(opened.code(), VAC_OK) << opened.text();
    model_ = opened.scalar(2);
    ASSERT_EQ(load_model(client_, model_).code(), VAC_OK);
  }

  struct Input {
    std::vector<std::int64_t> dims;
    std::vector<float> values;
  };
  BuiltCall call(const std::vector<Input>& inputs, const std::vector<std::string>& names) const {
    BuiltCall call(find_op("model_run")->id);
    call.resource(model_).list(VAC_IN, static_cast<std::uint32_t>(names.size()));
    for (const std::string& name : names) call.string(name);
    call.list(VAC_IN, static_cast<std::uint32_t>(inputs.size()));
    for (const Input& input : inputs) {
      call.tensor(VAC_F32, input.dims, std::as_bytes(std::span(input.values)));
    }
    call.list(VAC_IN, 0).absent(VAC_BYTE, VAC_IN).list(VAC_OUT, VAC_ANY_COUNT);
    return call;
  }
  /// All calls are sent before the first answer is read.
  std::vector<Answer> run(std::vector<BuiltCall> calls, std::uint32_t outputs) {
    const std::uint64_t first = client_.next_request();
    for (BuiltCall& call : calls) client_.call(call);
    std::vector<Answer> answers(calls.size());
    for (std::size_t i = 0; i < calls.size(); ++i) {
      RawFrame frame = client_.receive();
      const auto which = static_cast<std::size_t>(frame.header.request - first);
      const RawReply reply(std::move(frame), calls.at(which));
      Answer& answer = answers.at(which);
      answer.code = reply.code();
      if (reply.code() != VAC_OK) answer.text = reply.text();
      for (std::uint32_t child = 0; child < outputs && reply.code() == VAC_OK; ++child) {
        const auto data = reply.data(5, child);
        answer.outputs.emplace_back(data.begin(), data.end());
      }
    }
    return answers;
  }
  /// How many calls have run together with others.
  std::int64_t batched() {
    BuiltCall info(find_op("info")->id);
    info.out_array(VAC_CHAR, VAC_ANY_BYTES);
    const RawReply reply = client_.run(info);
    const auto text = reply.data(0);
    const JsonValue json =
        parse_json({reinterpret_cast<const char*>(text.data()), text.size()}).value();
    return json.find("this_connection")->find("batched")->as_i64().value();
  }

 private:
  test::AgentProcess agent_;
  RawClient client_;
  std::uint64_t model_ = 0;
};

class AgentBatches : public testing::Test {
 protected:
  void open(const std::string& model, const std::string& options = "{}") {
    together_.open(model, options);
    alone_.open(model, options);
  }
  /// Numbers that are no round ones.
  static std::vector<float> numbers(std::size_t count, std::size_t seed) {
    std::vector<float> values(count);
    for (std::size_t i = 0; i < count; ++i) {
      values[i] = std::sin(static_cast<float>(1 + i + 100 * seed));
    }
    return values;
  }
  /// Runs kCalls calls on both sides; `make` gives the inputs of one by its number.
  template <class Make>
  void run(const Make& make, std::uint32_t outputs = 1,
           const std::vector<std::string>& names = {}) {
    for (Side* side : {&together_, &alone_}) {
      std::vector<BuiltCall> calls;
      for (std::size_t i = 0; i < kCalls; ++i) calls.push_back(side->call(make(i), names));
      (side == &together_ ? batched_ : single_) = side->run(std::move(calls), outputs);
    }
    ASSERT_EQ(batched_.size(), kCalls);
  }
  void expect_equal_and_good() {
    EXPECT_TRUE(batched_ == single_);
    for (const Answer& answer : batched_) EXPECT_EQ(answer.code, VAC_OK) << answer.text;
  }

  Side together_{"slots = 1\nmax_batch = 6\nmax_delay_us = 1000000\n"};
  Side alone_{"slots = 1\n"};
  std::vector<Answer> batched_, single_;
};

TEST_F(AgentBatches, GiveTheResultsOfSingleCallsBitForBit) {
  open("scale_add");
  run([](std::size_t i) {
    const auto rows = static_cast<std::int64_t>(1 + i % 3);
    return std::vector<Side::Input>{{{rows, 3}, numbers(3 * static_cast<std::size_t>(rows), i)}};
  });
  expect_equal_and_good();
  EXPECT_EQ(together_.batched(), kCalls);
  EXPECT_EQ(alone_.batched(), 0);
}

TEST_F(AgentBatches, TakeModelsOfSeveralInputsAndOutputs) {
  const auto two = [](std::size_t i) {
    const std::size_t rows = 1 + i;
    const std::vector<std::int64_t> dims = {static_cast<std::int64_t>(rows)};
    return std::vector<Side::Input>{{dims, numbers(rows, i)}, {dims, numbers(rows, 50 + i)}};
  };
  open("tuple");
  run(two, 2);
  expect_equal_and_good();
  open("dictionary");
  run(two, 2, {"a", "b"});
  expect_equal_and_good();
  EXPECT_EQ(together_.batched(), 2 * kCalls);
}

TEST_F(AgentBatches, TakePictures) {
  open("mean_colour");
  run([](std::size_t i) { return std::vector<Side::Input>{{{1, 3, 8, 8}, numbers(192, i)}}; });
  expect_equal_and_good();
  EXPECT_EQ(together_.batched(), kCalls);
}

TEST_F(AgentBatches, AreRunOneByOneWhereTheModelFailsSoThatTheGuiltyFailsAlone) {
  open("picky");
  run([](std::size_t i) {
    std::vector<float> values = {1, 2, static_cast<float>(i)};
    if (i == 2) values[1] = -1;
    return std::vector<Side::Input>{{{1, 3}, values}};
  });
  EXPECT_EQ(together_.batched(), kCalls) << "they came in one submit";
  EXPECT_TRUE(batched_ == single_);
  for (std::size_t i = 0; i < kCalls; ++i) {
    EXPECT_EQ(batched_[i].code, i == 2 ? VAC_EIO : VAC_OK) << batched_[i].text;
  }
  EXPECT_THAT(batched_[2].text, HasSubstr("x is negative"));
}

TEST_F(AgentBatches, AreNoneOfAModelThatDoesNotAnswerRowByRow) {
  for (const char* model : {"sum_of_rows", "two_rows"}) {
    open(model);
    const std::int64_t before = together_.batched();
    for (int round = 0; round < 2; ++round) {
      run([](std::size_t i) { return std::vector<Side::Input>{{{2, 3}, numbers(6, i)}}; });
      expect_equal_and_good();
    }
    EXPECT_EQ(together_.batched() - before, kCalls) << "tried once, " << model;
  }
}

TEST_F(AgentBatches, AreNoneWhereTheModelsOptionSaysSo) {
  open("scale_add", R"({"max_batch":1})");
  run([](std::size_t i) { return std::vector<Side::Input>{{{1, 3}, numbers(3, i)}}; });
  expect_equal_and_good();
  EXPECT_EQ(together_.batched(), 0);
}

TEST_F(AgentBatches, AreCutToTheModelsOption) {
  open("scale_add", R"({"max_batch":4})");  // four, and two
  run([](std::size_t i) { return std::vector<Side::Input>{{{1, 3}, numbers(3, i)}}; });
  expect_equal_and_good();
  EXPECT_EQ(together_.batched(), kCalls);
}

}  // namespace
}  // namespace vac
