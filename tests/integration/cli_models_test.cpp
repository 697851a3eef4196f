// SPDX-License-Identifier: Apache-2.0
// `vaccel run` with real models: the same answers here and through an agent, and one clear sentence
// where it fails.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <thread>

#include "support/agent_process.hpp"
#include "support/picture_files.hpp"
#include "support/shell.hpp"
#include "support/temp_directory.hpp"
#include "support/terminal.hpp"
#include "support/test_paths.hpp"

namespace vac {
namespace {

using nlohmann::json;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::string model(const char* name) {
  return (test::build_directory() / "test-models" / name).string();
}

std::string content(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

class CliModels : public testing::Test {
 protected:
  CliModels() {
    write("red.png", test::encode_png(20, 10, 3, one_colour(200, 50, 50)));
    write("blue.jpg", test::encode_jpeg(20, 10, 3, one_colour(50, 50, 200), 95));
  }

  static std::vector<std::uint8_t> one_colour(std::uint8_t red, std::uint8_t green,
                                              std::uint8_t blue) {
    std::vector<std::uint8_t> pixels;
    for (int i = 0; i < 20 * 10; ++i) pixels.insert(pixels.end(), {red, green, blue});
    return pixels;
  }
  void write(const char* name, const std::vector<std::byte>& bytes) {
    std::ofstream(folder_ / name, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
  }
  std::string file(const char* name) const { return (folder_ / name).string(); }
  std::string photos() const { return file("red.png") + " " + file("blue.jpg"); }

  static test::ShellResult run(const std::string& arguments) {
    return test::shell("VAC_PLUGINS=torch " + test::program("vaccel").string() + " run " +
                       arguments);
  }
  static void expect_refusal(const test::ShellResult& result, int status, const std::string& part) {
    EXPECT_EQ(result.status, status) << result.output;
    EXPECT_THAT(result.output, StartsWith("vaccel run: "));
    EXPECT_THAT(result.output, HasSubstr(part));
    EXPECT_EQ(std::count(result.output.begin(), result.output.end(), '\n'), 1) << result.output;
  }

  test::TempDirectory folder_;
};

TEST_F(CliModels, ClassifiesPhotosHereAndThroughAnAgentToTheSameBytes) {
  const test::AgentProcess agent({"--plugin", "torch"});
  const std::string common = photos() + " --model " + model("mean_colour.pt") + " --top 2";
  const auto local = run(common + " --outputs " + file("local.out"));
  const auto remote = run(common + " --at " + agent.address() + " --outputs " + file("remote.out"));
  EXPECT_EQ(local.status, 0) << local.output;
  EXPECT_EQ(remote.status, 0) << remote.output;
  EXPECT_EQ(local.output, remote.output);
  EXPECT_THAT(local.output, HasSubstr("red.png   red 1.00  green 0.00\n"));
  EXPECT_THAT(local.output, HasSubstr("blue.jpg  blue 1.00  "));
  EXPECT_EQ(content(file("local.out")).size(), 2 * 3 * sizeof(float));
  EXPECT_EQ(content(file("local.out")), content(file("remote.out")));
}

TEST_F(CliModels, GivesResultsAsJson) {
  const auto result = run(file("red.png") + " --json --top 1 --model " + model("mean_colour.pt"));
  ASSERT_EQ(result.status, 0) << result.output;
  const json answer = json::parse(result.output);
  EXPECT_EQ(answer["address"], "local:");
  ASSERT_EQ(answer["photos"].size(), 1U);
  const json& photo = answer["photos"][0];
  EXPECT_EQ(photo["photo"], file("red.png"));
  ASSERT_EQ(photo["top"].size(), 1U);
  EXPECT_EQ(photo["top"][0]["label"], "red");
  EXPECT_EQ(photo["top"][0]["index"], 0);
  EXPECT_GT(photo["top"][0]["score"], 0.99);
  EXPECT_GT(photo["run_ms"], 0);
}

TEST_F(CliModels, TakesLabelsThatFit) {
  std::ofstream(file("three.txt")) << "rot\ngrün\nblau\n";
  std::ofstream(file("two.txt")) << "a\nb\n";
  const std::string common = file("red.png") + " --model " + model("mean_colour.pt") + " --labels ";
  EXPECT_THAT(run(common + file("three.txt")).output, HasSubstr("  rot 1.00"));
  expect_refusal(run(common + file("two.txt")), 1,
                 "two.txt' has 2 labels, the model gives 3 classes");
  expect_refusal(run(common + file("none.txt")), 1, "cannot read labels");
  std::ofstream(file("empty.txt")) << "# none\n";
  expect_refusal(run(common + file("empty.txt")), 1, "has no labels in it: write one a line");
}

TEST_F(CliModels, NamesTheOptionsThatAModelWithoutDescriptionNeeds) {
  const std::string common = file("red.png") + " --model " + model("no_description.pt");
  expect_refusal(run(common), 2,
                 "add --size WxH, --mean A[,B,C], --scale A[,B,C] and --layout NCHW|NHWC");
  expect_refusal(run(common + " --size 1 --mean 0 --scale 1"), 2, "add --layout NCHW|NHWC");
  // It answers 2 x + 1 for each value, so one pixel gives three classes.
  const auto whole = run(common + " --size 1 --mean 0 --scale 1 --layout NHWC --top 1");
  EXPECT_EQ(whole.status, 0) << whole.output;
  EXPECT_THAT(whole.output, HasSubstr("class 0 401.00"));
  const auto soft = run(common + " --size 1 --mean 0 --scale 1 --layout NHWC --top 1 --softmax");
  EXPECT_THAT(soft.output, HasSubstr("class 0 1.00"));
  expect_refusal(run(common + " --size 2 --mean 0 --scale 1 --layout NCHW"), 1,
                 "gives f32[1,3,2,2], classes are f32[1,N]");
}

TEST_F(CliModels, RefusesWhatIsNoModelWithOneSentence) {
  std::ofstream(file("text.pt")) << "this is no model";
  const test::AgentProcess agent({"--plugin", "torch"});
  for (const std::string& at : {std::string("local:"), agent.address()}) {
    const std::string start = file("red.png") + " --at " + at + " --model ";
    expect_refusal(run(start + file("missing.pt")), 1, "missing.pt");
    // Root may read all files, but nobody the first byte of this one.
    expect_refusal(run(start + "/proc/self/mem"), 1, "see that this user can read it");
    expect_refusal(run(start + folder_.path().string()), 1, "is a directory: name a file in it");
    expect_refusal(run(start + "file:///x"), 2, "is not an address of a model");
    expect_refusal(run(start + file("text.pt")), 1, "TorchScript");
    expect_refusal(run(start + model("state_dict_zip.pth")), 1, "state dictionary");
    expect_refusal(run(start + model("state_dict_legacy.pth")), 1, "state dictionary");
    expect_refusal(run(start + model("tuple.pt")), 1, "takes 2 inputs");
    expect_refusal(run(start + model("identity_u8.pt")), 1, "takes u8");
    expect_refusal(run(start + model("mean_colour.pt") + " --size 16"), 1,
                   "has shape [1,3,16,16], the model takes [any,3,8,8]");
  }
  expect_refusal(run(file("red.png") + " --at " + agent.address() + " --model model://nobody"), 1,
                 "nobody");
}

TEST_F(CliModels, SaysThatWhatItWritesIsLost) {
  const std::string common = file("red.png") + " --model " + model("mean_colour.pt");
  expect_refusal(run(common + " --outputs /dev/full"), 1, "make room there, or name another file");
  for (const char* to : {" >/dev/full", " >&-"}) {
    const auto result = run(common + to);
    EXPECT_EQ(result.status, 1);
    EXPECT_EQ(result.output,
              "vaccel: cannot write the output: is the disk full, or the reader gone?\n");
  }
}

TEST_F(CliModels, NeedsNoopAtTheAgentToMeasureIt) {
  const test::AgentProcess agent({"--plugin", "torch"});
  const auto result =
      test::shell(test::program("vaccel").string() + " bench --at " + agent.address());
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.output, HasSubstr("start it with --plugin torch,noop"));
}

TEST_F(CliModels, GivesNoRangeOfFewPairs) {
  const test::AgentProcess agent({"--plugin", "torch"});
  const std::string bench = "VAC_PLUGINS=torch " + test::program("vaccel").string() +
                            " bench --model " + model("mean_colour.pt") + " --at " +
                            agent.address() + " --shape 1,3,8,8 --blocks ";
  const json few = json::parse(test::shell(bench + "5 --json").output);
  EXPECT_TRUE(few["overhead_percent"].is_number()) << few;
  EXPECT_TRUE(few["overhead_percent_low"].is_null()) << few;
  EXPECT_TRUE(few["overhead_percent_high"].is_null()) << few;
  EXPECT_THAT(test::shell(bench + "5").output, Not(HasSubstr("95 %")));
  EXPECT_THAT(test::shell(bench + "6").output, HasSubstr("95 % sure between"));
}

TEST_F(CliModels, CountsPairsFromTheFirstThatIsMeasured) {
  const test::AgentProcess agent({"--plugin", "torch"});
  test::Terminal terminal;
  const auto result =
      test::shell("VAC_PLUGINS=torch " + test::program("vaccel").string() + " bench --model " +
                  model("mean_colour.pt") + " --at " + agent.address() +
                  " --shape 1,3,8,8 --blocks 2 2>" + terminal.path());
  EXPECT_EQ(result.status, 0) << result.output;
  const std::string progress = terminal.text();
  EXPECT_THAT(progress, StartsWith("\r\x1b[Kbench: pair 0 of 2"));
  EXPECT_THAT(progress, Not(HasSubstr("-")));
  EXPECT_THAT(progress, EndsWith("bench: pair 2 of 2\r\x1b[K"));
}

TEST_F(CliModels, SaysThatTheAgentWasLostInTheMiddleOfACall) {
  test::AgentProcess agent({"--plugin", "torch"});
  test::ShellResult result;
  std::thread client([&] {
    result = run(file("red.png") + " --at " + agent.address() + " --model " + model("endless.pt"));
  });
  const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (agent.log().find("endless.pt runs") == std::string::npos &&
         std::chrono::steady_clock::now() < patience) {
    std::this_thread::yield();
  }
  EXPECT_THAT(agent.log(), HasSubstr("endless.pt runs"));
  agent.kill();
  client.join();
  expect_refusal(result, 1, "was lost");
  EXPECT_THAT(result.output, HasSubstr("(VAC_EREMOTEIO)"));
}

}  // namespace
}  // namespace vac
