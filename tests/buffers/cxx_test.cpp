// SPDX-License-Identifier: Apache-2.0
// <vac/buffer.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <vac/vac.hpp>

#include <cstdint>
#include <optional>
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

}  // namespace
}  // namespace vac::test
