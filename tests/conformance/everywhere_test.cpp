// SPDX-License-Identifier: Apache-2.0
// Every operation with random arguments, answered by the noop plugin in this process and by an
// agent over every transport of the scheme table, with data sent and in shared regions, which the
// agent copies or works on in place, waited for in the call or submitted, many at once: the results
// are equal. noop's outputs are a function of everything that a call carries, so that nothing can
// be lost unnoticed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "agent/agent.hpp"
#include "base/futex_word.hpp"
#include "core/call_pool.hpp"
#include "core/runtime.hpp"
#include "support/agent_process.hpp"
#include "support/random_call.hpp"
#include "support/temp_directory.hpp"
#include "support/test_paths.hpp"
#include "transport/scheme_table.hpp"

namespace vac {
namespace {

constexpr int kCallsAnOperation = 200;

/// Keeps what the plugin makes in memory of its own.
class KeptOutputs final : public core::OutputSink {
 public:
  void* output(vac_call&, std::uint32_t arg, std::uint32_t child, std::uint64_t bytes,
               std::uint8_t type, std::uint8_t rank, const std::int64_t* dims) noexcept override {
    Kept& kept = made[{arg, child}];
    kept.type = type;
    kept.dims.assign(dims, dims + rank);
    kept.data.assign(bytes + 1, std::byte{0});  // never empty: data() must not be null
    kept.bytes = bytes;
    return kept.data.data();
  }
  struct Kept {
    std::uint8_t type = VAC_NONE;
    std::vector<std::int64_t> dims;
    std::vector<std::byte> data;
    std::uint64_t bytes = 0;
  };
  std::map<std::pair<std::uint32_t, std::uint32_t>, Kept> made;
};

std::string hex(const void* data, std::uint64_t bytes) {
  std::string text;
  for (std::uint64_t i = 0; i < bytes; ++i) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", static_cast<const unsigned char*>(data)[i]);
    text += digits;
  }
  return text;
}

/// All outputs of a call that is done, as text.
std::string outputs_of(const vac_call& call, const KeptOutputs& sink) {
  std::string text;
  std::uint32_t arg = 0;
  for (std::uint32_t i = 0; i < call.arg_count; ++i) {
    const vac_arg& record = call.args[i];
    const bool out = (record.dir & VAC_OUT) != 0 && record.form != VAC_ABSENT;
    const bool kept = sink.made.contains({arg, 0});
    if (out && record.form == VAC_SCALAR)
      text += " scalar " + hex(&record.value, sizeof record.value);
    if (out && record.form == VAC_ARRAY && !kept) {
      text += " array " + hex(reinterpret_cast<const void*>(record.value), record.bytes);
    }
    if (record.form == VAC_LIST && record.count != VAC_ANY_COUNT) {
      for (std::uint32_t child = 1; child <= record.count; ++child) {
        const vac_arg& leaf = call.args[i + child];
        if (leaf.dir != VAC_INOUT) continue;
        text += leaf.form == VAC_SCALAR
                    ? " leaf " + hex(&leaf.value, sizeof leaf.value)
                    : " leaf " + hex(reinterpret_cast<const void*>(leaf.value), leaf.bytes);
      }
      i += record.count;
    }
    ++arg;
  }
  for (const auto& [key, kept] : sink.made) {
    text += " kept " + std::to_string(key.first) + "." + std::to_string(key.second) + " type " +
            std::to_string(kept.type) + " dims";
    for (const std::int64_t dim : kept.dims) text += " " + std::to_string(dim);
    text += " data " + hex(kept.data.data(), kept.bytes);
  }
  return text;
}

std::unique_ptr<core::Runtime> noop_runtime() {
  core::RuntimeOptions options;
  options.plugins = {test::plugin("noop").string()};
  options.only_these = true;
  options.search_path = {test::plugin("noop").parent_path().string()};
  return std::make_unique<core::Runtime>(options);
}

/// The data of a call in buffers of its session, results of known size as well.
class InBuffers {
 public:
  void move(core::Session& session, vac_call& call) {
    for (vac_arg& record : std::span(call.args, call.arg_count)) {
      if (record.form != VAC_ARRAY && record.form != VAC_TENSOR) continue;
      const bool made = record.where == VAC_WHERE_NOWHERE;
      if (made && record.form == VAC_ARRAY) continue;
      const std::uint64_t bytes = record.bytes;
      if (bytes == 0 || (made && bytes > kMostRoom)) continue;
      buffers_.push_back(session.new_buffer(bytes).value());
      void* const data = buffers_.back()->data();
      if (!made) std::memcpy(data, reinterpret_cast<const void*>(record.value), bytes);
      record.where = VAC_WHERE_INLINE;
      record.value = reinterpret_cast<std::uintptr_t>(data);
    }
  }

