// SPDX-License-Identifier: Apache-2.0
// What the C++ methods pass to C and make of its answers. The C functions here stand in for libvac.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <vac/ops.hpp>

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace {

/// What the C functions were given, and what they answer.
struct Library {
  int calls = 0;
  int code = VAC_OK;
  std::string message;
  std::string text_answer;
  std::size_t tensor_answer = 0;
  std::set<vac_tensor*> live;

  std::optional<std::string> data;
  bool data_null = false;
  std::vector<std::string> in_names;
  std::vector<vac_tensor*> inputs;
  std::string symbol;
  vac_resource* resource = nullptr;
  bool picture_wanted = false;

  vac_tensor* new_tensor() {
    auto* tensor = reinterpret_cast<vac_tensor*>(new char);
    live.insert(tensor);
    return tensor;
  }
};
Library library;

int answer_text(char* text, std::size_t capacity, std::size_t* bytes) {
  *bytes = library.text_answer.size();
  if (library.text_answer.size() > capacity) return VAC_ENOSPC;
  std::ranges::copy(library.text_answer, text);
  return VAC_OK;
}

}  // namespace

// The stand-ins are hidden from nobody: this program has no libvac.
extern "C" {

const char* vac_error_message(void) { return library.message.c_str(); }
unsigned vac_error_detail(void) { return 42; }

void vac_tensor_free(vac_tensor* tensor) {
  if (tensor == nullptr) return;
  EXPECT_EQ(library.live.erase(tensor), 1U) << "freed twice";
  delete reinterpret_cast<char*>(tensor);
}

int vac_noop(vac_session* /*session*/, const void* data, size_t data_bytes) {
  ++library.calls;
  library.data_null = data == nullptr;
  library.data = std::string(static_cast<const char*>(data), data_bytes);
  return library.code;
}

int vac_minmax(vac_session* /*session*/, const double* data, size_t data_count, int32_t low,
               int32_t high, double* result, size_t result_capacity, size_t* result_count,
               double* min, double* max) {
  ++library.calls;
  if (result_capacity < data_count) return VAC_ENOSPC;
  std::copy(data, data + data_count, result);
  *result_count = data_count;
  *min = low;
  *max = high;
  return library.code;
}

int vac_model_describe(vac_session* /*session*/, vac_resource* model, char* json,
                       size_t json_capacity, size_t* json_bytes) {
  ++library.calls;
  library.resource = model;
  return answer_text(json, json_capacity, json_bytes);
}

int vac_model_run(vac_session* /*session*/, vac_resource* model, const char* const* in_names,
                  size_t in_names_count, vac_tensor* const* inputs, size_t inputs_count,
                  const char* const* /*out_names*/, size_t /*out_names_count*/, const void* options,
                  size_t /*options_bytes*/, vac_tensor** outputs, size_t outputs_capacity,
                  size_t* outputs_count) {
  ++library.calls;
  library.resource = model;
  library.in_names.assign(in_names, in_names + in_names_count);
  library.inputs.assign(inputs, inputs + inputs_count);
  library.data_null = options == nullptr;
  if (library.code != VAC_OK) return library.code;
  *outputs_count = library.tensor_answer;
  if (library.tensor_answer > outputs_capacity) return VAC_ENOSPC;
  for (std::size_t i = 0; i < library.tensor_answer; ++i) {
    EXPECT_EQ(outputs[i], nullptr);
    outputs[i] = library.new_tensor();
  }
  return VAC_OK;
}

int vac_exec(vac_session* /*session*/, vac_resource* /*library*/, const char* symbol,
             const vac_value* /*read*/, size_t /*read_count*/, vac_value* write,
             size_t write_count) {
  ++library.calls;
  library.symbol = symbol;
  if (write_count != 0) write[0].tag = 5;
  return library.code;
}

int vac_image_classify(vac_session* /*session*/, vac_resource* model, const void* /*image*/,
                       size_t /*image_bytes*/, uint32_t /*top_k*/, char* result,
                       size_t result_capacity, size_t* result_bytes, void* picture,
                       size_t picture_capacity, size_t* picture_bytes) {
  ++library.calls;
  library.resource = model;
  library.picture_wanted = picture_bytes != nullptr;
  if (picture_bytes != nullptr) {
    *picture_bytes = 100'000;
    if (picture_capacity < 100'000) return VAC_ENOSPC;
    std::memset(picture, 7, 100'000);
  }
  return answer_text(result, result_capacity, result_bytes);
}

}  // extern "C"

namespace {

using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class Resource {
 public:
  vac_resource* handle() const { return reinterpret_cast<vac_resource*>(0x40); }
};

class Tensor {
 public:
  static Tensor adopt(vac_tensor* tensor) { return Tensor(tensor); }
  Tensor(Tensor&& other) noexcept : tensor_(std::exchange(other.tensor_, nullptr)) {}
  Tensor& operator=(Tensor&&) = delete;
  ~Tensor() { vac_tensor_free(tensor_); }
  vac_tensor* handle() const { return tensor_; }

 private:
  explicit Tensor(vac_tensor* tensor) : tensor_(tensor) {}
  vac_tensor* tensor_;
};

class Session : public vac::ops::Methods<Session, Resource, Tensor> {
 public:
  vac_session* handle() const { return nullptr; }
};

class Methods : public testing::Test {
 protected:
  void SetUp() override { library = Library(); }
  void TearDown() override { EXPECT_THAT(library.live, IsEmpty()); }
  Session session_;
  Resource model_;
};

TEST_F(Methods, TakeBytesFromWhateverHoldsThem) {
  EXPECT_TRUE(session_.noop(std::string("text")));
  EXPECT_EQ(library.data, "text");
  EXPECT_TRUE(session_.noop(std::vector<std::uint16_t>{0x6261, 0x6463}));
  EXPECT_EQ(library.data, "abcd");
}

TEST_F(Methods, TellAbsentFromEmpty) {
  EXPECT_TRUE(session_.noop());
  EXPECT_TRUE(library.data_null);
  EXPECT_TRUE(session_.noop(std::vector<std::uint8_t>()));
  EXPECT_FALSE(library.data_null);
  EXPECT_EQ(library.data, "");
}

TEST_F(Methods, ReturnTheLastErrorWithoutItsCodeTwice) {
  library.code = VAC_EBUSY;
  library.message = "noop: all slots are taken (VAC_EBUSY)";
  const vac::Status status = session_.noop();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), vac::Errc::busy);
  EXPECT_EQ(status.error().text(), "noop: all slots are taken");
  EXPECT_EQ(status.error().message(), library.message);
  EXPECT_EQ(status.error().detail(), 42U);
}

TEST_F(Methods, ReturnSeveralOutputsTogether) {
  const std::vector<double> data = {1, 2};
  std::vector<double> room(3);
  const auto answer = session_.minmax(data, -1, 7, room);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->result_count, 2U);
  EXPECT_EQ(answer->min, -1);
  EXPECT_EQ(answer->max, 7);
  EXPECT_THAT(room, ElementsAre(1, 2, 0));
}

