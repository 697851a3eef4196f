// SPDX-License-Identifier: Apache-2.0
// Each kind of argument, read and written by the classes that generated Args are made of.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <vac/plugin.hpp>

#include <bit>
#include <string>
#include <string_view>
#include <vector>

#include "support/fake_host.hpp"

namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using vac::ArgReader;
using vac::Call;
using vac::test::FakeCall;
using vac::test::FakeHost;

/// A call of no operation in particular, and a reader at its start.
struct Arguments {
  FakeHost host;
  FakeCall fake{host, 9000};

  ArgReader reader() {
    call.emplace(fake.call(), *host.table());
    return ArgReader(*call);
  }
  std::optional<Call> call;
};

TEST(ArgReader, ReadsScalarsOfEachWidth) {
  Arguments a;
  a.fake.scalar(VAC_BOOL, 1)
      .scalar(VAC_I8, 0xff)
      .scalar(VAC_I32, 0xfffffffe)
      .scalar(VAC_U64, 1ULL << 63U);
  a.fake.scalar(VAC_F32, std::bit_cast<std::uint32_t>(1.5F))
      .scalar(VAC_F64, std::bit_cast<std::uint64_t>(-2.5));
  ArgReader reader = a.reader();
  EXPECT_TRUE(reader.scalar<bool>());
  EXPECT_EQ(reader.scalar<std::int8_t>(), -1);
  EXPECT_EQ(reader.scalar<std::int32_t>(), -2);
  EXPECT_EQ(reader.scalar<std::uint64_t>(), 1ULL << 63U);
  EXPECT_EQ(reader.scalar<float>(), 1.5F);
  EXPECT_EQ(reader.scalar<double>(), -2.5);
}

TEST(ArgReader, ReadsAbsentArgumentsAsNothing) {
  Arguments a;
  a.fake.absent(VAC_I32, VAC_IN).absent(VAC_F32, VAC_IN).absent(VAC_CHAR, VAC_IN);
  a.fake.absent(VAC_NONE, VAC_IN).absent(VAC_RESOURCE, VAC_IN).absent(VAC_F64, VAC_OUT);
  a.fake.absent(VAC_BYTE, VAC_OUT).absent(VAC_CHAR, VAC_OUT).absent(VAC_NONE, VAC_OUT);
  ArgReader reader = a.reader();
  EXPECT_FALSE(reader.optional_scalar<std::int32_t>());
  EXPECT_FALSE(reader.optional_array<const float>());
  EXPECT_FALSE(reader.optional_text());
  EXPECT_FALSE(reader.optional_tensor<vac::TensorView>());
  EXPECT_FALSE(reader.resource());
  const auto scalar = reader.out_scalar<double>();
  const auto bytes = reader.out<vac::OutBytes>();
  const auto text = reader.out<vac::OutText>();
  const auto tensor = reader.out<vac::OutTensor>();
  EXPECT_FALSE(scalar || bytes || text || tensor);
  scalar.set(1);  // does nothing
  EXPECT_TRUE(bytes.assign({}));
  EXPECT_TRUE(text.assign("unwanted"));
  EXPECT_TRUE(a.host.outputs.empty());
}

TEST(ArgReader, TellsEmptyFromAbsent) {
  Arguments a;
  a.fake.array(VAC_F32, "", 0).text("").scalar(VAC_I32, 0);
  ArgReader reader = a.reader();
  const auto array = reader.optional_array<const float>();
  ASSERT_TRUE(array);
  EXPECT_THAT(*array, IsEmpty());
  EXPECT_EQ(reader.optional_text(), "");
  EXPECT_EQ(reader.optional_scalar<std::int32_t>(), 0);
}

TEST(ArgReader, ReadsTensors) {
  Arguments a;
  const std::vector<float> data = {1, 2, 3, 4, 5, 6};
  a.fake.tensor(VAC_F32, {2, 3}, data.data(), 24).tensor(VAC_F32, {}, data.data(), 4);
  ArgReader reader = a.reader();
  const auto matrix = reader.tensor<vac::TensorView>();
  EXPECT_EQ(matrix.type, VAC_F32);
  EXPECT_THAT(matrix.dims, ElementsAre(2, 3));
  EXPECT_THAT(matrix.as<float>(), ElementsAre(1, 2, 3, 4, 5, 6));
  const auto number = reader.tensor<vac::TensorView>();
  EXPECT_THAT(number.dims, IsEmpty());
  EXPECT_THAT(number.as<float>(), ElementsAre(1));
}

