// SPDX-License-Identifier: Apache-2.0
// The plugin through its ABI, on libraries that tests/data/libraries makes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <vac/plugin.hpp>

#include <bit>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "support/fake_host.hpp"
#include "support/temp_directory.hpp"
#include "support/test_paths.hpp"

namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;
using vac::test::FakeCall;
using vac::test::FakeHost;
using vac::test::OpenPlugin;

const std::string kDigest(64, 'a');

const vac_plugin* table() { return vac_plugin_entry(VAC_ABI_MAJOR, VAC_ABI_MINOR); }

std::string library(const char* name) {
  return (vac::test::build_directory() / "test" / "libraries" / (std::string(name) + ".so"))
      .string();
}

std::string content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// A resource of one file, by its path or by its bytes.
class Resource {
 public:
  static Resource file(std::string path) { return {std::move(path), {}}; }
  static Resource bytes(std::string data) { return {{}, std::move(data)}; }

  const vac_resource_view& view() {
    view_ = {};
    view_.struct_size = sizeof view_;
    view_.digest = kDigest.c_str();
    view_.kind = path_.empty() ? VAC_RESOURCE_BYTES : VAC_RESOURCE_FILE;
    view_.file_count = 1;
    path_pointer_ = path_.empty() ? nullptr : path_.c_str();
    data_pointer_ = path_.empty() ? data_.data() : nullptr;
    size_ = data_.size();
    view_.names = &name_;
    view_.paths = &path_pointer_;
    view_.data = &data_pointer_;
    view_.sizes = &size_;
    view_.options_json = options.c_str();
    return view_;
  }
  std::string options = "{}";

 private:
  Resource(std::string path, std::string data) : path_(std::move(path)), data_(std::move(data)) {}
  std::string path_, data_;
  const char* name_ = "lib.so";
  const char* path_pointer_ = nullptr;
  const void* data_pointer_ = nullptr;
  std::uint64_t size_ = 0;
  vac_resource_view view_{};
};

/// The plugin with one session and at most one library attached.
class Exec : public testing::Test {
 protected:
  /// tenant: of an agent's client; "" for a process that calls for itself.
  void open(const char* tenant = "", const char* config = "{}") {
    detach();
    plugin_.emplace(host_, table(), config);
    ASSERT_EQ(plugin_->code(), VAC_OK) << host_.error;
    const vac_session_view view = {sizeof view, "local:", tenant, "{}"};
    ASSERT_EQ(table()->session_open(plugin_->state(), &view, &session_), VAC_OK);
  }
  int attach(Resource& resource) {
    detach();
    return table()->resource_attach(plugin_->state(), session_, &resource.view(), &state_);
  }
  void detach() {
    if (state_ != nullptr) table()->resource_detach(plugin_->state(), state_);
    state_ = nullptr;
  }
  void TearDown() override {
    detach();
    if (session_ != nullptr) table()->session_close(plugin_->state(), session_);
  }
  int submit(FakeCall& call) {
    call.call().session_state = session_;
    return plugin_->submit(call);
  }
  /// A function of one i32 to write.
  int run(const char* symbol, std::int32_t& value) {
    FakeCall call(host_, vac::ops::Exec::id);
    call.resource(state_).text(symbol).list(0).list(1, VAC_INOUT);
    call.array(VAC_I32, &value, sizeof value, VAC_INOUT);
    return submit(call);
  }
  int run(const char* symbol) {
    std::int32_t value = 0;
    return run(symbol, value);
  }
  /// What `count` says: how often this loading of sample.so was asked.
  std::int32_t count() {
    std::int32_t value = 0;
    EXPECT_EQ(run("count", value), VAC_OK) << host_.error;
    return value;
  }

  FakeHost host_;
  std::optional<OpenPlugin> plugin_;
  void* session_ = nullptr;
  void* state_ = nullptr;
  Resource sample_ = Resource::file(library("sample"));
};

