// SPDX-License-Identifier: Apache-2.0
#include "call/check.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "support/built_call.hpp"

namespace vac {
namespace {

using test::BuiltCall;

const std::vector<std::byte> kNoBytes;

std::string fault(BuiltCall& call) {
  const vac_call& made = call.call();
  const Op* op = find_op(made.op);
  const Status status = check_call(*op, {made.args, made.arg_count}, call.meta());
  if (status) return "";
  EXPECT_EQ(status.error().code(), Errc::invalid);
  return status.error().text();
}

std::vector<std::byte> bytes(std::size_t count) { return std::vector<std::byte>(count); }

BuiltCall sgemm() {
  const std::vector<float> matrix(4);
  BuiltCall call(find_op("sgemm")->id);
  call.scalar(VAC_I64, 2).scalar(VAC_I64, 2).scalar(VAC_I64, 2).scalar(VAC_F32, 0x3f800000);
  call.array(VAC_F32, matrix).scalar(VAC_I64, 2).array(VAC_F32, matrix).scalar(VAC_I64, 2);
  call.scalar(VAC_F32, 0).array(VAC_F32, matrix, VAC_INOUT).scalar(VAC_I64, 2);
  return call;
}

BuiltCall model_run(const std::vector<std::int64_t>& dims, std::size_t tensor_bytes,
                    std::uint8_t type = VAC_F32) {
  BuiltCall call(find_op("model_run")->id);
  call.resource(1).list(VAC_IN, 1).string("in").list(VAC_IN, 1);
  call.tensor(type, dims, bytes(tensor_bytes));
  call.list(VAC_IN, 0).absent(VAC_BYTE, VAC_IN).list(VAC_OUT, VAC_ANY_COUNT);
  return call;
}

BuiltCall exec_with(std::uint32_t leaves) {
  BuiltCall call(find_op("exec")->id);
  call.resource(1).string("f").list(VAC_IN, leaves);
  return call;
}

TEST(CheckCall, AcceptsGoodCalls) {
  BuiltCall matrix = sgemm();
  EXPECT_EQ(fault(matrix), "");
  BuiltCall run = model_run({1, 3, 2, 2}, 48);
  EXPECT_EQ(fault(run), "");
  BuiltCall ping(find_op("ping")->id);
  EXPECT_EQ(fault(ping), "");
}

TEST(CheckCall, NamesArgumentAndBothTypes) {
  BuiltCall call = sgemm();
  call.records()[4].type = VAC_F64;
  EXPECT_EQ(fault(call), "sgemm: argument 'a' is f64[], must be f32[]");
  call = sgemm();
  call.records()[4].form = VAC_TENSOR;
  EXPECT_EQ(fault(call), "sgemm: argument 'a' is tensor f32, must be f32[]");
  call = sgemm();
  call.records()[0].form = VAC_ABSENT;
  EXPECT_EQ(fault(call), "sgemm: argument 'm' is absent, must be i64");
  call = sgemm();
  call.records()[9].dir = VAC_OUT;
  EXPECT_EQ(fault(call), "sgemm: argument 'c' is out f32[], must be inout f32[]");
}

TEST(CheckCall, CountsRecords) {
  BuiltCall call = sgemm();
  call.records().pop_back();
  EXPECT_EQ(fault(call), "sgemm: argument 'ldc' is missing");
  call = sgemm();
  call.scalar(VAC_I64, 0);
  EXPECT_EQ(fault(call), "sgemm: the call has more argument records than the 11 arguments take");
  call = exec_with(300);
  for (int i = 0; i < 300; ++i) call.scalar(VAC_I32, 1);
  call.list(VAC_INOUT, 0);
  EXPECT_EQ(fault(call), "exec: the call has 304 argument records, at most 256 are allowed");
}

TEST(CheckCall, AnAbsentArgumentIsZeroButForTypeAndDirection) {
  BuiltCall call(find_op("noop")->id);
  call.absent(VAC_BYTE, VAC_IN);
  EXPECT_EQ(fault(call), "");
  call.records()[0].bytes = 1;
  EXPECT_EQ(fault(call),
            "noop: argument 'data' is absent, its record must be zero but for type and direction");
  call.records()[0].bytes = 0;
  call.records()[0].type = VAC_NONE;
  EXPECT_EQ(fault(call), "noop: argument 'data' is absent, must be bytes?");
}

TEST(CheckCall, FieldsWithoutUseAreZero) {
  struct Change {
    std::size_t position;
    void (*apply)(vac_arg&);
  };
  const Change changes[] = {
      {0, [](vac_arg& record) { record.where = 1; }},  // m, a scalar
      {0, [](vac_arg& record) { record.bytes = 8; }},
      {0, [](vac_arg& record) { record.count = 1; }},
      {0, [](vac_arg& record) { record.meta = 8; }},
      {0, [](vac_arg& record) { record.rank = 1; }},
      {4, [](vac_arg& record) { record.count = 1; }},  // a, an array
      {4, [](vac_arg& record) { record.meta = 8; }},
      {4, [](vac_arg& record) { record.rank = 1; }},
  };
  for (const Change& change : changes) {
    BuiltCall call = sgemm();
    change.apply(call.records()[change.position]);
    EXPECT_NE(fault(call).find("does not use, must be 0"), std::string::npos) << fault(call);
  }
  BuiltCall call = model_run({1}, 4);
  call.records()[3].bytes = 1;  // the list of tensors
  EXPECT_EQ(fault(call),
            "model_run: argument 'inputs' has a field set that list does not use, must be 0");
}

TEST(CheckCall, ScalarsAreExtendedWithZeros) {
  BuiltCall call = sgemm();
  call.records()[3].value = 1ULL << 32;
  EXPECT_EQ(
      fault(call),
      "sgemm: argument 'alpha' has bits set above its 4 bytes, f32 must be extended with zeros");
  call = sgemm();
  call.records()[0].value = UINT64_MAX;
  EXPECT_EQ(fault(call), "");
  call = exec_with(1);
  call.scalar(VAC_BOOL, 2).list(VAC_INOUT, 0);
  EXPECT_EQ(fault(call), "exec: argument 'read' item 0 has the value 2, a bool must be 0 or 1");
}

TEST(CheckCall, AnOutputScalarHasNoValueYet) {
  BuiltCall call(find_op("minmax")->id);
  call.array(VAC_F64, kNoBytes)
      .scalar(VAC_I32, 0)
      .scalar(VAC_I32, 9)
      .out_array(VAC_F64, VAC_ANY_BYTES);
  call.out_scalar(VAC_F64).out_scalar(VAC_F64);
  EXPECT_EQ(fault(call), "");
  call.records()[4].value = 5;
  EXPECT_EQ(fault(call),
            "minmax: argument 'min' is an output and has the value 5, must be 0 in a call");
}

TEST(CheckCall, ArraysAreWholeElements) {
  BuiltCall call = sgemm();
  call.records()[6].bytes = 15;
  EXPECT_EQ(fault(call),
            "sgemm: argument 'b' has 15 bytes, must be a multiple of 4, the width of f32");
}

TEST(CheckCall, CapacitiesAreAnyNumber) {
  BuiltCall call(find_op("fpga_arraycopy")->id);
  call.array(VAC_I32, kNoBytes).out_array(VAC_I32, 7);
  EXPECT_EQ(fault(call), "");
}

TEST(CheckCall, TensorsHaveTheBytesOfTheirShape) {
  BuiltCall good = model_run({2, 0, 5}, 0);
  EXPECT_EQ(fault(good), "");
  BuiltCall scalar = model_run({}, 4);
  EXPECT_EQ(fault(scalar), "");
  BuiltCall call = model_run({2, 3}, 20);
  EXPECT_EQ(fault(call),
            "model_run: argument 'inputs' item 0 has 20 bytes, must be 24 for shape [2,3] of f32");
}

TEST(CheckCall, ShapesCannotOverflow) {
  const std::int64_t big = INT64_MAX;
  for (const auto& dims : std::vector<std::vector<std::int64_t>>{
           {big, 3}, {-1}, {-1, -4}, {0, big, big}, {1LL << 32, 1LL << 32}}) {
    BuiltCall call = model_run(dims, 4);
    EXPECT_NE(fault(call).find("sizes must not be negative and their product must fit"),
              std::string::npos)
        << fault(call);
  }
  BuiltCall wraps = model_run({1LL << 62, 1}, 0);  // times 4 bytes is 0 in 64 bits
  EXPECT_NE(fault(wraps), "");
}

TEST(CheckCall, TensorElementsAreNumbersStringsOrOpaque) {
  BuiltCall call = model_run({2}, 2, VAC_CHAR);
  EXPECT_EQ(fault(call),
            "model_run: argument 'inputs' item 0 is a tensor of 'char' (17), must be of numbers, "
            "string or opaque");
  call = model_run({2}, 2, 200);
  EXPECT_NE(fault(call), "");
  call = model_run({3}, 24, VAC_STRING);
  EXPECT_EQ(fault(call), "");
  call = model_run({3}, 23, VAC_STRING);
  EXPECT_NE(fault(call), "");
  call = model_run({3}, 9, VAC_OPAQUE);
  EXPECT_EQ(fault(call), "");
  call = model_run({3}, 10, VAC_OPAQUE);
  EXPECT_NE(fault(call), "");
  call = model_run({0}, 8, VAC_OPAQUE);
  EXPECT_NE(fault(call), "");
}

TEST(CheckCall, ShapesLieInTheMeta) {
  constexpr std::size_t kTensor = 4;
  for (const std::uint32_t meta : {4U, 16U, 24U, 0xffff'fff8U}) {
    BuiltCall call = model_run({2, 1}, 8);
    call.records()[kTensor].meta = meta;
    EXPECT_EQ(fault(call), "model_run: argument 'inputs' item 0 has its dimensions at " +
                               std::to_string(meta) +
                               " of the call's 16 meta bytes, must be inside them and a multiple "
                               "of 8");
  }
  BuiltCall call = model_run({2, 1}, 8);
  call.records()[kTensor].rank = 9;
  EXPECT_EQ(fault(call),
            "model_run: argument 'inputs' item 0 has 9 dimensions, at most 8 are allowed");
  call = model_run({}, 4);
  call.records()[kTensor].meta = 8;
  EXPECT_NE(fault(call), "");
}

TEST(CheckCall, ListsHaveTheirChildren) {
  BuiltCall call = model_run({1}, 4);
  call.records()[3].count = 100;
  EXPECT_EQ(fault(call),
            "model_run: argument 'inputs' has 100 items, more than the call has records");
  call = model_run({1}, 4);
  call.records()[3].count = VAC_ANY_COUNT;
  EXPECT_NE(fault(call), "") << "an input list has a length";
  call = model_run({1}, 4);
  call.records()[2].type = VAC_BYTE;
  EXPECT_EQ(fault(call), "model_run: argument 'in_names' item 0 is bytes, must be string");
}

TEST(CheckCall, AnOutputTensorIsThePluginsToDescribe) {
  BuiltCall call = model_run({1}, 4);
  call.records().pop_back();
  call.list(VAC_OUT, 1).out_tensor(100);
  EXPECT_EQ(fault(call), "");
  call.records().back().type = VAC_F32;
  EXPECT_NE(fault(call), "");
}

TEST(CheckCall, LeavesOfAnyAreValues) {
  BuiltCall call = exec_with(5);
  call.scalar(VAC_F64, 1, VAC_IN, 77).array(VAC_C128, bytes(16)).string("s").bytes("b");
  call.tensor(VAC_U8, {2}, bytes(2), VAC_IN, 5).list(VAC_INOUT, 1).scalar(VAC_I8, 3, VAC_INOUT);
  EXPECT_EQ(fault(call), "");

  call = exec_with(1);
  call.resource(1).list(VAC_INOUT, 0);
  EXPECT_EQ(fault(call),
            "exec: argument 'read' item 0 is resource, must be a number, an array, a string, bytes "
            "or a tensor");
  call = exec_with(1);
  call.scalar(VAC_C128, 1).list(VAC_INOUT, 0);
  EXPECT_NE(fault(call), "");
  call = exec_with(1);
  call.absent(VAC_I8, VAC_IN).list(VAC_INOUT, 0);
  EXPECT_NE(fault(call), "");
  call = exec_with(1);
  call.list(VAC_IN, 0).list(VAC_INOUT, 0);
  EXPECT_NE(fault(call), "");
  call = exec_with(1);
  call.scalar(VAC_I8, 1, VAC_INOUT).list(VAC_INOUT, 0);
  EXPECT_NE(fault(call), "") << "a leaf has its list's direction";
}

TEST(RecordPosition, StepsOverChildren) {
  BuiltCall call = model_run({1}, 4);
  const Op& op = *find_op("model_run");
  const std::vector<std::size_t> positions{0, 1, 3, 5, 6, 7};
  for (std::size_t i = 0; i < positions.size(); ++i) {
    EXPECT_EQ(record_position(op, call.records(), i), positions[i]);
  }
  EXPECT_EQ(record_position(op, call.records(), 6), call.records().size());
}

TEST(ArgumentText, NamesArgumentsAndItems) {
  BuiltCall call = model_run({1}, 4);
  const Op& op = *find_op("model_run");
  EXPECT_EQ(argument_text(op, call.records(), 0), "model_run: argument 'model'");
  EXPECT_EQ(argument_text(op, call.records(), 4), "model_run: argument 'inputs' item 0");
  EXPECT_EQ(argument_text(op, call.records(), 7), "model_run: argument 'outputs'");
}

TEST(StringElements, MustEndWhereTheTextEnds) {
  const auto fit = [](std::vector<std::uint64_t> ends, std::size_t text) {
    std::vector<std::byte> data(8 * ends.size() + text);
    if (!ends.empty()) std::memcpy(data.data(), ends.data(), 8 * ends.size());
    return string_elements_fit(data, ends.size());
  };
  EXPECT_TRUE(fit({}, 0));
  EXPECT_TRUE(fit({0, 2, 2, 5}, 5));
  EXPECT_FALSE(fit({}, 1));
  EXPECT_FALSE(fit({4}, 5));
  EXPECT_FALSE(fit({6}, 5));
  EXPECT_FALSE(fit({3, 2, 5}, 5));
  EXPECT_FALSE(fit({UINT64_MAX, 5}, 5));
  EXPECT_FALSE(string_elements_fit({}, UINT64_MAX / 4));
}

}  // namespace
}  // namespace vac
