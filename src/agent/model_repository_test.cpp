// SPDX-License-Identifier: Apache-2.0
#include "agent/model_repository.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "base/sha256.hpp"
#include "support/temp_directory.hpp"

namespace vac::agent {
namespace {

using testing::HasSubstr;

class Models : public testing::Test {
 protected:
  void write(const char* name, std::string_view text) {
    std::filesystem::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name) << text;
  }
  auto open(const std::string& uri) { return repository_.open(uri, "{}"); }
  std::string complaint(const std::string& uri) {
    const auto opened = open(uri);
    return opened ? "none" : opened.error().text();
  }
  static std::string hash(std::string_view text) {
    return sha256_hex(std::as_bytes(std::span(text)));
  }

  test::TempDirectory folder_;
  FileDigests digests_;
  ModelRepository repository_{folder_.path().string(), digests_};
};

TEST_F(Models, AreFilesOpenedByTheirNameWithOrWithoutExtension) {
  write("lite0.pt", "weights");
  for (const char* uri : {"model://lite0.pt", "model://lite0"}) {
    const auto model = open(uri);
    ASSERT_TRUE(model) << model.error().message();
    EXPECT_EQ((*model)->kind(), core::ResourceData::Kind::file);
    EXPECT_EQ((*model)->digest(), hash("weights"));
    EXPECT_EQ((*model)->files()[0].name, "lite0.pt");
  }
}

TEST_F(Models, AreFoldersToo) {
  write("saved/model.pb", "graph");
  write("saved/variables/data", "numbers");
  const auto model = open("model://saved");
  ASSERT_TRUE(model) << model.error().message();
  EXPECT_EQ((*model)->kind(), core::ResourceData::Kind::directory);
  const std::string manifest =
      hash("graph") + " 5 model.pb\n" + hash("numbers") + " 7 variables/data\n";
  EXPECT_EQ((*model)->digest(), hash(manifest));
}

TEST_F(Models, CanBePinnedToADigest) {
  write("lite0.pt", "weights");
  EXPECT_TRUE(open("model://lite0@" + hash("weights")));
  const auto other = open("model://lite0@" + hash("others"));
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code(), Errc::bad_message);
}

TEST_F(Models, AreReadAgainWhenTheyChange) {
  write("lite0.pt", "weights");
  EXPECT_EQ(open("model://lite0").value()->digest(), hash("weights"));
  write("lite0.pt", "stronger");
  EXPECT_EQ(open("model://lite0").value()->digest(), hash("stronger"));
}

TEST_F(Models, CannotBeNamedOutsideTheFolder) {
  write("lite0.pt", "weights");
  for (const char* uri :
       {"model://../lite0.pt", "model://a/b", "model:///etc/passwd", "model://.hidden", "model://",
        "model://lite0@abc", "model://x y", "file:///etc/passwd", "https://example.org/model"}) {
    const auto opened = open(uri);
    ASSERT_FALSE(opened) << uri;
    EXPECT_EQ(opened.error().code(), Errc::invalid) << uri;
  }
  EXPECT_THAT(complaint("model://" + std::string(5000, 'a')), HasSubstr("at most 512"));
}

TEST_F(Models, ThatAreNotThereAreToldWithTheNearestName) {
  write("efficientnet.pt", "weights");
  EXPECT_THAT(complaint("model://eficientnet.pt"), HasSubstr("did you mean 'efficientnet.pt'"));
  EXPECT_THAT(complaint("model://eficientnet.pt"),
              testing::Not(HasSubstr(folder_.path().string())));
}

TEST_F(Models, OfAnAgentWithoutModelsAreToldSo) {
  const auto opened = ModelRepository("", digests_).open("model://lite0", "{}");
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().text(), HasSubstr("--models"));
}

TEST_F(Models, OfOneNameAndSeveralFormatsMustBeToldApart) {
  write("lite0.pt", "weights");
  write("lite0.onnx", "weights");
  EXPECT_THAT(complaint("model://lite0"), HasSubstr("lite0.onnx, lite0.pt"));
}

TEST_F(Models, AreListedByName) {
  write("b.pt", "");
  write("a/model.pb", "");
  write(".secret", "");
  EXPECT_THAT(repository_.names(), testing::ElementsAre("a", "b.pt"));
  EXPECT_THAT(ModelRepository("", digests_).names(), testing::IsEmpty());
}

}  // namespace
}  // namespace vac::agent