TEST_F(Exec, RunsAFunctionAndBringsBackWhatItWrote) {
  open();
  ASSERT_EQ(attach(sample_), VAC_OK);
  const std::vector<double> from = {1, 2.5};
  std::vector<double> to = {7, 7, 7};
  FakeCall call(host_, vac::ops::Exec::id);
  call.resource(state_).text("scale").list(2);
  call.scalar(VAC_F64, std::bit_cast<std::uint64_t>(2.0)).array(VAC_F64, from.data(), 16);
  call.list(1, VAC_INOUT).array(VAC_F64, to.data(), 24, VAC_INOUT);
  ASSERT_EQ(submit(call), VAC_OK) << host_.error;
  EXPECT_THAT(to, ElementsAre(2, 5, 7));
  EXPECT_EQ(call.record(6).bytes, 16U) << "the function wrote two of the three";
}

TEST_F(Exec, ChangesScalarsAndTensorsInPlace) {
  open();
  ASSERT_EQ(attach(sample_), VAC_OK);
  std::vector<std::int32_t> tensor = {5, -1};
  FakeCall call(host_, vac::ops::Exec::id);
  call.resource(state_).text("increment").list(0).list(2, VAC_INOUT).scalar(VAC_I32, 41);
  call.tensor(VAC_I32, {2, 1}, tensor.data(), 8, VAC_INOUT);
  call.record(4).dir = VAC_INOUT;
  ASSERT_EQ(submit(call), VAC_OK) << host_.error;
  EXPECT_EQ(call.record(4).value, 42U);
  EXPECT_EQ(call.record(4).bytes, 0U);
  EXPECT_THAT(tensor, ElementsAre(6, 0));
}

TEST_F(Exec, TakesNoValuesAtAll) {
  open();
  ASSERT_EQ(attach(sample_), VAC_OK);
  FakeCall call(host_, vac::ops::Exec::id);
  call.resource(state_).text("environment").list(0).list(0, VAC_INOUT);
  EXPECT_EQ(submit(call), VAC_OK) << host_.error;
}

TEST_F(Exec, LoadsALibraryOnceAndClosesItAtDetach) {
  open();
  ASSERT_EQ(attach(sample_), VAC_OK);
  EXPECT_EQ(count(), 1);
  EXPECT_EQ(count(), 2);
  ASSERT_EQ(attach(sample_), VAC_OK);
  EXPECT_EQ(count(), 1) << "loaded anew";
}

TEST_F(Exec, LoadsALibraryThatHasNoFile) {
  open();
  Resource bytes = Resource::bytes(content(library("sample")));
  ASSERT_EQ(table()->accepts(plugin_->state(), &bytes.view()), VAC_OK) << host_.error;
  ASSERT_EQ(attach(bytes), VAC_OK);
  EXPECT_EQ(count(), 1);
  EXPECT_EQ(count(), 2);
}

TEST_F(Exec, NeverTakesALibraryForAnother) {
  open();
  // Both stay loaded, and their descriptors have the same number.
  for (int round = 0; round < 2; ++round) {
    for (const char* name : {"one", "two"}) {
      for (Resource resource :
           {Resource::file(library(name)), Resource::bytes(content(library(name)))}) {
        ASSERT_EQ(attach(resource), VAC_OK);
        std::int32_t answer = 0;
        ASSERT_EQ(run("answer", answer), VAC_OK) << host_.error;
        EXPECT_EQ(answer, std::string(name) == "one" ? 1 : 2);
        detach();
      }
    }
  }
}

