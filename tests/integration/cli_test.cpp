// SPDX-License-Identifier: Apache-2.0
// The program `vaccel` as a user meets it, where no framework is needed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "support/agent_process.hpp"
#include "support/picture_files.hpp"
#include "support/shell.hpp"
#include "support/temp_directory.hpp"
#include "support/test_paths.hpp"

namespace vac {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

/// `environment`: "NAME=value" for this run alone.
test::ShellResult vaccel(const std::string& arguments, const std::string& environment = {}) {
  return test::shell(environment + " " + test::program("vaccel").string() + " " + arguments);
}

/// What a command that must succeed prints as JSON.
json json_of(const std::string& arguments) {
  const test::ShellResult result = vaccel(arguments + " --json");
  EXPECT_EQ(result.status, 0) << result.output;
  return json::parse(result.output, nullptr, false);
}

/// A refusal is one line that begins with the command's name.
void expect_refusal(const test::ShellResult& result, int status, const std::string& command,
                    const std::string& part) {
  EXPECT_EQ(result.status, status) << result.output;
  EXPECT_THAT(result.output, StartsWith("vaccel" + (command.empty() ? "" : " " + command) + ": "));
  EXPECT_THAT(result.output, HasSubstr(part));
  EXPECT_EQ(std::count(result.output.begin(), result.output.end(), '\n'), 1) << result.output;
}

/// What a command shows on a terminal.
std::string shown_on_a_terminal(const std::string& command) {
  int terminal = -1;
  const pid_t child = ::forkpty(&terminal, nullptr, nullptr, nullptr);
  if (child == 0) {
    ::execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
    ::_exit(127);
  }
  const Fd closes(terminal);
  std::string text;
  char buffer[4096];
  // When the last who has it open is gone, reading fails.
  for (ssize_t count; (count = ::read(terminal, buffer, sizeof buffer)) > 0;) {
    text.append(buffer, static_cast<std::size_t>(count));
  }
  ::waitpid(child, nullptr, 0);
  return text;
}

std::string write_file(const std::filesystem::path& path, std::vector<std::byte> bytes,
                       std::size_t size = SIZE_MAX) {
  bytes.resize(std::min(size, bytes.size()));
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
  return path.string();
}

TEST(Cli, TellsItsVersionAndItsHelp) {
  const test::ShellResult version = vaccel("--version");
  EXPECT_EQ(version.status, 0);
  EXPECT_THAT(version.output, StartsWith("vaccel 0."));
  for (const char* command : {"", "run", "list", "doctor", "plugin check", "bench"}) {
    const test::ShellResult help = vaccel(std::string(command) + " --help");
    EXPECT_EQ(help.status, 0) << command;
    EXPECT_THAT(help.output, HasSubstr("Usage: vaccel")) << command;
    const test::ShellResult same = vaccel(std::string(command) + " --version");
    EXPECT_EQ(same.status, 0) << command;
    EXPECT_EQ(same.output, version.output) << command;
  }
}

TEST(Cli, SaysThatItsOutputIsLost) {
  for (const char* command : {"list", "doctor", "bench --seconds 0.01", "run --help"}) {
    for (const char* to : {" >/dev/full", " >&-"}) {
      // Whatever doctor finds here, its status is not 0.
      expect_refusal(vaccel(std::string(command) + to), 1, "", "cannot write the output");
    }
  }
}

TEST(Cli, ComplainsOfWordsWithoutWhatDrivesTheTerminal) {
  for (const std::string command : {"", "--", "list ", "list --"}) {
    const test::ShellResult result = vaccel(command + "'x\033[31m\ny'");
    EXPECT_EQ(result.status, 2);
    EXPECT_THAT(result.output, HasSubstr("x?[31m?y"));
    EXPECT_THAT(result.output, Not(HasSubstr("\033")));
  }
}

TEST(Cli, SaysWhatIsWrongWithAWrongUse) {
  expect_refusal(vaccel(""), 2, "", "vaccel --help");
  expect_refusal(vaccel("frobnicate"), 2, "", "there is no command 'frobnicate'");
  expect_refusal(vaccel("--frobnicate"), 2, "", "'--frobnicate' is no option of vaccel");
  expect_refusal(vaccel("run x.png"), 2, "run", "--model");
  expect_refusal(vaccel("run --model m.pt"), 2, "run", "photos");
  expect_refusal(vaccel("run x.png --model m.pt --top 0"), 2, "run", "--top");
  expect_refusal(vaccel("run x.png --model m.pt --size big"), 2, "run", "'big'");
  expect_refusal(vaccel("run x.png --model m.pt --scale 0"), 2, "run", "'0'");
  expect_refusal(vaccel("run x.png --model m.pt --layout HWC"), 2, "run", "NCHW or NHWC");
  expect_refusal(vaccel("list nonsense"), 2, "list", "nonsense");
  expect_refusal(vaccel("list models --at local:"), 2, "list", "--at ADDRESS");
  expect_refusal(vaccel("bench --bytes many"), 2, "bench", "many");
  expect_refusal(vaccel("bench --bytes 2GiB"), 2, "bench", "at most 1 GiB");
  expect_refusal(vaccel("bench --bytes 1 --model m.pt"), 2, "bench", "--bytes");
  expect_refusal(vaccel("bench --seconds 1 --model m.pt"), 2, "bench", "--seconds");
  expect_refusal(vaccel("bench --shape 1,3"), 2, "bench", "--model");
  for (const char* of : {"--bytes 64", "--model m.pt"}) {
    expect_refusal(vaccel(std::string("bench --memory region ") + of), 2, "bench",
                   "--memory is for --at ADDRESS: in this process nothing travels");
  }
  expect_refusal(vaccel("bench --memory heap"), 2, "bench", "heap");
  expect_refusal(vaccel("bench --concurrency 2"), 2, "bench", "for --at ADDRESS");
  expect_refusal(vaccel("bench --depth 0 --at unix:///x"), 2, "bench", "--depth");
  expect_refusal(vaccel("bench --concurrency 1000 --at unix:///x"), 2, "bench", "--concurrency");
  expect_refusal(vaccel("bench --depth 2 --model m.pt"), 2, "bench", "--model");
  expect_refusal(vaccel("bench --depth 2 --memory region --at unix:///x"), 2, "bench",
                 "one call at a time");
  expect_refusal(vaccel("bench --blocks 3"), 2, "bench",
                 "--blocks counts with --at ADDRESS or --model; here --seconds sets the time");
  for (const char* seconds : {"nan", "0", "inf", "-1"}) {
    expect_refusal(vaccel(std::string("bench --seconds ") + seconds), 2, "bench",
                   "write 0.01 to 3600");
  }
  for (const char* shape : {"a,b", "0,3,224,224", "1,,3", "1,3,", "-1", "99999999999999999999"}) {
    expect_refusal(vaccel(std::string("bench --model m.pt --shape=") + shape), 2, "bench",
                   "write whole numbers such as 1,3,224,224");
  }
  expect_refusal(vaccel("bench --model model://x --at unix:///x"), 2, "bench", "a model's file");
  expect_refusal(vaccel("run x.png --model http://x/y.pt"), 2, "run",
                 "'http://x/y.pt' is not an address of a model: name a file by its path");
  expect_refusal(vaccel("bench --model http://x/y.pt"), 2, "bench",
                 "'http://x/y.pt' is not an address of a model: name a file by its path");
}

TEST(Cli, RefusesBadPhotosBeforeItLoadsAnything) {
  const test::TempDirectory folder;
  const auto pixels = test::pattern_pixels(40, 30);
  const auto png = test::encode_png(40, 30, 3, pixels);
  const auto jpeg = test::encode_jpeg(40, 30, 3, pixels, 90);
  std::ofstream(folder / "text.png") << "no picture";
  struct Case {
    std::string photo, text;
  };
  for (const Case& bad : {
           Case{(folder / "missing.png").string(), "missing.png': No such file"},
           Case{folder.path().string(), "Is a directory"},
           Case{(folder / "text.png").string(), "neither PNG nor JPEG"},
           Case{write_file(folder / "cut.png", png, png.size() / 2), "is cut off"},
           Case{write_file(folder / "cut.jpg", jpeg, jpeg.size() / 2), "is cut off"},
           Case{write_file(folder / "empty.jpg", {}), "is empty"},
       }) {
    expect_refusal(vaccel("run " + bad.photo + " --model /nonexistent.pt"), 1, "run", bad.text);
  }
}

TEST(Cli, SaysWhyOutputsCannotBeWritten) {
  const test::TempDirectory folder;
  const std::string photo =
      write_file(folder / "p.png", test::encode_png(2, 2, 3, test::pattern_pixels(2, 2)));
  const std::string run = "run " + photo + " --model /nonexistent.pt --outputs ";
  expect_refusal(vaccel(run + folder.path().string()), 1, "run",
                 "Is a directory: name a file in it (VAC_EISDIR)");
  expect_refusal(vaccel(run + (folder / "none" / "x").string()), 1, "run",
                 "No such file or directory: make the folder first (VAC_ENOENT)");
  expect_refusal(vaccel(run + photo + "/x"), 1, "run", "Not a directory: check the path");
}

TEST(Cli, SaysThatNoAgentIsThere) {
  const test::TempDirectory folder;
  const std::string photo =
      write_file(folder / "p.png", test::encode_png(2, 2, 3, test::pattern_pixels(2, 2)));
  const std::string address = "unix://" + (folder / "none.sock").string();
  const std::string remedy = "start one with: vaccel-agent --listen " + address;
  for (const std::string& command : {"run " + photo + " --model x.pt --at ",
                                     std::string("list --at "), std::string("bench --at ")}) {
    expect_refusal(vaccel(command + address), 1, command.substr(0, command.find(' ')), remedy);
  }
  const test::ShellResult doctor = vaccel("doctor " + address);
  EXPECT_EQ(doctor.status, 1);
  EXPECT_THAT(doctor.output, HasSubstr("vaccel-agent --listen " + address));
}

TEST(Cli, ListsWhatAnAgentServes) {
  const test::TempDirectory models;
  std::ofstream(models / "a.pt") << "x";
  test::AgentProcess agent({"--plugin", "noop", "--models", models.path().string()});
  const std::string at = " --at " + agent.address();
  const json plugins = json_of("list" + at);
  ASSERT_EQ(plugins["plugins"].size(), 1U) << plugins;
  EXPECT_EQ(plugins["plugins"][0]["name"], "noop");
  EXPECT_THAT(vaccel("list ops" + at).output, HasSubstr("model_run "));
  EXPECT_THAT(vaccel("list models" + at).output, HasSubstr("a"));
  // Those of the commands before may not have ended yet.
  EXPECT_GE(json_of("list sessions" + at)["sessions"], 1);
  EXPECT_THAT(vaccel("list sessions" + at).output, StartsWith("The agent has "));
}

TEST(Cli, SaysThatAnAgentHasNoModels) {
  const test::AgentProcess agent({"--plugin", "noop"});
  const test::ShellResult result = vaccel("list models --at " + agent.address());
  EXPECT_EQ(result.status, 0);
  EXPECT_THAT(result.output, HasSubstr("no models: start the agent with --models DIR"));
  EXPECT_EQ(json_of("list models --at " + agent.address())["models"], json::array());
}

TEST(Cli, FindsAnAgentHealthy) {
  test::AgentProcess agent({"--plugin", "noop"});
  const test::ShellResult text = vaccel("doctor " + agent.address());
  EXPECT_EQ(text.status, 0) << text.output;
  EXPECT_THAT(text.output, HasSubstr("us away"));
  EXPECT_THAT(text.output, HasSubstr("noop"));
  const json findings = json_of("doctor --at " + agent.address());
  EXPECT_EQ(findings["ok"], true);
}

TEST(Cli, FindsPluginsThatDoNotLoad) {
  const test::TempDirectory folder;
  std::ofstream(folder / "rotten.so") << "this is no library";
  const test::ShellResult result = vaccel("doctor", "VAC_PLUGIN_PATH=" + folder.path().string());
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.output, HasSubstr("rotten: "));
  EXPECT_THAT(result.output, HasSubstr("noop "));
}

