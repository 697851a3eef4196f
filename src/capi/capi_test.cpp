// SPDX-License-Identifier: Apache-2.0
// The C interface as a program sees it, served by the noop plugin in this process.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <vac/vac.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "support/temp_directory.hpp"

namespace {

using testing::HasSubstr;
using testing::StartsWith;

class CApi : public testing::Test {
 protected:
  void SetUp() override {
    ::setenv("VAC_PLUGINS", "noop", 1);
    ASSERT_EQ(vac_session_open("local:", nullptr, &session_), VAC_OK) << vac_error_message();
  }
  void TearDown() override { vac_session_close(session_); }
  vac_resource* resource(const char* text) {
    vac_resource* opened = nullptr;
    EXPECT_EQ(vac_resource_open_bytes(session_, text, std::strlen(text), nullptr, &opened), VAC_OK);
    return opened;
  }
  vac_session* session_ = nullptr;
};

TEST_F(CApi, RunsTheEmptyOperation) {
  EXPECT_EQ(vac_noop(session_, nullptr, 0), VAC_OK);
  EXPECT_EQ(vac_noop(session_, "", 0), VAC_OK);
  EXPECT_EQ(vac_noop(session_, "data", 4), VAC_OK);
}

TEST_F(CApi, NamesWhatIsWrongWithASession) {
  vac_session* session = nullptr;
  EXPECT_EQ(vac_session_open("nowhere", nullptr, &session), VAC_EINVAL);
  EXPECT_THAT(vac_error_message(), HasSubstr("address 'nowhere' has no scheme"));
  EXPECT_EQ(vac_session_open("local:", "[]", &session), VAC_EINVAL);
  EXPECT_EQ(vac_session_open("local:", "{\"timeout\":1}", &session), VAC_EINVAL);
  EXPECT_THAT(vac_error_message(), HasSubstr("session option 'timeout' is not known"));
  EXPECT_EQ(vac_session_open("local:", "{\"timeout_ms\":-1}", &session), VAC_EINVAL);
  EXPECT_EQ(session, nullptr);
}

TEST_F(CApi, EndsEachErrorWithItsCode) {
  EXPECT_EQ(vac_noop(nullptr, nullptr, 0), VAC_EINVAL);
  EXPECT_STREQ(vac_error_message(), "noop: the session is NULL (VAC_EINVAL)");
  EXPECT_STREQ(vac_error_name(VAC_EBUSY), "VAC_EBUSY");
  EXPECT_STREQ(vac_error_name(12345), "VAC_E?");
}

TEST_F(CApi, RefusesNullWhereSomethingIsNeeded) {
  EXPECT_EQ(vac_noop(session_, nullptr, 5), VAC_EINVAL);
  EXPECT_EQ(vac_model_load(session_, nullptr), VAC_EINVAL);
  EXPECT_THAT(vac_error_message(), StartsWith("model_load: argument 'model' is NULL"));
  double value = 0;
  EXPECT_EQ(vac_minmax(session_, &value, 1, 0, 1, nullptr, 0, nullptr, &value, &value), VAC_EINVAL);
}

TEST_F(CApi, FillsArraysAndScalars) {
  const double data[] = {3, 1, 2};
  double result[8] = {}, low = 0, high = 0;
  std::size_t count = 99;
  ASSERT_EQ(vac_minmax(session_, data, 3, 0, 1, result, 8, &count, &low, &high), VAC_OK)
      << vac_error_message();
  EXPECT_LE(count, 8U);
  double again[8] = {}, low_again = 0, high_again = 0;
  ASSERT_EQ(vac_minmax(session_, data, 3, 0, 1, again, 8, &count, &low_again, &high_again), VAC_OK);
  EXPECT_EQ(std::memcmp(result, again, sizeof result), 0);
  EXPECT_EQ(std::memcmp(&low, &low_again, sizeof low), 0);
  ASSERT_EQ(vac_minmax(session_, data, 3, 0, 2, again, 8, &count, &low_again, &high_again), VAC_OK);
  EXPECT_NE(std::memcmp(&low, &low_again, sizeof low), 0)
      << "a changed input must change the outputs";
}

TEST_F(CApi, TellsTheRoomThatTextNeeds) {
  vac_resource* model = resource("model");
  std::size_t bytes = 0;
  ASSERT_EQ(vac_model_describe(session_, model, nullptr, 0, &bytes), VAC_ENOSPC);
  ASSERT_GT(bytes, 1U);
  std::string text(bytes, '?');
  std::size_t length = 0;
  ASSERT_EQ(vac_model_describe(session_, model, text.data(), text.size(), &length), VAC_OK)
      << vac_error_message();
  EXPECT_EQ(text[length], '\0');
  EXPECT_EQ(std::strlen(text.c_str()), length);
  vac_resource_close(model);
}

TEST_F(CApi, MakesNewTensorsOrCountsThem) {
  vac_resource* model = resource("model");
  std::vector<vac_tensor*> out(64, nullptr);
  std::size_t count = 0;
  ASSERT_EQ(vac_model_run(session_, model, nullptr, 0, nullptr, 0, nullptr, 0, nullptr, 0,
                          out.data(), out.size(), &count),
            VAC_OK)
      << vac_error_message();
  ASSERT_GE(count, 1U);
  for (std::size_t i = 0; i < count; ++i) {
    EXPECT_NE(out[i], nullptr);
    vac_tensor_free(out[i]);
  }
  EXPECT_EQ(vac_model_run(session_, model, nullptr, 0, nullptr, 0, nullptr, 0, nullptr, 0, nullptr,
                          0, &count),
            VAC_ENOSPC);
  EXPECT_GE(count, 1U);
  vac_resource_close(model);
}

TEST_F(CApi, ChangesValuesInPlace) {
  vac_resource* library = resource("library");
  float numbers[4] = {1, 2, 3, 4};
  std::int32_t number = 7;
  vac_value write[] = {{VAC_F32, VAC_ARRAY, 0, 0, 5, numbers, sizeof numbers, nullptr},
                       {VAC_I32, VAC_SCALAR, 0, 0, 0, &number, sizeof number, nullptr}};
  const vac_value read[] = {{VAC_CHAR, VAC_ARRAY, 0, 0, 0, const_cast<char*>("abc"), 3, nullptr}};
  ASSERT_EQ(vac_exec(session_, library, "function", read, 1, write, 2), VAC_OK)
      << vac_error_message();
  EXPECT_NE(numbers[0], 1.0F);
  EXPECT_NE(number, 7);
  EXPECT_EQ(write[0].bytes, sizeof numbers);
  vac_resource_close(library);
}

TEST_F(CApi, TakesNoValuesAtAll) {
  vac_resource* library = resource("library");
  EXPECT_EQ(vac_exec(session_, library, "function", nullptr, 0, nullptr, 0), VAC_OK)
      << vac_error_message();
  EXPECT_EQ(vac_opencv(session_, nullptr, 0, nullptr, 0), VAC_OK) << vac_error_message();
  vac_resource_close(library);
}

TEST_F(CApi, RefusesListsThatAreTooLong) {
  vac_resource* model = resource("model");
  const std::vector<const char*> names(300, "x");
  std::size_t count = 0;
  EXPECT_EQ(vac_model_run(session_, model, names.data(), names.size(), nullptr, 0, nullptr, 0,
                          nullptr, 0, nullptr, 0, &count),
            VAC_EFBIG);
  const std::vector<const char*> many(200, "x");
  EXPECT_EQ(vac_model_run(session_, model, many.data(), many.size(), nullptr, 0, many.data(),
                          many.size(), nullptr, 0, nullptr, 0, &count),
            VAC_EFBIG);
  EXPECT_THAT(vac_error_message(), HasSubstr("more than 256 records"));
  vac_resource_close(model);
}

TEST_F(CApi, ClosesResourcesThatWereLeftOpen) { EXPECT_NE(resource("left open"), nullptr); }

TEST_F(CApi, RefusesAnAgentsModelInThisProcess) {
  vac_resource* model = nullptr;
  EXPECT_EQ(vac_resource_open_uri(session_, "model://resnet", nullptr, &model), VAC_ENOTSUP);
  EXPECT_EQ(model, nullptr);
}

TEST_F(CApi, DescribesItsPlugins) {
  std::size_t bytes = 0;
  ASSERT_EQ(vac_session_describe(session_, nullptr, 0, &bytes), VAC_ENOSPC);
  std::string text(bytes, '\0');
  ASSERT_EQ(vac_session_describe(session_, text.data(), text.size(), &bytes), VAC_OK);
  EXPECT_THAT(text, HasSubstr("\"name\":\"noop\""));
  EXPECT_STREQ(vac_session_address(session_), "local:");
}

TEST_F(CApi, ChecksTensors) {
  const std::int64_t dims[] = {2, 3};
  vac_tensor* tensor = nullptr;
  ASSERT_EQ(vac_tensor_new(session_, VAC_F32, 2, dims, &tensor), VAC_OK);
  EXPECT_EQ(vac_tensor_bytes(tensor), 24U);
  EXPECT_EQ(vac_tensor_rank(tensor), 2U);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(vac_tensor_data(tensor)) % 64, 0U);
  vac_tensor_free(tensor);