TEST_F(Exec, ServesManyThreadsAtOnce) {
  open();
  ASSERT_EQ(attach(sample_), VAC_OK);
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      FakeHost host;
      std::int32_t value = 1;
      FakeCall call(host, vac::ops::Exec::id);
      call.resource(state_).text("increment").list(0).list(1, VAC_INOUT);
      call.array(VAC_I32, &value, sizeof value, VAC_INOUT);
      EXPECT_EQ(submit(call), VAC_OK) << host.error;
      EXPECT_EQ(value, 2);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(Exec, ReportsWhatAFunctionReturns) {
  open();
  ASSERT_EQ(attach(sample_), VAC_OK);
  EXPECT_EQ(run("fail"), VAC_EIO);
  EXPECT_EQ(host_.error,
            "function 'fail' of resource 'lib.so' returned -7: what that means is the library's to "
            "say");
  EXPECT_EQ(host_.detail, static_cast<std::uint32_t>(-7));
}

TEST_F(Exec, ReportsAFunctionThatWritesMoreThanItMay) {
  open();
  ASSERT_EQ(attach(sample_), VAC_OK);
  EXPECT_EQ(run("grow"), VAC_EIO);
  EXPECT_EQ(host_.error,
            "function 'grow' of resource 'lib.so' says that it wrote 12 bytes to write[0], which "
            "has room for 4: give it more room");
  EXPECT_EQ(run("shrink_by_one"), VAC_EIO);
  EXPECT_THAT(host_.error, HasSubstr("left 3 bytes in write[0], which is no whole number of "
                                     "elements of 4"));
  for (const char* symbol : {"move", "retype"}) {
    EXPECT_EQ(run(symbol), VAC_EIO);
    EXPECT_THAT(host_.error, HasSubstr("changed what write[0] is, it may change its data"));
  }
  std::int32_t element = 0;
  FakeCall call(host_, vac::ops::Exec::id);
  call.resource(state_).text("shrink_by_one").list(0).list(1, VAC_INOUT);
  call.tensor(VAC_I32, {1}, &element, 4, VAC_INOUT);
  EXPECT_EQ(submit(call), VAC_EIO);
  EXPECT_THAT(host_.error, HasSubstr("changed the size of write[0]"));
}

TEST_F(Exec, FindsFunctionsOfTheLibraryItselfAlone) {
  open();
  ASSERT_EQ(attach(sample_), VAC_OK);
  // Nothing of that name, a function of libc, which the library needs, and a number.
  for (const char* symbol : {"nothing", "getenv", "system", "calls"}) {
    EXPECT_EQ(run(symbol), VAC_ENOENT) << symbol;
    EXPECT_EQ(host_.error, std::string("resource 'lib.so' has no function '") + symbol +
                               "': check its spelling, and export it, in C++ as extern \"C\"");
  }
  EXPECT_EQ(run(""), VAC_EINVAL);
  EXPECT_EQ(host_.error, "symbol is empty, must name a function of resource 'lib.so'");
  EXPECT_EQ(run(std::string(5000, 'x').c_str()), VAC_ENOENT);
  EXPECT_LT(host_.error.size(), 300U);
}

TEST_F(Exec, RefusesWhatIsNoLibraryOfThisMachine) {
  open();
  const std::string whole = content(library("sample"));
  std::string foreign = whole;
  foreign[18] = 22;  // e_machine: S/390
  std::string program = whole;
  program[16] = 2;  // e_type: ET_EXEC
  std::string narrow = whole;
  narrow[4] = narrow[4] == 1 ? 2 : 1;
  struct Case {
    std::string bytes, text;
  };
  for (const Case& bad : {Case{"", "resource 'lib.so' is no shared library: build one with"},
                          Case{std::string(200, 'x'), "is no shared library"},
                          Case{foreign, "is built for machine 22, this process is "},
                          Case{narrow, "build it for that"}, Case{program, "is a program or"},
                          Case{whole.substr(0, 100), "is cut short or damaged: copy it again"},
                          Case{whole.substr(0, whole.size() / 4), "is cut short or damaged"}}) {
    Resource resource = Resource::bytes(bad.bytes);
    EXPECT_EQ(table()->accepts(plugin_->state(), &resource.view()), VAC_EINVAL);
    EXPECT_THAT(host_.error, AllOf(StartsWith("resource 'lib.so' "), HasSubstr(bad.text)));
    ASSERT_EQ(attach(resource), VAC_OK);
    EXPECT_EQ(run("count"), VAC_EINVAL) << "checked again where it is loaded";
    EXPECT_THAT(host_.error, HasSubstr(bad.text));
  }
}

TEST_F(Exec, RefusesALibraryThatLacksSomething) {
  open();
  Resource needy = Resource::file(library("needy"));
  ASSERT_EQ(attach(needy), VAC_OK);
  EXPECT_EQ(run("needy"), VAC_EINVAL);
  EXPECT_EQ(host_.error,
            "resource 'lib.so' cannot be loaded: undefined symbol: vac_test_that_nobody_defines: "
            "link into it what it needs");
}

TEST_F(Exec, RefusesAFileThatIsGoneOrADirectory) {
  open();
  Resource gone = Resource::file("/nonexistent/lib.so");
  ASSERT_EQ(attach(gone), VAC_OK);
  EXPECT_EQ(run("count"), VAC_EINVAL);
  EXPECT_EQ(host_.error, "resource 'lib.so' cannot be opened: No such file or directory");
  const vac::test::TempDirectory folder;
  Resource directory = Resource::file(folder.path().string());
  ASSERT_EQ(attach(directory), VAC_OK);
  EXPECT_EQ(run("count"), VAC_EINVAL);
  EXPECT_EQ(host_.error, "resource 'lib.so' is no file");
  vac_resource_view several = sample_.view();
  several.kind = VAC_RESOURCE_DIRECTORY;
  EXPECT_EQ(table()->accepts(plugin_->state(), &several), VAC_EINVAL);
  EXPECT_EQ(host_.error, "resource 'lib.so' is a directory, a library is one file: open that file");
}

TEST_F(Exec, RefusesOptionsThatItDoesNotKnow) {
  open();
  sample_.options = R"({"threads":1})";
  EXPECT_EQ(attach(sample_), VAC_EINVAL);
  EXPECT_EQ(host_.error, "option 'threads' is not known to exec: there is stateful");
  sample_.options = R"({"stateful":true})";
  EXPECT_EQ(attach(sample_), VAC_OK);
}

TEST_F(Exec, RunsNothingInAnAgentUnlessItIsAllowed) {
  const std::string other = R"({"allow":["sha256:)" + std::string(64, 'b') + R"("]})";
  for (const char* config : {"{}", R"({"allow":[]})", other.c_str()}) {
    open("unix:///run/vaccel.sock uid 1000", config);
    ASSERT_EQ(attach(sample_), VAC_OK);
    EXPECT_EQ(run("increment"), VAC_EPERM);
    EXPECT_EQ(host_.error,
              "resource 'lib.so' may not be run here: who runs the agent allows it with "
              "[plugin.exec] allow = [\"sha256:" +
                  kDigest + "\"]");
    TearDown();
    session_ = nullptr;
  }
}

TEST_F(Exec, RunsInAnAgentWhatIsAllowed) {
  std::string capital = R"({"allow":["sha256:)" + std::string(64, '0') + R"(","sha256:)" +
                        std::string(64, 'A') + R"("]})";
  open("unix:///run/vaccel.sock uid 1000", capital.c_str());
  ASSERT_EQ(attach(sample_), VAC_OK);
  EXPECT_EQ(run("increment"), VAC_OK) << host_.error;
}