TEST_F(Methods, DoNotRepeatForRoomOfTheCallers) {
  library.message = "minmax: too small (VAC_ENOSPC)";
  const auto answer = session_.minmax(std::vector<double>(4), 0, 1, {});
  EXPECT_EQ(answer.error().code(), vac::Errc::no_space);
  EXPECT_EQ(library.calls, 1);
}

TEST_F(Methods, ReturnText) {
  library.text_answer = "{}";
  EXPECT_EQ(*session_.model_describe(model_), "{}");
  EXPECT_EQ(library.calls, 1);
  EXPECT_EQ(library.resource, model_.handle());
}

TEST_F(Methods, AskAgainForLongText) {
  library.text_answer.assign(200'000, 'x');
  const auto json = session_.model_describe(model_);
  ASSERT_TRUE(json);
  EXPECT_EQ(*json, library.text_answer);
  EXPECT_EQ(library.calls, 2);
}

TEST_F(Methods, LeaveOptionalOutputsOut) {
  library.text_answer = "cup";
  const auto answer = session_.image_classify(nullptr, std::string("png"), 5);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->result, "cup");
  EXPECT_FALSE(answer->picture);
  EXPECT_FALSE(library.picture_wanted);
  EXPECT_EQ(library.resource, nullptr);
}

TEST_F(Methods, ReturnOptionalOutputsWhereWanted) {
  const auto answer = session_.image_classify(&model_, std::string("png"), 5, true);
  ASSERT_TRUE(answer);
  ASSERT_TRUE(answer->picture);
  EXPECT_THAT(*answer->picture, SizeIs(100'000));
  EXPECT_THAT(*answer->picture, Each(std::byte{7}));
  EXPECT_EQ(library.calls, 2);
  EXPECT_EQ(library.resource, model_.handle());
}

TEST_F(Methods, PassAndOwnTensors) {
  library.tensor_answer = 3;
  std::vector<Tensor> inputs;
  inputs.push_back(Tensor::adopt(library.new_tensor()));
  const std::vector<std::string> names = {"image", ""};
  const auto outputs = session_.model_run(model_, names, inputs, {});
  ASSERT_TRUE(outputs);
  EXPECT_THAT(*outputs, SizeIs(3));
  EXPECT_THAT(library.in_names, ElementsAre("image", ""));
  EXPECT_THAT(library.inputs, ElementsAre(inputs[0].handle()));
  EXPECT_TRUE(library.data_null);
  EXPECT_THAT(library.live, SizeIs(4));
}

TEST_F(Methods, TakeAnyNumberOfTensors) {
  library.tensor_answer = 100;
  const auto outputs = session_.model_run(model_, {}, {}, {});
  ASSERT_TRUE(outputs);
  EXPECT_THAT(*outputs, SizeIs(100));
  EXPECT_EQ(library.calls, 2);
}

TEST_F(Methods, PassFailuresOfListsOn) {
  library.code = VAC_EIO;
  const auto outputs = session_.model_run(model_, {}, {}, {}, std::string("options"));
  EXPECT_EQ(outputs.error().code(), vac::Errc::failed);
  EXPECT_FALSE(library.data_null);
}

TEST_F(Methods, EndTextAtItsViewsEnd) {
  const std::string_view view = std::string_view("function_and_more").substr(0, 8);
  EXPECT_TRUE(session_.exec(model_, view, {}, {}));
  EXPECT_EQ(library.symbol, "function");
}

TEST_F(Methods, RefuseTextWithAZeroByte) {
  const vac::Status status = session_.exec(model_, std::string_view("a\0b", 3), {}, {});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), vac::Errc::invalid);
  EXPECT_THAT(status.error().text(), HasSubstr("exec: text 'symbol' has a zero byte at 1"));
  const std::vector<std::string> names = {"good", std::string("\0", 1)};
  EXPECT_THAT(session_.model_run(model_, names, {}, {}).error().text(), HasSubstr("'in_names'"));
  EXPECT_EQ(library.calls, 0);
}

TEST_F(Methods, ChangeValuesInPlace) {
  std::vector<vac_value> write(1);
  EXPECT_TRUE(session_.exec(model_, "f", {}, write));
  EXPECT_EQ(write[0].tag, 5U);
}

}  // namespace