TEST(Cli, SearchesTheFoldersThatSessionsSearch) {
  const test::TempDirectory folder;
  const std::filesystem::path library = test::build_directory() / "lib" / "libvac.so.1";
  std::filesystem::create_symlink(library, folder / "libvac.so.1");
  const test::ShellResult result = vaccel("doctor", "LD_LIBRARY_PATH=" + folder.path().string());
  EXPECT_THAT(result.output,
              HasSubstr("\nfolders  " + test::plugin("x").parent_path().string() + "\n"));
  EXPECT_THAT(result.output, HasSubstr("noop 1.0 "));
}

TEST(Cli, FindsAChoiceOfPluginsThatDoesNotLoad) {
  const test::ShellResult bad = vaccel("doctor", "VAC_PLUGINS=noop,nope");
  EXPECT_EQ(bad.status, 1) << bad.output;
  EXPECT_THAT(bad.output, HasSubstr("VAC_PLUGINS  noop,nope: plugin 'nope' is not installed"));
  EXPECT_THAT(bad.output, HasSubstr("unset VAC_PLUGINS"));
  const test::ShellResult good = vaccel("doctor", "VAC_PLUGINS=noop");
  EXPECT_THAT(good.output, testing::ContainsRegex("VAC_PLUGINS +noop +ok"));
}

