// SPDX-License-Identifier: Apache-2.0
#include "core/resource.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "base/sha256.hpp"

namespace vac::core {
namespace {

using testing::HasSubstr;

class ResourceFiles : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "vac-resource-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string write(const std::string& name, const std::string& text) {
    const std::filesystem::path path = std::filesystem::path(folder_) / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
    return path.string();
  }
  std::string folder_;
};

std::string digest(std::string_view text) { return sha256_hex(std::as_bytes(std::span(text))); }

TEST_F(ResourceFiles, NamesAFileByItsContent) {
  const auto data = ResourceData::from_file(write("model.pt", "weights"), "");
  ASSERT_TRUE(data);
  EXPECT_EQ((*data)->digest(), digest("weights"));
  EXPECT_STREQ((*data)->view().names[0], "model.pt");
  EXPECT_EQ((*data)->view().sizes[0], 7U);
  EXPECT_EQ((*data)->options(), "{}");
}

TEST_F(ResourceFiles, NamesADirectoryByItsManifest) {
  write("b/two", "2");
  write("a", "1");
  const auto data = ResourceData::from_directory(folder_, "");
  ASSERT_TRUE(data);
  const std::string manifest = digest("1") + " 1 a\n" + digest("2") + " 1 b/two\n";
  EXPECT_EQ(manifest_text((*data)->files()), manifest);
  EXPECT_EQ((*data)->digest(), digest(manifest));
}

TEST_F(ResourceFiles, RefusesALinkInADirectory) {
  write("a", "1");
  std::filesystem::create_symlink("/etc/passwd", std::filesystem::path(folder_) / "link");
  const auto data = ResourceData::from_directory(folder_, "");
  ASSERT_FALSE(data);
  EXPECT_THAT(data.error().text(), HasSubstr("'link' is not a regular file"));
}

TEST_F(ResourceFiles, SaysThatAFileIsMissing) {
  const auto data = ResourceData::from_file(folder_ + "/none.pt", "");
  ASSERT_FALSE(data);
  EXPECT_EQ(data.error().code(), Errc::not_found);
  EXPECT_THAT(data.error().text(), HasSubstr("no such file"));
}

TEST_F(ResourceFiles, SaysThatADirectoryIsNoFile) {
  const auto data = ResourceData::from_file(folder_, "");
  ASSERT_FALSE(data);
  EXPECT_EQ(data.error().code(), Errc::is_directory);
}

TEST(ResourceOptions, AreKeptInCanonicalForm) {
  const auto data = ResourceData::from_bytes({}, R"( { "threads": 2, "device":"cpu" } )");
  ASSERT_TRUE(data);
  EXPECT_EQ((*data)->options(), R"({"device":"cpu","threads":2})");
}

TEST(ResourceOptions, RefuseWhatIsNoObjectAndWrongTypes) {
  EXPECT_FALSE(ResourceData::from_bytes({}, "[1]"));
  EXPECT_FALSE(ResourceData::from_bytes({}, R"({"stateful": 1})"));
  EXPECT_FALSE(ResourceData::from_bytes({}, R"({"format": 1})"));
}

TEST(ResourceUri, IsRefusedWithoutAScheme) {
  EXPECT_TRUE(ResourceData::from_uri("model://resnet", ""));
  EXPECT_FALSE(ResourceData::from_uri("resnet", ""));
}

TEST(Manifest, ComesBackAsItWas) {
  const std::string text = digest("1") + " 1 a\n" + digest("2") + " 20 b/c d\n";
  const auto files = parse_manifest(text);
  ASSERT_TRUE(files);
  EXPECT_EQ((*files)[1].name, "b/c d");
  EXPECT_EQ(manifest_text(*files), text);
}

TEST(Manifest, RefusesNamesThatLeaveTheFolder) {
  for (const char* name :
       {"../a", "a/../b", "/a", "a//b", "a/", ".", "a/./b", "", "a\tb", "a\\b", "a\x01"}) {
    const auto refused = parse_manifest(digest("1") + " 1 " + name + "\n");
    ASSERT_FALSE(refused) << name;
    EXPECT_EQ(refused.error().text(),
              "manifest, line 1: its name is not a relative path without '..' and control "
              "characters");
  }
}

TEST(Manifest, RefusesWhatIsNotInOrderOrTwice) {
  const std::string a = digest("1") + " 1 a\n";
  const std::string b = digest("1") + " 1 b\n";
  EXPECT_TRUE(parse_manifest(a + b));
  for (const std::string& text : {b + a, a + a}) {
    const auto refused = parse_manifest(text);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().text(), "manifest, line 2: the names are not in order");
  }
}

TEST(Manifest, RefusesAFileThatIsAFolderToo) {
  const auto line = [](const char* name) { return digest("1") + " 1 " + name + "\n"; };
  EXPECT_TRUE(parse_manifest(line("a") + line("a-b") + line("b/a/c") + line("b/aa")));
  const auto refused = parse_manifest(line("b/a") + line("b/a-b") + line("b/a/c/d"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().text(), "manifest: 'b/a' is a file, and the folder of 'b/a/c/d'");
}

TEST(Manifest, RefusesBadSizesAndDigests) {
  for (const char* size : {"", "-1", "01", "1x", "99999999999999999999"}) {
    EXPECT_FALSE(parse_manifest(digest("1") + " " + size + " a\n")) << size;
  }
  EXPECT_FALSE(parse_manifest("abc 1 a\n"));
  EXPECT_FALSE(parse_manifest(digest("1") + " 1 a"));
  EXPECT_FALSE(parse_manifest(""));
}

}  // namespace
}  // namespace vac::core
