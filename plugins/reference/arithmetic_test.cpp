// SPDX-License-Identifier: Apache-2.0
// minmax and fpga_* through the plugin's ABI.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <vac/plugin.hpp>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "support/fake_host.hpp"

namespace {

using testing::ElementsAre;
using testing::IsNan;
using vac::test::FakeCall;
using vac::test::FakeHost;
using vac::test::OpenPlugin;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// The plugin, and calls of it by plain vectors.
class Reference : public testing::Test {
 protected:
  template <class T>
  static std::uint64_t bytes(const std::vector<T>& values) {
    return values.size() * sizeof(T);
  }

  int minmax(std::vector<double>& data, std::int32_t low, std::int32_t high) {
    result_.assign(data.size(), -1);
    FakeCall call(host_, vac::ops::Minmax::id);
    call.array(VAC_F64, data.data(), bytes(data));
    call.scalar(VAC_I32, std::bit_cast<std::uint32_t>(low));
    call.scalar(VAC_I32, std::bit_cast<std::uint32_t>(high));
    call.out_array(VAC_F64, result_.data(), bytes(result_)).out_scalar(VAC_F64).out_scalar(VAC_F64);
    const int code = plugin_.submit(call);
    min_ = std::bit_cast<double>(call.record(4).value);
    max_ = std::bit_cast<double>(call.record(5).value);
    return code;
  }

  /// fpga_mmult, fpga_vadd: two vectors in, one out.
  int two_to_one(std::uint32_t op, const std::vector<float>& a, const std::vector<float>& b,
                 std::vector<float>& c) {
    FakeCall call(host_, op);
    call.array(VAC_F32, a.data(), bytes(a)).array(VAC_F32, b.data(), bytes(b));
    call.out_array(VAC_F32, c.data(), bytes(c));
    const int code = plugin_.submit(call);
    c.resize(call.record(2).bytes / sizeof(float));
    return code;
  }