TEST(Cli, TakesAnEmptyChoiceOfPluginsAsNone) {
  for (const char* empty : {"VAC_PLUGINS=", "VAC_PLUGINS=,"}) {
    const test::ShellResult doctor = vaccel("doctor", empty);
    EXPECT_THAT(doctor.output, HasSubstr("noop 1.0 "));
    EXPECT_THAT(doctor.output, Not(HasSubstr("VAC_PLUGINS")));
    const test::ShellResult bench = vaccel("bench --seconds 0.05", empty);
    EXPECT_EQ(bench.status, 0) << bench.output;
  }
}

TEST(Cli, FindsAChoiceThatServesNothingHere) {
  const test::ShellResult result = vaccel("doctor", "VAC_PLUGINS=remote");
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.output,
              HasSubstr("VAC_PLUGINS  remote: chooses none that serves local:  name plugins"));
}

TEST(Cli, TakesAPluginThatIsChosenTwiceOnce) {
  const std::string twice = "VAC_PLUGINS=noop," + test::plugin("noop").string();
  const json plugins = json::parse(vaccel("list --json", twice).output)["plugins"];
  EXPECT_EQ(plugins.size(), 1U);
  EXPECT_EQ(vaccel("doctor", twice).status, 0);
}

TEST(Cli, MeasuresInProcess) {
  const json figures = json_of("bench --seconds 0.05");
  EXPECT_EQ(figures["op"], "noop");
  EXPECT_EQ(figures["at"], "local:");
  EXPECT_EQ(figures["bytes"], 64);
  EXPECT_GT(figures["p50_ns"], 0);
  EXPECT_GE(figures["p99_ns"], figures["p50_ns"]);
  EXPECT_GT(figures["p50_us"], 0);
  EXPECT_GE(figures["p90_ns"], figures["p50_ns"]);
  EXPECT_GT(figures["raw_p50_ns"], 0);
  EXPECT_GT(figures["atomics_p50_ns"], 0);
  EXPECT_GT(figures["ratio_atomics"], 0);
}

