// SPDX-License-Identifier: Apache-2.0
// The plugin through its ABI. Every test compares answers: whatever an input changes must show in
// them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <vac/plugin.hpp>

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "fill.hpp"
#include "mixer.hpp"
#include "support/fake_host.hpp"

namespace {

using testing::Each;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;
using vac::noop::Mixer;
using vac::noop::Stream;
using vac::test::FakeCall;
using vac::test::FakeHost;
using vac::test::GivenOutput;
using vac::test::OpenPlugin;

using Outputs = std::map<std::pair<std::uint32_t, std::uint32_t>, GivenOutput>;

const vac_plugin* table() { return vac_plugin_entry(VAC_ABI_MAJOR, VAC_ABI_MINOR); }

/// A resource of that digest and those options, attached as long as it lives.
class Attached {
 public:
  Attached(OpenPlugin& plugin, const char* digest, const char* options) : plugin_(plugin) {
    vac_resource_view view{};
    view.struct_size = sizeof view;
    view.digest = digest;
    view.options_json = options;
    EXPECT_EQ(plugin.table().resource_attach(plugin.state(), nullptr, &view, &state_), VAC_OK);
  }
  ~Attached() { plugin_.table().resource_detach(plugin_.state(), state_); }
  Attached(const Attached&) = delete;
  Attached& operator=(const Attached&) = delete;
  void* state() const { return state_; }

 private:
  OpenPlugin& plugin_;
  void* state_ = nullptr;
};

/// Builds a call of minmax with outputs of any size, and gives them all.
Outputs minmax(const std::vector<double>& data, std::int32_t low, std::int32_t high) {
  FakeHost host;
  OpenPlugin plugin(host, table());
  FakeCall call(host, vac::ops::Minmax::id);
  call.array(VAC_F64, data.data(), data.size() * sizeof(double));
  call.scalar(VAC_I32, std::bit_cast<std::uint32_t>(low));
  call.scalar(VAC_I32, std::bit_cast<std::uint32_t>(high));
  call.out_array(VAC_F64, nullptr, VAC_ANY_BYTES).out_scalar(VAC_F64).out_scalar(VAC_F64);
  EXPECT_EQ(plugin.submit(call), VAC_OK) << host.error;
  Outputs outputs = host.outputs;
  for (const std::uint32_t i : {4U, 5U}) {
    const std::uint64_t bits = call.record(i).value;
    EXPECT_TRUE(std::isfinite(std::bit_cast<double>(bits)));
    outputs[{i, 0}].data.resize(8);
    std::memcpy(outputs[{i, 0}].data.data(), &bits, 8);
  }
  return outputs;
}

TEST(Noop, OffersEveryOperationWithoutALimit) {
  FakeHost host;
  OpenPlugin plugin(host, table());
  for (const std::uint32_t op : vac::ops::kPublicIds) {
    const auto offer = plugin.offer(op);
    ASSERT_TRUE(offer) << op;
    EXPECT_EQ(offer->concurrency, 0U);
    EXPECT_EQ(offer->flags, op == vac::ops::Noop::id ? VAC_OFFER_QUICK : 0U);
  }
}

/// An address where nothing lies: touching it ends the process.
int submit_nowhere(std::uint64_t bytes) {
  FakeHost host;
  OpenPlugin plugin(host, table());
  FakeCall call(host, vac::ops::Noop::id);
  call.array(VAC_BYTE, reinterpret_cast<const void*>(std::uintptr_t{16}), bytes);
  return plugin.submit(call);
}

TEST(Noop, NoopItselfReadsNothingSmall) { EXPECT_EQ(submit_nowhere(4095), VAC_OK); }

TEST(NoopDeathTest, NoopItselfReadsWhatIsLarge) {
  EXPECT_DEATH((void)submit_nowhere(1'000'000), "");
}

TEST(Noop, AnswersTheSameForTheSame) { EXPECT_EQ(minmax({1, 2}, 3, 4), minmax({1, 2}, 3, 4)); }

TEST(Noop, AnswersOtherwiseForEachChange) {
  const std::vector<Outputs> answers = {minmax({1, 2}, 3, 4),    minmax({1, 2.0000000001}, 3, 4),
                                        minmax({2, 1}, 3, 4),    minmax({1}, 3, 4),
                                        minmax({1, 2, 0}, 3, 4), minmax({1, 2}, -3, 4),
                                        minmax({1, 2}, 3, 5),    minmax({}, 3, 4),
                                        minmax({1, 2}, 4, 3)};
  for (std::size_t i = 0; i < answers.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      for (const std::uint32_t output : {4U, 5U}) {
        EXPECT_NE(answers[i].at({output, 0}), answers[j].at({output, 0})) << i << " and " << j;
      }
    }
  }
}

