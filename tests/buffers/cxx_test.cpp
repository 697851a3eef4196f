// SPDX-License-Identifier: Apache-2.0
// <vac/buffer.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <vac/vac.hpp>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "lender_fixture.hpp"

namespace vac::test {
namespace {

class CxxBufferTest : public LenderTest {
 protected:
  Session session() { return Session::open("local:").value(); }
};

TEST_F(CxxBufferTest, IsMadeByASession) {
  const Session opened = session();
  const Buffer buffer = opened.buffer(5000).value();
  EXPECT_TRUE(buffer);
  EXPECT_EQ(buffer.bytes().size(), 5000U);
  EXPECT_TRUE(is_lent(buffer.bytes().data()));
  EXPECT_TRUE(all_zero(buffer.bytes().data(), 5000));
}

TEST_F(CxxBufferTest, IsEmptyByDefault) {
  const Buffer buffer;
  EXPECT_FALSE(buffer);
  EXPECT_TRUE(buffer.bytes().empty());
  const auto tensor = buffer.tensor<float>({1});
  ASSERT_FALSE(tensor);
  EXPECT_EQ(tensor.error().message(), "tensor: argument 'buffer' is NULL (VAC_EINVAL)");
}

TEST_F(CxxBufferTest, HasTensorsInIt) {
  const Session opened = session();
  const Buffer buffer = opened.buffer(64).value();
  const Tensor first = buffer.tensor<float>({2, 2}).value();
  const Tensor second = buffer.tensor<std::int32_t>({12}, 16).value();
  EXPECT_EQ(first.span<float>().size(), 4U);
  EXPECT_EQ(address_of(second.bytes().data()), address_of(buffer.bytes().data()) + 16);
  second.span<std::int32_t>()[0] = 7;
  EXPECT_EQ(buffer.bytes()[16], std::byte{7});
  const auto beyond = buffer.tensor<double>({1}, 64);
  ASSERT_FALSE(beyond);
  EXPECT_EQ(beyond.error().message(),
            "tensor: 8 bytes from offset 64 on end beyond the buffer, which has 64 (VAC_EINVAL)");
}

TEST_F(CxxBufferTest, LivesAsLongAsACopyOrATensor) {
  std::optional<Session> opened(session());
  const std::uint64_t before = told("without_session");
  std::optional<Buffer> buffer(opened->buffer(4096).value());
  std::optional<Buffer> copy(buffer);
  std::optional<Tensor> tensor(copy->tensor<float>({1024}).value());
  opened.reset();
  buffer.reset();
  copy.reset();
  EXPECT_EQ(told("without_session"), before);
  EXPECT_TRUE(all_zero(tensor->bytes().data(), 4096));
  tensor.reset();
  EXPECT_EQ(told("without_session"), before + 1);
}

TEST_F(CxxBufferTest, OfTooManyBytesIsRefused) {
  const Session opened = session();
  const auto buffer = opened.buffer(SIZE_MAX);
  ASSERT_FALSE(buffer);
  EXPECT_EQ(buffer.error().code(), Errc::no_memory);
}

TEST_F(CxxBufferTest, IsWhereTensorsOfASessionLie) {
  const Session opened = session();
  const Tensor image = opened.tensor<float>({1, 3, 32, 32});
  EXPECT_TRUE(is_lent(image.bytes().data()));
  EXPECT_FALSE(is_lent(opened.tensor<float>({10}).bytes().data()));
}

/// The lender's model gives its first input back.
class CxxModelTest : public CxxBufferTest {
 protected:
  static std::string refusal(const Status& status) {
    return status ? "(it did not fail)" : status.error().message();
  }
  void SetUp() override {
    CxxBufferTest::SetUp();
    opened_ = session();
    model_.emplace(opened_.handle(),
                   opened_.resource_bytes(std::as_bytes(std::span(bytes_))).value());
    input_ = opened_.tensor<float>({40, 50});
  }
  const std::string bytes_ = "model";
  Session opened_;
  std::optional<Model> model_;
  Tensor input_;
};

TEST_F(CxxModelTest, RunsIntoTheCallersTensor) {
  const Buffer buffer = opened_.buffer(16384).value();
  const Tensor output = buffer.tensor<float>({40, 50}, 4096).value();
  for (const float value : {1.F, 2.F, 3.F}) {
    std::ranges::fill(input_.span<float>(), value);
    const Status ran = model_->run_into({input_}, {output});
    EXPECT_TRUE(ran) << ran.error().message();
    EXPECT_THAT(output.span<float>(), testing::Each(value));
  }
  EXPECT_TRUE(all_zero(buffer.bytes().data(), 4096));
}

TEST_F(CxxModelTest, RefusesATensorOfOtherShapeOrType) {
  EXPECT_EQ(refusal(model_->run_into({input_}, {opened_.tensor<float>({50, 40})})),
            "model_run: output 0 is f32 [40,50], the tensor given for it is f32 [50,40]: give one "
            "of that type and shape, or none (VAC_EINVAL)");
  EXPECT_THAT(refusal(model_->run_into({input_}, {opened_.tensor<std::int32_t>({40, 50})})),
              testing::HasSubstr("the tensor given for it is i32 [40,50]"));
}

TEST_F(CxxModelTest, RefusesMoreOrFewerTensorsThanOutputs) {
  const Tensor output = opened_.tensor<float>({40, 50}), spare = opened_.tensor<float>({1});
  EXPECT_EQ(refusal(model_->run_into({input_}, {output, spare})),
            "model_run: 2 tensors were given for outputs, the model has 1: give one for each "
            "(VAC_EINVAL)");
  EXPECT_EQ(refusal(model_->run_into({input_}, {})),
            "model_run: argument 'outputs' has 1 items, room for 0 was given (VAC_ENOSPC)");
  EXPECT_EQ(refusal(model_->run_into({input_}, {output, Tensor()})),
            "model_run: the tensor given for output 1 is empty: make it by Session::tensor() "
            "(VAC_EINVAL)");
}

TEST_F(CxxModelTest, TakesMoreTensorsThanAStackHasRoomFor) {
  const Tensors inputs(100, input_);
  const Tensors output{opened_.tensor<float>({40, 50})};
  std::ranges::fill(input_.span<float>(), 7);
  const Status ran = model_->run_into(inputs, output);
  EXPECT_TRUE(ran) << ran.error().message();
  EXPECT_THAT(output[0].span<float>(), testing::Each(7));
  EXPECT_THAT(refusal(model_->run_into(Tensors(300, input_), output)),
              testing::HasSubstr("(VAC_EFBIG)"));
}

}  // namespace
}  // namespace vac::test
