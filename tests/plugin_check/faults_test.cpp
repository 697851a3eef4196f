// SPDX-License-Identifier: Apache-2.0
// `vaccel plugin check` on sound plugins and on such as have one fault each.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <ostream>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "support/agent_process.hpp"
#include "support/shell.hpp"
#include "support/temp_directory.hpp"
#include "support/test_paths.hpp"

namespace vac {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

std::string bad_plugin(std::string_view name) {
  return (test::build_directory() / "test" / "plugin_check" / name).string() + ".so";
}

test::ShellResult check(const std::string& arguments) {
  return test::shell(test::program("vaccel").string() + " plugin check " + arguments +
                     " 2>/dev/null");
}

struct Report {
  int status = -1;
  bool ok = false;
  std::multiset<std::string> failed;
  std::string text;  // of the failures, and of the warnings behind them
  std::size_t checks = 0;
};

Report report_on(const std::string& arguments) {
  const test::ShellResult result = check(arguments + " --json");
  const json document = json::parse(result.output, nullptr, false);
  Report report;
  report.status = result.status;
  if (!document.is_object()) {
    ADD_FAILURE() << result.output;
    return report;
  }
  report.ok = document["ok"];
  report.checks = document["checks"].size();
  for (const char* verdict : {"failed", "warning"}) {
    for (const json& line : document["checks"]) {
      if (line["verdict"] != verdict) continue;
      report.text += line["text"].get<std::string>() + "\n";
      if (line["verdict"] == "failed") report.failed.insert(line["check"].get<std::string>());
    }
  }
  return report;
}

// --- One fault each

struct Fault {
  const char* plugin;
  const char* check;
  const char* text;
};

std::ostream& operator<<(std::ostream& out, const Fault& fault) { return out << fault.plugin; }

constexpr Fault kFaults[] = {
    {"no_symbol", "load", "no symbol vac_plugin_entry"},
    {"null_entry", "load", "returned NULL"},
    {"serves_any_major", "entry", "returned a table: return NULL for a host_major"},
    {"refuses_newer_minor", "entry", "hosts of a newer minor must be served"},
    {"other_major", "abi", "the table says ABI 2.0, asked for 1.0"},
    {"short_table", "abi", "struct_size is 64"},
    {"other_name", "name", "it is 'another', the file's is 'other_name'"},
    {"Capital", "name", "it is 'Capital': use a letter"},
    {"no_version", "version", "there is none"},
    {"no_submit", "slots", "submit is NULL"},
    {"half_of_buffers", "slots", "only one of buffer_alloc and buffer_free"},
    {"unknown_caps", "caps", "of which 1024 is no VAC_CAP_"},
    {"control_operation", "offers", "operation 4 is the host's own"},
    {"offers_twice", "offers", "operation 45 is offered twice"},
    {"batch_of_0", "offers", "max_batch 0"},
    {"open_refused", "open", "VAC_ENODEV: no such device: give what it needs by --config"},
    {"open_is_silent", "open", "VAC_ENODEV without a text"},
    {"aborts_in_open", "open", "killed by SIGABRT"},
    {"opens_once", "open: again", "does not open again: VAC_EBUSY: was open"},
    {"opens_one", "open: two at once", "VAC_EBUSY: is open: keep state in what open makes"},
    {"key_is_silent", "open: unknown key", "VAC_EINVAL without a text"},
    {"describe_fits_all", "describe", "with no room it returned VAC_OK"},
    {"describe_no_json", "describe", "its text is no JSON object"},
    {"describe_writes_more", "describe", "wrote beyond the room"},
    {"session_refused", "sessions", "VAC_EACCES: nobody may"},
    {"null_buffer", "buffers", "at NULL"},
    {"unaligned_buffer", "buffers", "buffer_alloc of 1 bytes gave memory that is not aligned"},
    {"one_buffer", "buffers", "buffer_alloc of 4096 bytes gave memory that another buffer has"},
    {"frees_by_session", "buffers", "buffer_free after session_close: the process was killed by"},
    {"aborts_at_exit", "end", "killed by SIGABRT"},
    {"accepts_is_silent", "resources: random bytes", "VAC_EINVAL without a text"},
    {"aborts_in_attach", "resources: random bytes", "resource_attach: the process was killed by"},
    {"completes_twice", "fpga_arraycopy: completes once", "it was called before"},
    {"completes_and_returns", "fpga_arraycopy: completes once", "submit returned 0 as well"},
    {"never_completes", "fpga_arraycopy: completes once",
     "submit returned VAC_EINPROGRESS and complete was not called: call it once for each such "
     "call: not over after 1 s"},
    {"writes_late", "fpga_arraycopy: completes once", "was written after the call was over"},
    {"hangs", "fpga_arraycopy: answers", "call 1 of seed 1: not over after 1 s"},
    {"aborts", "fpga_arraycopy: answers", "call 1 of seed 1: the process was killed by SIGABRT"},
    {"exits", "fpga_arraycopy: answers", "ended the process, exit status 3"},
    {"throws", "noop: answers", "an exception left the plugin: framework: no such device"},
    {"unknown_code", "fpga_arraycopy: codes", "it ended with the code 4711"},
    {"negative_code", "fpga_arraycopy: codes", "it ended with the code -22"},
    {"no_cap", "fpga_arraycopy: codes", "caps lack VAC_CAP_ASYNC"},
    {"no_text", "fpga_arraycopy: error texts", "it failed with VAC_EBUSY and no text"},
    {"changes_input", "fpga_arraycopy: inputs stay", "argument 'a' was changed at byte"},
    {"changes_record", "fpga_arraycopy: inputs stay", "argument 'a' has another record"},
    {"writes_behind", "fpga_arraycopy: bounds", "argument 'a' has room for"},
    {"writes_before", "fpga_arraycopy: bounds", "was written at byte -1:"},
    {"writes_behind_output", "fpga_arraycopy: bounds", "'out_a' child 0 (by output) has room for"},
    {"lies_about_size", "fpga_arraycopy: outputs", "bytes, its room has"},
    {"makes_no_output", "fpga_arraycopy: outputs", "argument 'out_a' was not made"},
    {"asks_twice", "fpga_arraycopy: outputs", "output was asked twice for argument 1 'out_a'"},
    {"ignores_no_memory", "fpga_arraycopy: no memory", "with output answering NULL succeeded"},
    {"not_equal", "fpga_arraycopy: equal calls", "again gave another output"},
    {"thread_matters", "fpga_arraycopy: concurrent calls", "than alone: share nothing"},
    {"batch_returns", "fpga_arraycopy: batches", "submit returned VAC_OK"},
    {"cancels_batch", "fpga_arraycopy: batches", "another call of its batch was"},
    {"forgets_in_batch", "fpga_arraycopy: completes once", "not called for each of its calls"},
};

class PluginCheckFault : public testing::TestWithParam<Fault> {};

INSTANTIATE_TEST_SUITE_P(Plugin, PluginCheckFault, testing::ValuesIn(kFaults),
                         [](const auto& info) { return std::string(info.param.plugin); });

// Those that hang are given a second, and the others more than they can need.
TEST_P(PluginCheckFault, FailsTheCheckMeantForItAlone) {
  const std::string name = GetParam().plugin;
  const std::set<std::string> hang = {"hangs", "never_completes", "forgets_in_batch"};
  const Report report =
      report_on(bad_plugin(name) + " --timeout-s " + (hang.contains(name) ? "1" : "60"));
  EXPECT_EQ(report.status, 1);
  EXPECT_FALSE(report.ok);
  EXPECT_THAT(report.failed, ElementsAre(GetParam().check)) << report.text;
  EXPECT_THAT(report.text, HasSubstr(GetParam().text));
}

// --- Sound ones

class PluginCheckSound : public testing::TestWithParam<const char*> {};

INSTANTIATE_TEST_SUITE_P(Plugin, PluginCheckSound,
                         testing::Values("sound", "sound_asynchronous", "sound_batches"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(PluginCheckSound, PassesEveryCheck) {
  const Report report = report_on(bad_plugin(GetParam()));
  EXPECT_EQ(report.status, 0);
  EXPECT_TRUE(report.ok);
  EXPECT_THAT(report.text, IsEmpty());
  EXPECT_GT(report.checks, 25U);
}

TEST(PluginCheck, ASymbolMoreIsAWarning) {
  const Report report = report_on(bad_plugin("extra_symbol"));
  EXPECT_EQ(report.status, 0);
  EXPECT_THAT(report.text, AllOf(HasSubstr("1 more symbol is exported (one_more)"),
                                 HasSubstr("-fvisibility=hidden")));
}

TEST(PluginCheck, PrintsALineForEachCheckAndTheirNumber) {
  const test::ShellResult result = check(bad_plugin("no_text"));
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.output, StartsWith("ok       file "));
  EXPECT_THAT(result.output, HasSubstr("\nfailed   fpga_arraycopy: error texts "));
  EXPECT_THAT(result.output, HasSubstr("no_text.so: 1 failed, 1 warning, "));
}

TEST(PluginCheck, RemoteIsCheckedThroughAnAgent) {
  const test::AgentProcess agent({"--plugin", "noop"});
  const Report report =
      report_on(test::plugin("remote").string() + " --timeout-s 60 --at " + agent.address());
  EXPECT_EQ(report.status, 0) << report.text;
  EXPECT_THAT(report.text, IsEmpty());
  EXPECT_GT(report.checks, 150U);
}

TEST(PluginCheck, SaysWhatItSkipsOfAPluginForOtherAddresses) {
  const test::ShellResult result = check(test::plugin("remote").string());
  EXPECT_EQ(result.status, 0);
  EXPECT_THAT(result.output, HasSubstr("skipped  calls "));
  EXPECT_THAT(result.output, HasSubstr("give an agent's by --at"));
}

TEST(PluginCheck, OneOperationIsCheckedAlone) {
  const test::ShellResult result = check(test::plugin("noop").string() + " --op minmax --seed 7");
  EXPECT_EQ(result.status, 0) << result.output;
  EXPECT_THAT(result.output, HasSubstr("minmax: answers"));
  EXPECT_THAT(result.output, Not(HasSubstr("sgemm: answers")));
}

// --- Files that are no plugins

class PluginCheckFile : public testing::Test {
 protected:
  std::string plugin_bytes() {
    std::ifstream file(bad_plugin("sound"), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  Report report_on_bytes(const std::string& bytes) {
    std::ofstream(folder_ / "mine.so", std::ios::binary) << bytes;
    return report_on((folder_ / "mine.so").string());
  }
  test::TempDirectory folder_;
};

TEST_F(PluginCheckFile, ThatIsMissingIsNamed) {
  const Report report = report_on((folder_ / "none.so").string());
  EXPECT_EQ(report.status, 1);
  EXPECT_THAT(report.failed, ElementsAre("file"));
  EXPECT_THAT(report.text, HasSubstr("No such file"));
}

TEST_F(PluginCheckFile, ThatIsAFolderIsRefused) {
  EXPECT_THAT(report_on(folder_.path().string()).text, HasSubstr("is no regular file"));
}

TEST_F(PluginCheckFile, ThatIsTextIsRefused) {
  const Report report = report_on_bytes(std::string(100, 'x'));
  EXPECT_THAT(report.failed, ElementsAre("file"));
  EXPECT_THAT(report.text, HasSubstr("is no ELF file: build it with -shared"));
}

TEST_F(PluginCheckFile, ThatIsForAnotherMachineIsRefused) {
  std::string bytes = plugin_bytes();
  bytes.at(18) = '\x08';  // e_machine: MIPS
  bytes.at(19) = '\0';
  EXPECT_THAT(report_on_bytes(bytes).text, HasSubstr("is for another machine (ELF machine 8"));
}

TEST_F(PluginCheckFile, ThatIsAProgramIsRefused) {
  std::string bytes = plugin_bytes();
  bytes.at(16) = '\x02';  // e_type: ET_EXEC
  EXPECT_THAT(report_on_bytes(bytes).text, HasSubstr("is no shared library"));
}

TEST_F(PluginCheckFile, ThatIsCutAnywhereIsRefusedAndLoadsNothing) {
  const std::string bytes = plugin_bytes();
  for (const std::size_t size : {std::size_t{0}, std::size_t{10}, std::size_t{63}, std::size_t{64},
                                 std::size_t{4096}, bytes.size() / 2, bytes.size() - 1}) {
    const Report report = report_on_bytes(bytes.substr(0, size));
    EXPECT_EQ(report.status, 1) << size;
    EXPECT_THAT(report.failed, ElementsAre("file")) << size;
  }
}

// --- Wrong use

struct WrongUse {
  const char* arguments;
  const char* text;
};

TEST(PluginCheck, WrongUseIsSaidInOneLine) {
  const std::string plugin = bad_plugin("sound");
  const WrongUse cases[] = {
      {"--op minmax", "does not offer an operation 'minmax': it offers fpga_arraycopy"},
      {"--config {", "--config is no JSON object"},
      {"--config []", "--config is no JSON object"},
      {"--resource ,a=1", "--resource names no file"},
      {"--resource x,a", "--resource has 'a' behind the file: write OPTION=VALUE"},
      {"--resource /nowhere/x", "/nowhere/x"},
      {"--calls 0", "--calls"},
      {"--timeout-s 0", "--timeout-s"},
  };
  for (const WrongUse& use : cases) {
    const test::ShellResult result =
        test::shell(test::program("vaccel").string() + " plugin check " + plugin + " " +
                    use.arguments + " >/dev/null");
    EXPECT_EQ(result.status, 2) << use.arguments;
    EXPECT_THAT(result.output, HasSubstr(use.text));
    EXPECT_EQ(std::count(result.output.begin(), result.output.end(), '\n'), 1) << result.output;
  }
}

}  // namespace
}  // namespace vac