TEST(Noop, EveryByteOfALargeArrayCounts) {
  std::set<std::string> answers;
  std::vector<float> a(1000);
  const auto answer = [&a] {
    FakeHost host;
    OpenPlugin plugin(host, table());
    FakeCall call(host, vac::ops::FpgaVadd::id);
    std::vector<float> c(2);
    call.array(VAC_F32, a.data(), 4000).array(VAC_F32, nullptr, 0).out_array(VAC_F32, c.data(), 8);
    EXPECT_EQ(plugin.submit(call), VAC_OK);
    return std::string(reinterpret_cast<const char*>(c.data()), 8);
  };
  answers.insert(answer());
  auto* bytes = reinterpret_cast<unsigned char*>(a.data());
  for (std::size_t i = 0; i < 4000; ++i) {
    bytes[i] ^= 0x80U;
    answers.insert(answer());
    bytes[i] ^= 0x80U;
  }
  EXPECT_EQ(answers.size(), 4001U);
}

TEST(Noop, FillsArraysToTheirCapacity) {
  FakeHost host;
  OpenPlugin plugin(host, table());
  std::vector<float> add(5, NAN);
  std::vector<float> mult(3, NAN);
  FakeCall call(host, vac::ops::FpgaParallel::id);
  call.array(VAC_F32, nullptr, 0).array(VAC_F32, nullptr, 0);
  call.out_array(VAC_F32, add.data(), 18).out_array(VAC_F32, mult.data(), 12);
  EXPECT_EQ(plugin.submit(call), VAC_OK);
  EXPECT_EQ(call.record(2).bytes, 16U) << "whole elements";
  EXPECT_TRUE(std::isnan(add[4]));
  add.resize(4);
  EXPECT_THAT(add, Each(testing::AllOf(testing::Ge(1.0F), testing::Lt(2.0F))));
  EXPECT_EQ(call.record(3).bytes, 12U);
  EXPECT_NE(std::vector(add.begin(), add.begin() + 3), mult);
}

TEST(Noop, ChangesWhatIsInPlaceAndKeepsItFinite) {
  FakeHost host;
  OpenPlugin plugin(host, table());
  std::vector<float> c = {0, 1, -2, 1e30F};
  const std::vector<float> before = c;
  const std::vector<float> a = {1};
  FakeCall call(host, vac::ops::Sgemm::id);
  call.scalar(VAC_I64, 1).scalar(VAC_I64, 1).scalar(VAC_I64, 1).scalar(VAC_F32, 0);
  call.array(VAC_F32, a.data(), 4)
      .scalar(VAC_I64, 1)
      .array(VAC_F32, a.data(), 4)
      .scalar(VAC_I64, 1);
  call.scalar(VAC_F32, 0).array(VAC_F32, c.data(), 16, VAC_INOUT).scalar(VAC_I64, 1);
  EXPECT_EQ(plugin.submit(call), VAC_OK);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_NE(c[i], before[i]);
    EXPECT_TRUE(std::isfinite(c[i]));
  }
}

/// image_classify with or without its optional arguments.
std::string classify(void* model, bool picture, std::uint64_t text_capacity = VAC_ANY_BYTES) {
  FakeHost host;
  OpenPlugin plugin(host, table());
  FakeCall call(host, vac::ops::ImageClassify::id);
  if (model == nullptr) {
    call.absent(VAC_RESOURCE, VAC_IN);
  } else {
    call.resource(model);
  }
  call.array(VAC_BYTE, "png", 3).scalar(VAC_U32, 5);
  call.out_array(VAC_CHAR, nullptr, text_capacity);
  if (picture) {
    call.out_array(VAC_BYTE, nullptr, VAC_ANY_BYTES);
  } else {
    call.absent(VAC_BYTE, VAC_OUT);
  }
  EXPECT_EQ(plugin.submit(call), VAC_OK) << host.error;
  EXPECT_EQ(host.outputs.contains({4, 0}), picture);
  const auto& text = host.outputs[{3, 0}].data;
  return {reinterpret_cast<const char*>(text.data()), text.size()};
}

TEST(Noop, TellsResourcesByDigestAndOptions) {
  FakeHost host;
  OpenPlugin plugin(host, table());
  const Attached one(plugin, "abc", "{}");
  const Attached same(plugin, "abc", "{}");
  const Attached other_digest(plugin, "abd", "{}");
  const Attached other_options(plugin, "abc", R"({"threads":1})");
  EXPECT_EQ(classify(one.state(), false), classify(same.state(), false));
  const std::set<std::string> answers = {
      classify(one.state(), false), classify(other_digest.state(), false),
      classify(other_options.state(), false), classify(nullptr, false)};
  EXPECT_EQ(answers.size(), 4U);
}