  tensor = nullptr;
  const std::int64_t negative[] = {-1};
  const std::int64_t huge[] = {1LL << 40, 1LL << 40};
  EXPECT_EQ(vac_tensor_new(session_, VAC_F32, 1, negative, &tensor), VAC_EINVAL);
  EXPECT_EQ(vac_tensor_new(session_, VAC_F32, 2, huge, &tensor), VAC_EINVAL);
  EXPECT_EQ(vac_tensor_new(session_, VAC_F32, 9, dims, &tensor), VAC_EINVAL);
  EXPECT_EQ(vac_tensor_new(session_, VAC_STRING, 2, dims, &tensor), VAC_EINVAL);
  EXPECT_EQ(vac_tensor_wrap(session_, VAC_F32, 2, dims, nullptr, &tensor), VAC_EINVAL);
  EXPECT_EQ(tensor, nullptr);
  const std::int64_t empty[] = {0, 5};
  ASSERT_EQ(vac_tensor_wrap(session_, VAC_F32, 2, empty, nullptr, &tensor), VAC_OK);
  EXPECT_EQ(vac_tensor_bytes(tensor), 0U);
  vac_tensor_free(tensor);
}

TEST_F(CApi, ReadsTheAddressFromTheEnvironment) {
  ::setenv("VAC_ADDRESS", "nowhere", 1);
  vac_session* session = nullptr;
  EXPECT_EQ(vac_session_open(nullptr, nullptr, &session), VAC_EINVAL);
  EXPECT_THAT(vac_error_message(), HasSubstr("'nowhere'"));
  ::unsetenv("VAC_ADDRESS");
  ASSERT_EQ(vac_session_open("", nullptr, &session), VAC_OK);
  EXPECT_STREQ(vac_session_address(session), "local:");
  vac_session_close(session);
}