  FakeHost host_;
  OpenPlugin plugin_{host_, vac_plugin_entry(VAC_ABI_MAJOR, VAC_ABI_MINOR)};
  std::vector<double> result_;
  double min_ = 0, max_ = 0;
};

using Minmax = Reference;
using Arraycopy = Reference;
using Mmult = Reference;
using Vadd = Reference;
using Parallel = Reference;

TEST_F(Minmax, LimitsToTheRangeAndFindsItsEnds) {
  std::vector<double> data = {3, -7.5, 12, 5.25};
  ASSERT_EQ(minmax(data, -2, 10), VAC_OK) << host_.error;
  EXPECT_THAT(result_, ElementsAre(3, -2, 10, 5.25));
  EXPECT_EQ(min_, -2);
  EXPECT_EQ(max_, 10);
  data = {4, 5};
  ASSERT_EQ(minmax(data, INT32_MIN, INT32_MAX), VAC_OK);
  EXPECT_EQ(min_, 4);
  EXPECT_EQ(max_, 5);
}

TEST_F(Minmax, LimitsInfinitiesAndLeavesNanAsItIs) {
  std::vector<double> data = {kNan, kInfinity, 1, -kInfinity, kNan};
  ASSERT_EQ(minmax(data, 0, 2), VAC_OK);
  EXPECT_THAT(result_, ElementsAre(IsNan(), 2, 1, 0, IsNan()));
  EXPECT_EQ(min_, 0);
  EXPECT_EQ(max_, 2);
}

TEST_F(Minmax, HasNoEndsWithoutNumbers) {
  std::vector<double> data;
  ASSERT_EQ(minmax(data, 0, 0), VAC_OK);
  EXPECT_THAT(min_, IsNan());
  EXPECT_THAT(max_, IsNan());
  data = {kNan};
  ASSERT_EQ(minmax(data, 0, 0), VAC_OK);
  EXPECT_THAT(min_, IsNan());
}

TEST_F(Minmax, RefusesARangeUpsideDown) {
  std::vector<double> data = {1};
  EXPECT_EQ(minmax(data, 3, 2), VAC_EINVAL);
  EXPECT_EQ(host_.error, "low is 3 and high 2, low must not be above high");
}

TEST_F(Arraycopy, Copies) {
  const std::vector<std::int32_t> a = {INT32_MIN, 0, 7};
  std::vector<std::int32_t> out(5, 1);
  FakeCall call(host_, vac::ops::FpgaArraycopy::id);
  call.array(VAC_I32, a.data(), bytes(a)).out_array(VAC_I32, out.data(), bytes(out));
  ASSERT_EQ(plugin_.submit(call), VAC_OK) << host_.error;
  EXPECT_THAT(out, ElementsAre(INT32_MIN, 0, 7, 1, 1));
  EXPECT_EQ(call.record(1).bytes, bytes(a)) << "as many as there were";
}

TEST_F(Arraycopy, AsksForRoomWhereThereIsTooLittle) {
  const std::vector<std::int32_t> a = {1, 2, 3};
  std::vector<std::int32_t> out(2);
  FakeCall call(host_, vac::ops::FpgaArraycopy::id);
  call.array(VAC_I32, a.data(), bytes(a)).out_array(VAC_I32, out.data(), bytes(out));
  ASSERT_EQ(plugin_.submit(call), VAC_OK) << host_.error;
  EXPECT_EQ((host_.outputs[{1, 0}].data.size()), bytes(a));
}

TEST_F(Mmult, MultipliesSquareMatrices) {
  std::vector<float> c(9, -1);
  ASSERT_EQ(two_to_one(vac::ops::FpgaMmult::id, {1, 2, 3, 4, 5, 6, 7, 8, 9},
                       {1, 0, 2, 0, 1, 0, 3, 0, 1}, c),
            VAC_OK)
      << host_.error;
  EXPECT_THAT(c, ElementsAre(10, 2, 5, 22, 5, 14, 34, 8, 23));
  c.resize(1);
  ASSERT_EQ(two_to_one(vac::ops::FpgaMmult::id, {3}, {-2}, c), VAC_OK);
  EXPECT_THAT(c, ElementsAre(-6));
  c.clear();
  EXPECT_EQ(two_to_one(vac::ops::FpgaMmult::id, {}, {}, c), VAC_OK) << "no rows, no columns";
}

TEST_F(Mmult, CarriesNanWhereItBelongs) {
  std::vector<float> c(4);
  ASSERT_EQ(two_to_one(vac::ops::FpgaMmult::id, {NAN, 0, 0, 1}, {1, 2, 3, 4}, c), VAC_OK);
  EXPECT_THAT(c, ElementsAre(IsNan(), IsNan(), 3, 4));
}

TEST_F(Mmult, RefusesWhatIsNoPairOfSquares) {
  std::vector<float> c(8);
  EXPECT_EQ(two_to_one(vac::ops::FpgaMmult::id, {1, 2}, {1, 2}, c), VAC_EINVAL);
  EXPECT_EQ(host_.error, "a has 2 values, must be those of a square matrix: 1, 4, 9, 16, ...");
  EXPECT_EQ(two_to_one(vac::ops::FpgaMmult::id, {1, 2, 3, 4}, {1}, c), VAC_EINVAL);
  EXPECT_EQ(host_.error, "a has 4 values and b 1, must have as many");
}

TEST_F(Mmult, RefusesToWriteOverWhatItReads) {
  std::vector<float> a = {1, 2, 3, 4};
  const std::vector<float> b = a;
  for (const char* name : {"a", "b"}) {
    const bool first = *name == 'a';
    FakeCall call(host_, vac::ops::FpgaMmult::id);
    call.array(VAC_F32, first ? a.data() : b.data(), 16);
    call.array(VAC_F32, first ? b.data() : a.data(), 16).out_array(VAC_F32, a.data(), 16);
    EXPECT_EQ(plugin_.submit(call), VAC_EINVAL);
    EXPECT_EQ(host_.error, std::string("c overlaps ") + name + ": give it memory of its own");
  }
  EXPECT_EQ(a, b);
}

TEST_F(Mmult, EndsWhenTheCallIsCancelled) {
  host_.cancelled = true;
  std::vector<float> c(4);
  EXPECT_EQ(two_to_one(vac::ops::FpgaMmult::id, {1, 2, 3, 4}, {1, 2, 3, 4}, c), VAC_ECANCELED);
  EXPECT_EQ(host_.error, "cancelled after 0 of 2 rows");
}

TEST_F(Vadd, AddsEachToEach) {
  std::vector<float> c(3);
  ASSERT_EQ(two_to_one(vac::ops::FpgaVadd::id, {1, 2, NAN}, {0.5, -2, 1}, c), VAC_OK);
  EXPECT_THAT(c, ElementsAre(1.5, 0, IsNan()));
}

TEST_F(Vadd, RefusesVectorsOfTwoLengths) {
  std::vector<float> c(3);
  EXPECT_EQ(two_to_one(vac::ops::FpgaVadd::id, {1, 2}, {1, 2, 3}, c), VAC_EINVAL);
  EXPECT_EQ(host_.error, "a has 2 values and b 3, must have as many");
}

TEST_F(Vadd, WorksInPlaceAndRefusesAnythingBetween) {
  std::vector<float> a = {1, 2, 3, 0};
  FakeCall in_place(host_, vac::ops::FpgaVadd::id);
  in_place.array(VAC_F32, a.data(), 12).array(VAC_F32, a.data(), 12);
  in_place.out_array(VAC_F32, a.data(), 12);
  ASSERT_EQ(plugin_.submit(in_place), VAC_OK) << host_.error;
  EXPECT_THAT(a, ElementsAre(2, 4, 6, 0));
  FakeCall shifted(host_, vac::ops::FpgaVadd::id);
  shifted.array(VAC_F32, a.data(), 12).array(VAC_F32, a.data(), 12);
  shifted.out_array(VAC_F32, a.data() + 1, 12);
  EXPECT_EQ(plugin_.submit(shifted), VAC_EINVAL);
  EXPECT_EQ(host_.error, "c overlaps a: give it memory of its own");
}

TEST_F(Parallel, AddsAndMultiplies) {
  std::vector<float> a = {1, 2, -3};
  const std::vector<float> b = {4, 0.5, 3};
  std::vector<float> mult(3);
  FakeCall call(host_, vac::ops::FpgaParallel::id);
  call.array(VAC_F32, a.data(), 12).array(VAC_F32, b.data(), 12);
  call.out_array(VAC_F32, a.data(), 12).out_array(VAC_F32, mult.data(), 12);
  ASSERT_EQ(plugin_.submit(call), VAC_OK) << host_.error;
  EXPECT_THAT(a, ElementsAre(5, 2.5, 0)) << "in the place of an input";
  EXPECT_THAT(mult, ElementsAre(4, 1, -9));
}

TEST_F(Parallel, RefusesTwoOutputsInOnePlace) {
  const std::vector<float> a = {1};
  std::vector<float> out(1);
  FakeCall call(host_, vac::ops::FpgaParallel::id);
  call.array(VAC_F32, a.data(), 4).array(VAC_F32, a.data(), 4);
  call.out_array(VAC_F32, out.data(), 4).out_array(VAC_F32, out.data(), 4);
  EXPECT_EQ(plugin_.submit(call), VAC_EINVAL);
  EXPECT_EQ(host_.error, "add overlaps mult: give it memory of its own");
}

}  // namespace