TEST(Noop, TellsWhichOptionalOutputsAreWanted) {
  EXPECT_NE(classify(nullptr, true), classify(nullptr, false));
}

TEST(Noop, TextIsPrintableAndFits) {
  const std::string any = classify(nullptr, false);
  EXPECT_THAT(any, Not(IsEmpty()));
  EXPECT_THAT(any, Each(testing::AllOf(testing::Ge(' '), testing::Le('~'))));
  EXPECT_EQ(classify(nullptr, false, 1).size(), 1U);
  EXPECT_EQ(classify(nullptr, false, 0).size(), 0U);
}

TEST(Noop, DescribesModelsInJson) {
  FakeHost host;
  OpenPlugin plugin(host, table());
  const Attached model(plugin, "abc", "{}");
  FakeCall call(host, vac::ops::ModelDescribe::id);
  call.resource(model.state()).out_array(VAC_CHAR, nullptr, VAC_ANY_BYTES);
  EXPECT_EQ(plugin.submit(call), VAC_OK);
  const auto& data = host.outputs[{1, 0}].data;
  const std::string json(reinterpret_cast<const char*>(data.data()), data.size());
  EXPECT_THAT(json, testing::MatchesRegex(
                        R"(\{"framework":"noop","inputs":\[\{"name":"x[0-9]+","type":"f32",)"
                        R"("shape":\[1,[0-9]+\]\}\],"outputs":\[\{"name":"y","type":"f32",)"
                        R"("shape":null\}\],"hash":"[0-9a-f]+"\})"));
}

/// model_run: what its list of outputs holds.
class ModelRun : public testing::Test {
 protected:
  void start(FakeCall& call) {
    call.resource(model_.state()).list(1).text("x").list(1).tensor(VAC_F32, {2}, data_.data(), 8);
    call.list(0).absent(VAC_BYTE, VAC_IN);
  }
  FakeHost host_;
  OpenPlugin plugin_{host_, table()};
  Attached model_{plugin_, "abc", "{}"};
  std::vector<float> data_ = {1, 2};
};

TEST_F(ModelRun, MakesTensorsWhereAnyNumberWillDo) {
  FakeCall call(host_, vac::ops::ModelRun::id);
  start(call);
  call.list(VAC_ANY_COUNT, VAC_OUT);
  ASSERT_EQ(plugin_.submit(call), VAC_OK) << host_.error;
  EXPECT_GE(host_.outputs.size(), 1U);
  EXPECT_LE(host_.outputs.size(), 3U);
  std::uint32_t child = 0;
  for (const auto& [place, tensor] : host_.outputs) {
    EXPECT_EQ(place, std::pair(5U, child++));
    std::size_t bytes = vac::noop::width_of(tensor.type);
    for (const std::int64_t dim : tensor.dims) bytes *= static_cast<std::size_t>(dim);
    EXPECT_EQ(tensor.data.size(), bytes);
  }
}

TEST_F(ModelRun, FillsTheCallersOwnTensors) {
  FakeCall call(host_, vac::ops::ModelRun::id);
  start(call);
  std::vector<std::uint8_t> own(7);
  call.list(2, VAC_OUT).out_tensor(own.data(), 7).out_tensor();
  ASSERT_EQ(plugin_.submit(call), VAC_OK) << host_.error;
  EXPECT_EQ(host_.outputs.size(), 2U);
  EXPECT_EQ((host_.outputs[{5, 0}].type), VAC_U8);
  EXPECT_THAT((host_.outputs[{5, 0}].dims), ElementsAre(7));
}

TEST_F(ModelRun, ShapesAndNamesCount) {
  std::set<std::vector<std::byte>> answers;
  const std::vector<std::function<void(FakeCall&)>> variants = {
      [&](FakeCall& c) {
        c.list(1).text("x").list(1).tensor(VAC_F32, {2}, data_.data(), 8).list(0);
      },
      [&](FakeCall& c) {
        c.list(1).text("y").list(1).tensor(VAC_F32, {2}, data_.data(), 8).list(0);
      },
      [&](FakeCall& c) {
        c.list(1).text("x").list(1).tensor(VAC_F32, {2, 1}, data_.data(), 8).list(0);
      },
      [&](FakeCall& c) {
        c.list(1).text("x").list(1).tensor(VAC_F32, {1, 2}, data_.data(), 8).list(0);
      },
      [&](FakeCall& c) {
        c.list(1).text("x").list(1).tensor(VAC_I32, {2}, data_.data(), 8).list(0);
      },
      [&](FakeCall& c) { c.list(0).list(1).tensor(VAC_F32, {2}, data_.data(), 8).list(0); },
      [&](FakeCall& c) {
        c.list(0).list(1).tensor(VAC_F32, {2}, data_.data(), 8).list(1).text("x");
      },
      [&](FakeCall& c) { c.list(1).text("x").list(0).list(0); }};
  for (const auto& variant : variants) {
    host_.outputs.clear();
    FakeCall call(host_, vac::ops::ModelRun::id);
    call.resource(model_.state());
    variant(call);
    call.absent(VAC_BYTE, VAC_IN).list(1, VAC_OUT).out_tensor(data_.data(), 8);
    ASSERT_EQ(plugin_.submit(call), VAC_OK) << host_.error;
    answers.insert(host_.outputs[{5, 0}].data);
  }
  EXPECT_EQ(answers.size(), variants.size());
}