struct Heard {
  std::vector<std::uint64_t> done;
  std::uint64_t total = 0;
  static void hear(void* user, std::uint32_t stage, std::uint64_t done, std::uint64_t total) {
    auto& heard = *static_cast<Heard*>(user);
    EXPECT_EQ(stage, VAC_PROGRESS_READ);
    heard.done.push_back(done);
    heard.total = total;
  }
};

TEST_F(CApi, TellsHowFarOpeningAResourceIs) {
  constexpr std::uint64_t kMiB = 1 << 20;
  const vac::test::TempDirectory folder;
  const std::string path = folder / "model.pt";
  std::ofstream(path) << std::string(5 * kMiB / 2, 'x');
  Heard heard;
  ASSERT_EQ(vac_session_on_progress(session_, Heard::hear, &heard), VAC_OK);
  vac_resource* resource = nullptr;
  ASSERT_EQ(vac_resource_open_file(session_, path.c_str(), nullptr, &resource), VAC_OK);
  EXPECT_THAT(heard.done, testing::ElementsAre(kMiB, 2 * kMiB, 5 * kMiB / 2));
  EXPECT_EQ(heard.total, 5 * kMiB / 2);
  vac_resource_close(resource);

  std::ofstream(folder / "more.pt") << "more";
  heard = {};
  ASSERT_EQ(vac_resource_open_directory(session_, folder.path().c_str(), nullptr, &resource),
            VAC_OK);
  ASSERT_FALSE(heard.done.empty());
  EXPECT_TRUE(std::is_sorted(heard.done.begin(), heard.done.end()));
  EXPECT_EQ(heard.done.back(), 5 * kMiB / 2 + 4);
  EXPECT_EQ(heard.total, 0U) << "not known before all folders are read";
  vac_resource_close(resource);

  heard = {};
  ASSERT_EQ(vac_session_on_progress(session_, nullptr, nullptr), VAC_OK);
  ASSERT_EQ(vac_resource_open_file(session_, path.c_str(), nullptr, &resource), VAC_OK);
  EXPECT_TRUE(heard.done.empty());
  vac_resource_close(resource);
  EXPECT_EQ(vac_session_on_progress(nullptr, Heard::hear, &heard), VAC_EINVAL);
}

}  // namespace