TEST(ArgReader, WalksListsAndWhatFollows) {
  Arguments a;
  const std::vector<std::int64_t> data = {7, 8};
  a.fake.list(2).text("first").text("").list(0).list(2);
  a.fake.tensor(VAC_I64, {2}, data.data(), 16)
      .tensor(VAC_I64, {1, 1}, data.data(), 8)
      .scalar(VAC_U8, 9);
  ArgReader reader = a.reader();
  const auto names = reader.list<vac::StringList>();
  EXPECT_THAT(std::vector<std::string_view>(names.begin(), names.end()), ElementsAre("first", ""));
  EXPECT_TRUE(reader.list<vac::StringList>().empty());
  const auto tensors = reader.list<vac::TensorList>();
  ASSERT_EQ(tensors.size(), 2U);
  EXPECT_THAT(tensors[0].as<std::int64_t>(), ElementsAre(7, 8));
  EXPECT_THAT(tensors[1].dims, ElementsAre(1, 1));
  EXPECT_EQ(reader.scalar<std::uint8_t>(), 9);
}

TEST(ArgReader, ReadsLeavesOfAnyKind) {
  Arguments a;
  const std::vector<std::int32_t> data = {1, 2};
  a.fake.list(3).scalar(VAC_I32, 5).tag(11).array(VAC_I32, data.data(), 8);
  a.fake.tensor(VAC_I32, {2}, data.data(), 8).tag(0xffffffff);
  const auto values = a.reader().list<vac::ValueList>();
  ASSERT_EQ(values.size(), 3U);
  EXPECT_EQ(values[0].form, VAC_SCALAR);
  EXPECT_EQ(values[0].tag, 11U);
  EXPECT_EQ(values[0].bytes, 4U);
  EXPECT_EQ(*static_cast<std::int32_t*>(values[0].data), 5);
  EXPECT_EQ(values[1].data, data.data());
  EXPECT_EQ(values[1].dims, nullptr);
  EXPECT_EQ(values[2].tag, 0xffffffffU);
  EXPECT_EQ(values[2].rank, 1);
  EXPECT_EQ(values[2].dims[0], 2);
}

TEST(ArgReader, ChangesInPlace) {
  Arguments a;
  std::vector<float> array = {1, 2};
  std::vector<float> tensor = {3};
  a.fake.array(VAC_F32, array.data(), 8, VAC_INOUT)
      .tensor(VAC_F32, {1}, tensor.data(), 4, VAC_INOUT);
  a.fake.list(1, VAC_INOUT).scalar(VAC_F32, 0);
  a.fake.record(3).dir = VAC_INOUT;
  ArgReader reader = a.reader();
  reader.array<float>()[1] = 20;
  reader.tensor<vac::MutableTensorView>().as<float>()[0] = 30;
  const vac_value leaf = reader.list<vac::ValueList>()[0];
  *static_cast<float*>(leaf.data) = 40;
  EXPECT_THAT(array, ElementsAre(1, 20));
  EXPECT_THAT(tensor, ElementsAre(30));
  EXPECT_EQ(a.fake.record(3).value, std::bit_cast<std::uint32_t>(40.0F));
}

TEST(OutScalar, ZeroExtends) {
  Arguments a;
  a.fake.out_scalar(VAC_I8).out_scalar(VAC_BOOL);
  a.fake.record(0).value = ~0ULL;
  ArgReader reader = a.reader();
  reader.out_scalar<std::int8_t>().set(-1);
  reader.out_scalar<bool>().set(true);
  EXPECT_EQ(a.fake.record(0).value, 0xffU);
  EXPECT_EQ(a.fake.record(1).value, 1U);
}

TEST(OutArray, IsWrittenInPlaceWhereItFits) {
  Arguments a;
  std::vector<std::int32_t> room(4);
  a.fake.out_array(VAC_I32, room.data(), 16);
  const auto out = a.reader().out<vac::OutArray<std::int32_t>>();
  EXPECT_EQ(out.capacity(), 4U);
  EXPECT_TRUE(out.assign(std::vector<std::int32_t>{1, 2}));
  EXPECT_THAT(room, ElementsAre(1, 2, 0, 0));
  EXPECT_EQ(a.fake.record(0).bytes, 8U);
  EXPECT_TRUE(a.host.outputs.empty());
}