TEST_F(Exec, TakesAHostThatNamesNoTenantForAnAgent) {
  open(nullptr);
  ASSERT_EQ(attach(sample_), VAC_OK);
  EXPECT_EQ(run("increment"), VAC_EPERM);
}

TEST(ExecSettings, AreCheckedWhenThePluginIsOpened) {
  const std::string rest =
      ", must be a list of texts \"sha256:\" and 64 hex digits, as sha256sum prints them";
  const std::string digits(63, '1');
  struct Case {
    std::string config, text;
  };
  for (const Case& bad :
       {Case{R"({"alow":[]})", "setting 'alow' is not known to exec: there is allow"},
        Case{R"({"allow":"*"})", "setting 'allow' is \"*\"" + rest},
        Case{R"({"allow":[3]})", "setting 'allow' has 3" + rest},
        Case{R"({"allow":["*"]})", "setting 'allow' has \"*\"" + rest},
        Case{"{\"allow\":[\"sha256:" + digits + "\"]}",
             "setting 'allow' has \"sha256:" + digits + "\"" + rest},
        Case{"{\"allow\":[\"sha256:" + digits + "g\"]}",
             "setting 'allow' has \"sha256:" + digits + "g\"" + rest},
        Case{"[]", "the settings are not a JSON object"}}) {
    FakeHost host;
    OpenPlugin plugin(host, table(), bad.config.c_str());
    EXPECT_EQ(plugin.code(), VAC_EINVAL) << bad.config;
    EXPECT_EQ(host.error, bad.text);
  }
}

}  // namespace