 private:
  static constexpr std::uint64_t kMostRoom = 4096;
  std::vector<std::unique_ptr<core::Buffer>> buffers_;
};

/// A random call in a session. Stays at its address.
class Asked final : public core::CallPool::Task, public core::TakenCall {
 public:
  Asked(core::Session& session, const Op& op, std::uint64_t seed, bool in_buffers)
      : session_(session), random_(seed), built_(test::random_call(op, random_)) {
    call_ = built_.call();
    if (in_buffers) buffers_.move(session, call_);
    add_resources();
    context_.sink = &sink_;
    context_.resources = resources_;
  }

  /// The outcome as text, of a call that is waited for.
  std::string ask() {
    code_ = session_.dispatch(call_, context_);
    return outcome();
  }
  /// The same in two parts, as the C interface does it: the plugin takes the call, or a thread of
  /// the pool runs it.
  void submit() {
    if (session_.start(call_, context_, *this)) return;
    ASSERT_TRUE(session_.runtime().call_pool().start(*this));
  }
  std::string wait() {
    while (ended_.load() == 0) ended_.wait(0);
    return outcome();
  }

 private:
  void add_resources() {
    content_.resize(random_.below(100));
    random_.fill(content_);
    for (const vac_arg& record : built_.records()) {
      if (record.type != VAC_RESOURCE) continue;
      if (record.form == VAC_ABSENT) {
        resources_.push_back(nullptr);
        continue;
      }
      owned_.push_back(session_.add_resource(
          core::ResourceData::from_bytes(content_, R"({"threads":1})").value()));
      resources_.push_back(owned_.back().get());
    }
  }
  void run() noexcept override { on_end(session_.dispatch(call_, context_)); }
  void on_end(int code) noexcept override {
    code_ = code;
    const FutexWord& ended = ended_;
    ended_.store(1);
    ended.wake_all();
  }
  std::string outcome() const {
    if (code_ != VAC_OK) return std::string(error_name(code_)) + " " + context_.message;
    return outputs_of(call_, sink_);
  }

  core::Session& session_;
  test::Random random_;
  test::BuiltCall built_;
  vac_call call_{};
  InBuffers buffers_;
  std::vector<std::byte> content_;
  std::vector<std::unique_ptr<core::Resource>> owned_;
  std::vector<core::Resource*> resources_;
  KeptOutputs sink_;
  core::CallContext context_;
  int code_ = -1;
  FutexWord ended_;
};

/// The outcome of a call in a session, as text.
std::string outcome(core::Session& session, const Op& op, std::uint64_t seed,
                    bool in_buffers = false) {
  return Asked(session, op, seed, in_buffers).ask();
}

/// An agent with the noop plugin: behind a transport between processes one of its own, behind
/// inproc one in this process.
class AnyAgent {
 public:
  explicit AnyAgent(std::string_view scheme) {
    if (scheme == "unix") {
      process_.emplace(std::vector<std::string>{"--plugin", "noop"});
      address_ = process_->address();
      return;
    }
    if (scheme != "inproc") {
      throw std::runtime_error("this suite needs to be told how an agent listens at " +
                               std::string(scheme));
    }
    agent::AgentConfig config;
    address_ = "inproc://everywhere";
    config.listeners.push_back({address_, {}, {}, {}});
    config.cache.directory = (folder_ / "cache").string();
    here_ = agent::Agent::start(std::move(config), noop_runtime()).value();
  }
  const std::string& address() const { return address_; }