TEST(OutArray, AsksTheHostWhereItDoesNotFit) {
  Arguments a;
  std::vector<std::int32_t> room(1);
  a.fake.scalar(VAC_U8, 0).out_array(VAC_I32, room.data(), 4);
  ArgReader reader = a.reader();
  (void)reader.scalar<std::uint8_t>();
  EXPECT_TRUE(reader.out<vac::OutArray<std::int32_t>>().assign(std::vector<std::int32_t>{1, 2}));
  ASSERT_TRUE(a.host.outputs.contains({1, 0}));
  EXPECT_EQ(a.host.outputs[std::pair(1U, 0U)].data.size(), 8U);
  EXPECT_EQ(a.host.outputs[std::pair(1U, 0U)].type, VAC_I32);
  EXPECT_EQ(room[0], 0);
}

TEST(OutArray, AsksTheHostWhereItLiesNowhere) {
  Arguments a;
  a.fake.out_array(VAC_BYTE, nullptr, 100).out_array(VAC_CHAR, nullptr, VAC_ANY_BYTES);
  ArgReader reader = a.reader();
  EXPECT_TRUE(reader.out<vac::OutBytes>().resize(0));
  EXPECT_TRUE(reader.out<vac::OutText>().assign("text"));
  EXPECT_TRUE(a.host.outputs.contains({0, 0}));
  EXPECT_EQ(a.host.outputs[std::pair(1U, 0U)].data.size(), 4U);
}

TEST(OutArray, ReportsThatThereIsNoMemory) {
  Arguments a;
  a.host.out_of_memory = true;
  a.fake.out_array(VAC_F64, nullptr, VAC_ANY_BYTES);
  const auto out = a.reader().out<vac::OutArray<double>>();
  EXPECT_EQ(out.capacity(), std::nullopt);
  const auto room = out.resize(3);
  ASSERT_FALSE(room);
  EXPECT_EQ(room.error().code(), vac::Errc::no_memory);
  EXPECT_EQ(out.resize(SIZE_MAX / 4).error().code(), vac::Errc::invalid);
}

TEST(OutTensor, IsMadeByTheHost) {
  Arguments a;
  a.fake.out_tensor();
  const auto room = a.reader().out<vac::OutTensor>().create<float>({2, 2});
  ASSERT_TRUE(room);
  EXPECT_EQ(room->size(), 4U);
  (*room)[3] = 1;
  const auto& made = a.host.outputs[std::pair(0U, 0U)];
  EXPECT_EQ(made.type, VAC_F32);
  EXPECT_THAT(made.dims, ElementsAre(2, 2));
  EXPECT_EQ(made.data.size(), 16U);
}

TEST(OutTensors, AreMadeInAnyOrder) {
  Arguments a;
  a.fake.list(VAC_ANY_COUNT, VAC_OUT).out_scalar(VAC_U8);
  ArgReader reader = a.reader();
  const auto out = reader.out_tensors();
  EXPECT_EQ(out.wanted(), std::nullopt);
  EXPECT_TRUE(out.create<std::uint8_t>(1, {3}));
  EXPECT_TRUE(out.create(0, VAC_BF16, std::vector<std::int64_t>{2}, 4));
  reader.out_scalar<std::uint8_t>().set(1);
  EXPECT_EQ((a.host.outputs[std::pair(0U, 1U)].type), VAC_U8);
  EXPECT_EQ((a.host.outputs[std::pair(0U, 0U)].type), VAC_BF16);
  EXPECT_EQ(a.fake.record(1).value, 1U);
}

TEST(OutTensors, TellHowManyAreWanted) {
  Arguments a;
  a.fake.list(2, VAC_OUT).out_tensor().out_tensor().out_scalar(VAC_U8);
  ArgReader reader = a.reader();
  EXPECT_EQ(reader.out_tensors().wanted(), 2U);
  reader.out_scalar<std::uint8_t>().set(1);
  EXPECT_EQ(a.fake.record(3).value, 1U);
}

TEST(OutTensors, RefuseABadShape) {
  Arguments a;
  a.fake.list(VAC_ANY_COUNT, VAC_OUT);
  const auto out = a.reader().out_tensors();
  EXPECT_FALSE(out.create<float>(0, {-1}));
  EXPECT_FALSE(out.create<float>(0, {INT64_MAX, INT64_MAX}));
  EXPECT_FALSE(out.create<float>(0, {1, 1, 1, 1, 1, 1, 1, 1, 1}));
  EXPECT_TRUE(a.host.outputs.empty());
}

static_assert(vac::type_code<bool>() == VAC_BOOL && vac::type_code<float>() == VAC_F32);
static_assert(vac::type_code<std::int8_t>() == VAC_I8 && vac::type_code<std::int64_t>() == VAC_I64);
static_assert(vac::type_code<std::uint8_t>() == VAC_U8 &&
              vac::type_code<std::uint64_t>() == VAC_U64);

}  // namespace
