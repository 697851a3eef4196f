// SPDX-License-Identifier: Apache-2.0
// Memory that runs out: operator new of this program, which libvac and the plugins use as well,
// fails from the n-th allocation on, for each n until there is enough. Each time VAC_ENOMEM with a
// text, nothing is lost (the sanitizer's build sees that), and the next call works.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <vac/vac.h>

#include <cstdint>
#include <string>

#include "support/starved_memory.hpp"
#include "support/test_paths.hpp"

namespace {

using vac::test::StarvedMemory;

/// Calls `body` with room for 0, 1, 2, ... allocations until it succeeds; returns how many it took.
template <class Body>
long starve(const Body& body) {
  for (long room = 0; room < 100'000; ++room) {
    int code = VAC_OK;
    {
      const StarvedMemory starved(room, StarvedMemory::Fails::all);
      code = body();
    }
    if (code == VAC_OK) return room;
    EXPECT_EQ(code, VAC_ENOMEM) << room << ": " << vac_error_message();
    EXPECT_THAT(vac_error_message(), testing::HasSubstr("(VAC_ENOMEM)")) << room;
    if (testing::Test::HasFailure()) return room;
  }
  ADD_FAILURE() << "never enough";
  return 0;
}

class WithoutMemory : public testing::Test {
 protected:
  void SetUp() override { ::setenv("VAC_PLUGINS", "noop", 1); }
  void open() { ASSERT_EQ(vac_session_open("local:", nullptr, &session_), VAC_OK); }
  void TearDown() override { vac_session_close(session_); }
  vac_session* session_ = nullptr;
};

TEST_F(WithoutMemory, ASessionOpensWhenThereIsEnough) {
  EXPECT_GT(starve([&] { return vac_session_open("local:", R"({"timeout_ms":0})", &session_); }),
            5);
  EXPECT_EQ(vac_noop(session_, "data", 4), VAC_OK) << vac_error_message();
}

TEST_F(WithoutMemory, ACallWithoutOutputsNeedsNone) {
  open();
  EXPECT_EQ(vac_noop(session_, "data", 4), VAC_OK);
  EXPECT_EQ(starve([&] { return vac_noop(session_, "data", 4); }), 0);
}

TEST_F(WithoutMemory, AResourceOpensAndIsUsedWhenThereIsEnough) {
  open();
  vac_resource* resource = nullptr;
  EXPECT_GT(starve([&] {
              return vac_resource_open_bytes(session_, "x", 1, R"({"threads":1})", &resource);
            }),
            2);
  EXPECT_GT(starve([&] { return vac_model_load(session_, resource); }), 0);
  vac_resource* file = nullptr;
  const std::string path = vac::test::plugin("noop").string();
  EXPECT_GT(starve([&] { return vac_resource_open_file(session_, path.c_str(), nullptr, &file); }),
            2);
}

TEST_F(WithoutMemory, OutputsAreMadeWhenThereIsEnough) {
  open();
  vac_resource* resource = nullptr;
  ASSERT_EQ(vac_resource_open_bytes(session_, "x", 1, nullptr, &resource), VAC_OK);
  vac_tensor* outputs[64] = {};
  std::size_t count = 0;
  EXPECT_GT(starve([&] {
              return vac_model_run(session_, resource, nullptr, 0, nullptr, 0, nullptr, 0, nullptr,
                                   0, outputs, 64, &count);
            }),
            0);
  for (vac_tensor* output : outputs) vac_tensor_free(output);
}

TEST_F(WithoutMemory, TensorsSayHowMuchTheyWanted) {
  open();
  vac_tensor* tensor = nullptr;
  EXPECT_GT(starve([&] { return vac_tensor_new(session_, VAC_U8, 0, nullptr, &tensor); }), 0);
  vac_tensor_free(tensor);
  const std::int64_t dims[] = {std::int64_t{1} << 60};
  EXPECT_EQ(vac_tensor_new(session_, VAC_U8, 1, dims, &tensor), VAC_ENOMEM);
  EXPECT_STREQ(vac_error_message(), "tensor: no memory for 1152921504606846976 bytes (VAC_ENOMEM)");
}

}  // namespace