/// The stages of a call are known, and are all of it.
void expect_stages(const json& figures, const std::string& unit, double mean) {
  EXPECT_GT(mean, 0);
  double sum = 0;
  for (const char* stage : {"queue_", "plugin_", "agent_", "wire_"}) {
    const json& time = figures[stage + unit];
    ASSERT_TRUE(time.is_number()) << stage << " of " << figures;
    EXPECT_GE(time.get<double>(), -1e-6) << stage << " of " << figures;
    sum += time.get<double>();
  }
  EXPECT_NEAR(sum, mean, mean * 1e-6);
  EXPECT_GT(figures["plugin_" + unit], 0);
  EXPECT_GT(figures["wire_" + unit], 0);
}

/// A plugin whose model copies its input, here and in an agent.
class CliBenchModel : public testing::Test {
 protected:
  static std::string plugin() {
    return (test::build_directory() / "test/plugins/witness.so").string();
  }
  void start(const std::string& listen, const std::string& limits = "") {
    agent_.emplace(std::vector<std::string>{"--plugin", plugin()},
                   "[[listen]]\naddress = \"ADDRESS\"\n" + listen + "\n[limits]\n" + limits + "\n");
  }
  test::ShellResult bench(const std::string& options) const {
    return vaccel("bench --model " + plugin() + " --at " + agent_->address() + " " + options,
                  "VAC_PLUGINS=" + plugin());
  }
  json figures(const std::string& options) const {
    const test::ShellResult result = bench(options + " --json");
    EXPECT_EQ(result.status, 0) << result.output;
    return json::parse(result.output, nullptr, false);
  }
  std::optional<test::AgentProcess> agent_;
};