 private:
  test::TempDirectory folder_;
  std::string address_;
  std::optional<test::AgentProcess> process_;
  std::unique_ptr<agent::Agent> here_;
};

/// One way for a call to be answered.
struct Way {
  std::string name;
  bool in_buffers;
  std::unique_ptr<core::Session> session;
};

/// What all tests of this program share: the agents, and the ways.
class World {
 public:
  World() {
    local_ = runtime_->open_session({}).value();
    add("in process, buffers", "local:", true);
    for (const transport::Scheme& scheme : transport::schemes()) {
      agents_.push_back(std::make_unique<AnyAgent>(scheme.name));
      add(std::string(scheme.name) + " inline", agents_.back()->address(), false);
    }
    for (const std::string shared_input : {"copy", "in_place"}) {
      sharing_.push_back(std::make_unique<test::AgentProcess>(
          std::vector<std::string>{"--plugin", "noop"},
          "[[listen]]\naddress = \"ADDRESS\"\nshared_input = \"" + shared_input + "\"\n"));
      add("unix region " + shared_input, sharing_.back()->address(), true);
    }
  }
  core::Session& local() { return *local_; }
  std::span<const Way> ways() const { return ways_; }

 private:
  void add(std::string name, std::string address, bool in_buffers) {
    core::SessionOptions options;
    options.address = std::move(address);
    ways_.push_back(
        {std::move(name), in_buffers, runtime_->open_session(std::move(options)).value()});
  }

  std::unique_ptr<core::Runtime> runtime_ = noop_runtime();
  std::vector<std::unique_ptr<AnyAgent>> agents_;
  std::vector<std::unique_ptr<test::AgentProcess>> sharing_;
  std::unique_ptr<core::Session> local_;
  std::vector<Way> ways_;
};

class Everywhere : public testing::TestWithParam<std::uint32_t> {
 protected:
  static void SetUpTestSuite() { world = std::make_unique<World>(); }
  static void TearDownTestSuite() { world.reset(); }
  static std::unique_ptr<World> world;
};
std::unique_ptr<World> Everywhere::world;

std::vector<std::uint32_t> public_operations() {
  std::vector<std::uint32_t> ids;
  for (const Op& op : all_ops()) {
    if (!op.control()) ids.push_back(op.id);
  }
  return ids;
}

INSTANTIATE_TEST_SUITE_P(Operation, Everywhere, testing::ValuesIn(public_operations()),
                         [](const auto& info) { return std::string(find_op(info.param)->name); });

TEST_P(Everywhere, AnswersTheSameInEveryWay) {
  const Op& op = *find_op(GetParam());
  for (std::uint64_t seed = 0; seed < kCallsAnOperation; ++seed) {
    const std::string here = outcome(world->local(), op, seed);
    ASSERT_THAT(here, testing::Not(testing::StartsWith("VAC_"))) << op.name << ", seed " << seed;
    for (const Way& way : world->ways()) {
      ASSERT_EQ(here, outcome(*way.session, op, seed, way.in_buffers))
          << op.name << ", " << way.name << ", seed " << seed;
    }
  }
}

TEST_P(Everywhere, AnswersTheSameWhereManyAreSubmitted) {
  const Op& op = *find_op(GetParam());
  std::vector<std::string> here;
  for (std::uint64_t seed = 0; seed < kCallsAnOperation; ++seed) {
    here.push_back(outcome(world->local(), op, seed));
  }
  for (const Way& way : world->ways()) {
    std::vector<std::unique_ptr<Asked>> asked;
    for (std::uint64_t seed = 0; seed < kCallsAnOperation; ++seed) {
      asked.push_back(std::make_unique<Asked>(*way.session, op, seed, way.in_buffers));
      asked.back()->submit();
    }
    for (std::uint64_t seed = 0; seed < kCallsAnOperation; ++seed) {
      ASSERT_EQ(here[seed], asked[seed]->wait())
          << op.name << ", " << way.name << ", seed " << seed;
    }
  }
}

}  // namespace
}  // namespace vac