TEST(Noop, ChangesLeavesOfEveryForm) {
  FakeHost host;
  OpenPlugin plugin(host, table());
  std::string text = "hello";
  std::vector<double> numbers = {1, 2};
  std::vector<std::uint8_t> flags(64, 1);
  FakeCall call(host, vac::ops::Opencv::id);
  call.list(1).scalar(VAC_I32, 3).tag(1).list(4, VAC_INOUT).scalar(VAC_I16, 5).tag(2);
  call.array(VAC_CHAR, text.data(), 5, VAC_INOUT).array(VAC_BOOL, flags.data(), 64, VAC_INOUT);
  call.tensor(VAC_F64, {2}, numbers.data(), 16, VAC_INOUT);
  call.record(3).dir = VAC_INOUT;
  ASSERT_EQ(plugin.submit(call), VAC_OK) << host.error;
  EXPECT_NE(call.record(3).value, 5U);
  EXPECT_LE(call.record(3).value, 0xffffU) << "zero-extended";
  EXPECT_EQ(call.record(3).count, 2U) << "the tag is the caller's";
  EXPECT_THAT(text, Each(testing::AllOf(testing::Ge(' '), testing::Le('~'))));
  EXPECT_THAT(flags, Each(testing::Le(1)));
  EXPECT_THAT(flags, testing::Contains(0));
  EXPECT_TRUE(std::isfinite(numbers[0]) && std::isfinite(numbers[1]));
  EXPECT_NE(numbers[0], 1);
}

TEST(Noop, TagsOfLeavesCount) {
  std::set<std::uint64_t> answers;
  for (const std::uint32_t tag : {0U, 1U, 2U}) {
    FakeHost host;
    OpenPlugin plugin(host, table());
    FakeCall call(host, vac::ops::Opencv::id);
    call.list(1).scalar(VAC_I32, 3).tag(tag).list(1, VAC_INOUT).scalar(VAC_U64, 5);
    call.record(3).dir = VAC_INOUT;
    EXPECT_EQ(plugin.submit(call), VAC_OK);
    answers.insert(call.record(3).value);
  }
  EXPECT_EQ(answers.size(), 3U);
}

TEST(Noop, StringTensorsKeepTheirOffsets) {
  std::vector<std::byte> data(8 + 6);
  data[0] = std::byte{6};
  std::memcpy(data.data() + 8, "abcdef", 6);
  const std::vector<std::byte> before = data;
  vac::noop::change(VAC_STRING, data.data(), data.size(), 1, Stream(1));
  EXPECT_TRUE(std::equal(data.begin(), data.begin() + 8, before.begin()));
  EXPECT_NE(data, before);
}

TEST(Noop, FailsWithoutMemory) {
  FakeHost host;
  host.out_of_memory = true;
  OpenPlugin plugin(host, table());
  FakeCall call(host, vac::ops::FpgaArraycopy::id);
  call.array(VAC_I32, nullptr, 0).out_array(VAC_I32, nullptr, VAC_ANY_BYTES);
  EXPECT_EQ(plugin.submit(call), VAC_ENOMEM);
  EXPECT_THAT(host.error, StartsWith("no memory for an output of "));
}

TEST(Mixer, LengthsCount) {
  std::set<std::uint64_t> values;
  const std::vector<std::byte> zeros(200);
  for (std::size_t size = 0; size <= zeros.size(); ++size) {
    Mixer mixer;
    mixer.bytes(zeros.data(), size);
    values.insert(mixer.value());
  }
  EXPECT_EQ(values.size(), 201U);
}

TEST(Mixer, PlaceDoesNotCount) {
  std::vector<std::byte> bytes(300, std::byte{0x5a});
  Mixer aligned;
  aligned.bytes(bytes.data(), 256);
  Mixer odd;
  odd.bytes(bytes.data() + 3, 256);
  EXPECT_EQ(aligned.value(), odd.value());
}

}  // namespace