TEST_F(CliBenchModel, RunsTwoHundredPairs) {
  start("");
  const json all = figures("");
  EXPECT_EQ(all["pairs"], 200);
  EXPECT_EQ(all["memory"], "default");
  EXPECT_LE(all["overhead_percent_low"], all["overhead_percent"]);
  EXPECT_LE(all["overhead_percent"], all["overhead_percent_high"]);
  expect_stages(all, "ms", all["remote_mean_ms"]);
}

TEST_F(CliBenchModel, HasItsTensorsWhereItIsTold) {
  struct Case {
    const char *shared_input, *memory;
    int inputs, results;
  };
  for (const Case& test :
       {Case{"copy", "", 1, 0}, Case{"copy", "--memory inline", 0, 0},
        Case{"copy", "--memory region", 1, 1}, Case{"in_place", "--memory region", 0, 0}}) {
    start(std::string("shared_input = \"") + test.shared_input + "\"");
    const json all = figures(std::string("--blocks 6 ") + test.memory);
    EXPECT_EQ(all["copied_inputs_a_call"], test.inputs) << all;
    EXPECT_EQ(all["copied_results_a_call"], test.results) << all;
    expect_stages(all, "ms", all["remote_mean_ms"]);
  }
  const test::ShellResult text = bench("--blocks 6 --memory region");
  EXPECT_THAT(text.output, HasSubstr("(median of 6, interleaved)\nmean of a remote run: "));
  EXPECT_THAT(text.output, HasSubstr("copies a call: 0.00 of inputs, 0.00 of results\n"));
}

TEST_F(CliBenchModel, NeedsSharedMemoryForARegion) {
  start("", "regions = 0");
  expect_refusal(bench("--memory region"), 1, "bench",
                 "the agent shares no memory here: vaccel doctor says why, --memory inline "
                 "measures without (VAC_ENOTSUP)");
  EXPECT_EQ(figures("--blocks 1 --memory inline")["memory"], "inline");
}

