// SPDX-License-Identifier: Apache-2.0
// Tensors in buffers, and what a call says of the caller's own tensors for its results.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <vac/vac.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "lender_fixture.hpp"

namespace vac::test {
namespace {

using testing::StartsWith;

constexpr std::int64_t kThousand[] = {1000};

class TensorTest : public LenderTest {
 protected:
  void SetUp() override {
    LenderTest::SetUp();
    ASSERT_EQ(vac_resource_open_bytes(session_, "model", 5, nullptr, &model_), VAC_OK);
  }
  void TearDown() override {
    vac_resource_close(model_);
    LenderTest::TearDown();
  }
  vac_tensor* new_tensor(std::uint8_t type, std::int64_t count) {
    vac_tensor* tensor = nullptr;
    EXPECT_EQ(vac_tensor_new(session_, type, 1, &count, &tensor), VAC_OK) << vac_error_message();
    return tensor;
  }
  int run(vac_tensor* input, std::vector<vac_tensor*>& outputs) {
    std::size_t count = 0;
    return vac_model_run(session_, model_, nullptr, 0, &input, 1, nullptr, 0, nullptr, 0,
                         outputs.data(), outputs.size(), &count);
  }
  vac_resource* model_ = nullptr;
};

TEST_F(TensorTest, OfAPageAndMoreLiesInABuffer) {
  for (const std::int64_t count : {4095, 4096, 10000}) {
    const std::uint64_t lent = told("lent");
    vac_tensor* const tensor = new_tensor(VAC_U8, count);
    EXPECT_EQ(told("lent"), lent + (count < 4096 ? 0 : 1));
    EXPECT_EQ(is_lent(vac_tensor_data(tensor)), count >= 4096) << count;
    EXPECT_EQ(vac_tensor_bytes(tensor), static_cast<std::size_t>(count));
    EXPECT_TRUE(all_zero(vac_tensor_data(tensor), vac_tensor_bytes(tensor)));
    const std::uint64_t before = told("with_session");
    vac_tensor_free(tensor);
    EXPECT_EQ(told("with_session"), before + (count < 4096 ? 0 : 1));
  }
}

TEST_F(TensorTest, OfAPageMayOutliveItsSession) {
  vac_session* session = nullptr;
  ASSERT_EQ(vac_session_open("local:", nullptr, &session), VAC_OK);
  vac_tensor* tensor = nullptr;
  constexpr std::int64_t kCount = 5000;
  ASSERT_EQ(vac_tensor_new(session, VAC_U8, 1, &kCount, &tensor), VAC_OK);
  vac_session_close(session);
  EXPECT_TRUE(all_zero(vac_tensor_data(tensor), kCount));
  const std::uint64_t before = told("without_session");
  vac_tensor_free(tensor);
  EXPECT_EQ(told("without_session"), before + 1);
}

TEST_F(TensorTest, LiesInItsPartOfABuffer) {
  vac_buffer* const buffer = new_buffer(8192);
  vac_tensor* tensor = nullptr;
  constexpr std::int64_t kDims[] = {2, 3};
  ASSERT_EQ(vac_tensor_in(buffer, 4096, VAC_F32, 2, kDims, &tensor), VAC_OK) << vac_error_message();
  EXPECT_EQ(vac_tensor_data(tensor), static_cast<std::byte*>(vac_buffer_data(buffer)) + 4096);
  EXPECT_EQ(vac_tensor_bytes(tensor), 24U);
  EXPECT_EQ(vac_tensor_type(tensor), VAC_F32);
  EXPECT_EQ(vac_tensor_rank(tensor), 2U);
  EXPECT_EQ(vac_tensor_dims(tensor)[1], 3);
  vac_tensor_free(tensor);
  vac_buffer_free(buffer);
}

TEST_F(TensorTest, KeepsTheBufferThatItLiesIn) {
  const std::uint64_t before = told("with_session");
  vac_buffer* const buffer = new_buffer(8192);
  vac_tensor *one = nullptr, *other = nullptr;
  ASSERT_EQ(vac_tensor_in(buffer, 0, VAC_U8, 1, kThousand, &one), VAC_OK);
  ASSERT_EQ(vac_tensor_in(buffer, 500, VAC_U8, 1, kThousand, &other), VAC_OK);
  vac_buffer_free(buffer);
  vac_tensor_free(one);
  EXPECT_EQ(told("with_session"), before);
  std::memset(vac_tensor_data(other), 1, 1000);
  vac_tensor_free(other);
  EXPECT_EQ(told("with_session"), before + 1);
}

TEST_F(TensorTest, MayLieInABufferWhoseSessionIsClosed) {
  vac_session* session = nullptr;
  ASSERT_EQ(vac_session_open("local:", nullptr, &session), VAC_OK);
  vac_buffer* buffer = nullptr;
  ASSERT_EQ(vac_buffer_new(session, 1000, &buffer), VAC_OK);
  vac_session_close(session);
  vac_tensor* tensor = nullptr;
  EXPECT_EQ(vac_tensor_in(buffer, 0, VAC_U8, 1, kThousand, &tensor), VAC_OK);
  vac_tensor_free(tensor);
  vac_buffer_free(buffer);
}

struct BadPart {
  std::size_t offset;
  std::uint8_t type;
  std::size_t rank;
  std::int64_t size;
  std::string message;
};

TEST_F(TensorTest, IsRefusedWhereItIsNoPartOfTheBuffer) {
  vac_buffer* const buffer = new_buffer(1000);
  const BadPart parts[] = {
      {2, VAC_F32, 1, 1,
       "tensor: offset 2 is not a multiple of the 4 bytes of an element of f32 (VAC_EINVAL)"},
      {8, VAC_C128, 1, 1,
       "tensor: offset 8 is not a multiple of the 16 bytes of an element of c128 (VAC_EINVAL)"},
      {4, VAC_F32, 1, 250,
       "tensor: 1000 bytes from offset 4 on end beyond the buffer, which has 1000 (VAC_EINVAL)"},
      {1001, VAC_U8, 1, 0,
       "tensor: 0 bytes from offset 1001 on end beyond the buffer, which has 1000 (VAC_EINVAL)"},
      {SIZE_MAX, VAC_U8, 1, 2,
       "tensor: 2 bytes from offset " + std::to_string(SIZE_MAX) +
           " on end beyond the buffer, which has 1000 (VAC_EINVAL)"},
      {0, VAC_F32, 1, -1, "tensor: shape f32 [-1] has a negative size or is too large"},
      {0, VAC_STRING, 1, 1, "tensor: type 19 (string) is not a number"},
      {0, VAC_F32, 9, 1, "tensor: rank 9, the most is 8 (VAC_EINVAL)"},
  };
  for (const BadPart& part : parts) {
    vac_tensor* tensor = nullptr;
    const std::int64_t dims[9] = {part.size, 1, 1, 1, 1, 1, 1, 1, 1};
    EXPECT_EQ(vac_tensor_in(buffer, part.offset, part.type, part.rank, dims, &tensor), VAC_EINVAL);
    EXPECT_THAT(vac_error_message(), StartsWith(part.message));
    EXPECT_EQ(tensor, nullptr);
  }
  vac_buffer_free(buffer);
}

TEST_F(TensorTest, InABufferNeedsWhatIsNotNull) {
  vac_buffer* const buffer = new_buffer(1000);
  vac_tensor* tensor = nullptr;
  EXPECT_EQ(vac_tensor_in(nullptr, 0, VAC_U8, 1, kThousand, &tensor), VAC_EINVAL);
  EXPECT_STREQ(vac_error_message(), "tensor: argument 'buffer' is NULL (VAC_EINVAL)");
  EXPECT_EQ(vac_tensor_in(buffer, 0, VAC_U8, 1, nullptr, &tensor), VAC_EINVAL);
  EXPECT_STREQ(vac_error_message(), "tensor: argument 'dims' is NULL (VAC_EINVAL)");
  EXPECT_EQ(vac_tensor_in(buffer, 0, VAC_U8, 1, kThousand, nullptr), VAC_EINVAL);
  EXPECT_STREQ(vac_error_message(), "tensor: argument 'tensor' is NULL (VAC_EINVAL)");
  vac_buffer_free(buffer);
}

TEST_F(TensorTest, MayEndWithItsBuffer) {
  vac_buffer* const buffer = new_buffer(1000);
  vac_tensor* tensor = nullptr;
  constexpr std::int64_t kLast[] = {1}, kNone[] = {0};
  EXPECT_EQ(vac_tensor_in(buffer, 999, VAC_U8, 1, kLast, &tensor), VAC_OK);
  vac_tensor_free(tensor);
  EXPECT_EQ(vac_tensor_in(buffer, 1000, VAC_U8, 1, kNone, &tensor), VAC_OK);
  vac_tensor_free(tensor);
  vac_buffer_free(buffer);
}

TEST_F(TensorTest, OfTheCallersForAResultIsToldToThePlugin) {
  vac_tensor* const input = new_tensor(VAC_F32, 2000);
  static_cast<float*>(vac_tensor_data(input))[1999] = 1.5F;
  vac_tensor* const own = new_tensor(VAC_F32, 2000);
  std::vector outputs{own};
  ASSERT_EQ(run(input, outputs), VAC_OK) << vac_error_message();
  EXPECT_EQ(outputs[0], own);
  EXPECT_EQ(static_cast<float*>(vac_tensor_data(own))[1999], 1.5F);
  EXPECT_EQ(told("input"), address_of(vac_tensor_data(input)));
  EXPECT_EQ(told("output_where"), VAC_WHERE_INLINE);
  EXPECT_EQ(told("output"), address_of(vac_tensor_data(own)));
  EXPECT_EQ(told("output_bytes"), 8000U);
  vac_tensor_free(own);
  vac_tensor_free(input);
}

TEST_F(TensorTest, ToBeMadeForAResultHasNoPlace) {
  vac_tensor* const input = new_tensor(VAC_F32, 2000);
  std::vector<vac_tensor*> outputs{nullptr, new_tensor(VAC_F32, 1)};
  vac_tensor* const spare = outputs[1];
  ASSERT_EQ(run(input, outputs), VAC_OK) << vac_error_message();
  EXPECT_EQ(told("output_where"), VAC_WHERE_NOWHERE);
  EXPECT_EQ(told("output"), 0U);
  EXPECT_EQ(told("output_bytes"), VAC_ANY_BYTES);
  EXPECT_EQ(vac_tensor_bytes(outputs[0]), 8000U);
  vac_tensor_free(outputs[0]);
  vac_tensor_free(spare);
  vac_tensor_free(input);
}

TEST_F(TensorTest, ThatIsInputAndResultAtOnceIsRefused) {
  vac_buffer* const buffer = new_buffer(8192);
  vac_tensor *input = nullptr, *over = nullptr, *beside = nullptr;
  ASSERT_EQ(vac_tensor_in(buffer, 0, VAC_U8, 1, kThousand, &input), VAC_OK);
  ASSERT_EQ(vac_tensor_in(buffer, 999, VAC_U8, 1, kThousand, &over), VAC_OK);
  ASSERT_EQ(vac_tensor_in(buffer, 1000, VAC_U8, 1, kThousand, &beside), VAC_OK);
  for (vac_tensor* const output : {input, over}) {
    std::vector outputs{output};
    EXPECT_EQ(run(input, outputs), VAC_EINVAL);
    EXPECT_STREQ(vac_error_message(),
                 "model_run: argument 'outputs' item 0 shares memory with argument 'inputs' item "
                 "0: an output needs memory of its own (VAC_EINVAL)");
  }
  std::vector outputs{beside};
  EXPECT_EQ(run(input, outputs), VAC_OK) << vac_error_message();
  for (vac_tensor* const tensor : {input, over, beside}) vac_tensor_free(tensor);
  vac_buffer_free(buffer);
}

}  // namespace
}  // namespace vac::test