TEST(Cli, MeasuresAnAgentBesideTheControlAndLeavesItAsItWas) {
  test::AgentProcess agent({"--plugin", "noop"});
  cpu_set_t before;
  ASSERT_EQ(::sched_getaffinity(agent.pid(), sizeof before, &before), 0);
  for (const char* bytes : {"0", "1kB", "600kB", "5MiB"}) {
    const json figures =
        json_of("bench --at " + agent.address() + " --blocks 3 --seconds 0.1 --bytes " + bytes);
    for (const char* key : {"p50_us", "p99_us", "calls_per_s", "raw_p50_us", "raw_p99_us",
                            "ratio_p50", "ratio_p50_same_core"}) {
      EXPECT_GT(figures[key], 0) << key << " of " << figures;
    }
    const json& two_cores = figures["ratio_p50_two_cores"];
    EXPECT_EQ(two_cores.is_null(), CPU_COUNT(&before) == 1);
    if (!two_cores.is_null()) {
      EXPECT_EQ(figures["ratio_p50"], std::max(two_cores, figures["ratio_p50_same_core"]));
    }
    EXPECT_EQ(figures["blocks"], 3);
    expect_stages(figures, "us", figures["mean_us"]);
  }
  cpu_set_t after;
  ASSERT_EQ(::sched_getaffinity(agent.pid(), sizeof after, &after), 0);
  EXPECT_TRUE(CPU_EQUAL(&before, &after));
  EXPECT_EQ(agent.stop(), 0);
}

TEST(Cli, MeasuresManyCallsAtOnceAndLeavesTheAgentAsItWas) {
  test::AgentProcess agent({"--plugin", "noop"});
  cpu_set_t before;
  ASSERT_EQ(::sched_getaffinity(agent.pid(), sizeof before, &before), 0);
  const std::string bench = "bench --at " + agent.address() + " --blocks 3 --seconds 0.1 ";
  const json crowd = json_of(bench + "--concurrency 4");
  EXPECT_EQ(crowd["control"], "raw");
  expect_stages(crowd, "us", crowd["mean_us"]);
  const json depth = json_of(bench + "--depth 8 --bytes 0");
  EXPECT_EQ(depth["control"], "blocking");
  const json both = json_of(bench + "--depth 2 --concurrency 3 --bytes 5MiB");
  EXPECT_EQ(both["concurrency"], 3);
  EXPECT_EQ(both["depth"], 2);
  for (const json& figures : {crowd, depth, both}) {
    for (const char* key : {"calls_per_s", "p50_us", "p90_us", "p99_us", "control_calls_per_s",
                            "control_p50_us", "ratio_rate", "ratio_p99", "mean_us"}) {
      EXPECT_GT(figures[key], 0) << key << " of " << figures;
    }
  }
  cpu_set_t after;
  ASSERT_EQ(::sched_getaffinity(agent.pid(), sizeof after, &after), 0);
  EXPECT_TRUE(CPU_EQUAL(&before, &after));
  EXPECT_EQ(agent.stop(), 0);
}

TEST(Cli, ShowsOnATerminalHowFarALargeModelIs) {
  const test::TempDirectory folder;
  const std::string photo =
      write_file(folder / "photo.png", test::encode_png(8, 8, 3, test::pattern_pixels(8, 8)));
  const std::string model = folder / "large.pt";
  std::ofstream(model).close();
  std::filesystem::resize_file(model, 32 << 20);
  test::AgentProcess agent({"--plugin", "noop"});
  const std::string command = test::program("vaccel").string() + " run " + photo + " --model " +
                              model + " --at " + agent.address();
  const std::string shown = shown_on_a_terminal(command);
  EXPECT_THAT(shown, HasSubstr("\r\x1b[Kreading " + model + ": 50 % of 33.6 MB\r\x1b[K"));
  EXPECT_THAT(shown, HasSubstr("\r\x1b[Ksending " + model + ": 50 % of 33.6 MB\r\x1b[K"));
  EXPECT_THAT(shown, HasSubstr("\r\x1b[Kvaccel run: ")) << "the line is gone before another comes";
  const test::ShellResult plain = test::shell(command);
  EXPECT_THAT(plain.output, StartsWith("vaccel run: ")) << "no terminal, no progress";
  EXPECT_EQ(agent.stop(), 0) << agent.log();
}

}  // namespace
}  // namespace vac
