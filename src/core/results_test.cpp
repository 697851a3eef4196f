// SPDX-License-Identifier: Apache-2.0
// Plugins that lie about their results: the call fails with what they did, and nothing beyond the
// caller's memory is believed.
#include "core/results.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/session_fixture.hpp"

namespace vac::core {
namespace {

using testing::HasSubstr;
using namespace fixture;  // NOLINT(google-build-using-namespace)

/// Has memory for each output once.
class OnceSink final : public OutputSink {
 public:
  void* output(vac_call&, std::uint32_t arg, std::uint32_t child, std::uint64_t bytes, std::uint8_t,
               std::uint8_t, const std::int64_t*) noexcept override {
    if (bytes > (1U << 20) || made.contains({arg, child})) return nullptr;
    made[{arg, child}].resize(bytes + 1);
    return made[{arg, child}].data();
  }
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::vector<std::byte>> made;
};

/// A session over one plugin, and calls of minmax and model_run in it.
class Results : public testing::Test {
 protected:
  Results()
      : rig_((plugin_.offers = {{kMinmax, 1, 0, 0}, {kRun, 1, 0, 0}}, std::vector{&plugin_})) {}

  /// Runs minmax with room for four numbers.
  int minmax(std::function<int(vac_call&)> body) {
    plugin_.on_submit = std::move(body);
    vac_arg low = record(VAC_I32, VAC_SCALAR, VAC_IN);
    vac_arg number = record(VAC_F64, VAC_SCALAR, VAC_OUT);
    vac_arg result = array(VAC_F64, VAC_OUT, room_.data(), sizeof room_);
    result.where = room_where_;
    return rig_.call(
        kMinmax,
        {array(VAC_F64, VAC_IN, data_.data(), sizeof data_), low, low, result, number, number}, {},
        &sink_);
  }
  /// Runs model_run, whose last argument is a list of any number of tensors.
  int run(std::function<int(vac_call&)> body) {
    plugin_.on_submit = std::move(body);
    const vac_arg list = record(VAC_NONE, VAC_LIST, VAC_IN);
    vac_arg outputs = record(VAC_NONE, VAC_LIST, VAC_OUT);
    outputs.count = VAC_ANY_COUNT;
    const auto model = rig_.session->add_resource(ResourceData::from_bytes({}, "").value());
    return rig_.call(kRun, {resource_arg(), list, list, list, no_data(), outputs}, {model.get()},
                     &sink_);
  }
  void* ask(vac_call& call, std::uint32_t arg, std::uint32_t child, std::uint64_t bytes,
            std::uint8_t type = VAC_F32, std::vector<std::int64_t> dims = {}) {
    return plugin_.host->output(&call, arg, child, bytes, type,
                                static_cast<std::uint8_t>(dims.size()), dims.data());
  }

  FakePlugin plugin_;
  Rig rig_;
  OnceSink sink_;
  std::array<double, 3> data_{3, 1, 2};
  std::array<double, 4> room_{};
  std::uint32_t room_where_ = VAC_WHERE_INLINE;
};

TEST_F(Results, LargerThanTheirRoomAreRefused) {
  const auto claim = [](std::uint64_t bytes) {
    return [bytes](vac_call& call) {
      call.args[3].bytes = bytes;
      return VAC_OK;
    };
  };
  EXPECT_EQ(minmax(claim(16)), VAC_OK);
  EXPECT_EQ(minmax(claim(900)), VAC_EIO);
  EXPECT_EQ(rig_.message,
            "minmax: plugin 'first' says that it wrote 900 bytes of minmax: argument 'result', "
            "there was room for 32");
  EXPECT_EQ(minmax(claim(UINT64_MAX)), VAC_EIO);
  EXPECT_EQ(minmax(claim(15)), VAC_EIO) << "the middle of an element";
}

TEST_F(Results, WithoutMemoryAreRefused) {
  room_where_ = VAC_WHERE_NOWHERE;
  const auto claim = [](std::uint64_t bytes) {
    return [bytes](vac_call& call) {
      call.args[3].bytes = bytes;
      return VAC_OK;
    };
  };
  EXPECT_EQ(minmax(claim(16)), VAC_EIO);
  EXPECT_EQ(rig_.message,
            "minmax: plugin 'first' says that it wrote 16 bytes of minmax: argument 'result', for "
            "which it asked for no memory");
  EXPECT_EQ(minmax(claim(0)), VAC_OK) << "nothing needs no memory";
  EXPECT_EQ(minmax([](vac_call&) { return VAC_OK; }), VAC_OK);
}

TEST_F(Results, MayBeLargerInMemoryOfTheHost) {
  EXPECT_EQ(minmax([&](vac_call& call) {
              EXPECT_NE(ask(call, 3, 0, 800, VAC_F64), nullptr);
              call.args[3].bytes = 800;
              return VAC_OK;
            }),
            VAC_OK)
      << rig_.message;
}

TEST_F(Results, LeaveTheRecordsAlone) {
  const std::vector<std::function<void(vac_call&)>> changes = {
      [](vac_call& call) { call.args[3].value += 8; },
      [](vac_call& call) { call.args[3].form = VAC_LIST; },
      [](vac_call& call) { call.args[0].bytes = 0; },
      [](vac_call& call) { call.args[5].type = VAC_C128; },
  };
  for (const auto& change : changes) {
    EXPECT_EQ(minmax([&](vac_call& call) {
                change(call);
                return VAC_OK;
              }),
              VAC_EIO);
    EXPECT_THAT(rig_.message, HasSubstr("plugin 'first' changed the record of minmax: argument"));
  }
}

TEST_F(Results, AreAskedForWhereThereAreSome) {
  struct Case {
    std::uint32_t arg, child;
    std::uint64_t bytes;
    const char* words;
  };
  for (const Case& c :
       {Case{0, 0, 8, "argument 'data', which is f64[] and no output"},
        Case{4, 0, 8, "argument 'min', which is f64 and no array"},
        Case{6, 0, 8, "argument 6 of 6"}, Case{UINT32_MAX, 0, 8, "argument 4294967295 of 6"},
        Case{3, 1, 8, "output 'result' item 1, which is no list"},
        Case{3, 0, 9, "'result' of 9 bytes, which is not a multiple of 8"}}) {
    EXPECT_EQ(minmax([&](vac_call& call) {
                EXPECT_EQ(ask(call, c.arg, c.child, c.bytes, VAC_F64), nullptr);
                return VAC_OK;  // as if nothing had happened
              }),
              VAC_EIO);
    EXPECT_THAT(rig_.message, HasSubstr(c.words));
  }
}

TEST_F(Results, HaveShapesThatFitTheirSizes) {
  struct Case {
    std::uint32_t child;
    std::uint64_t bytes;
    std::uint8_t type;
    std::vector<std::int64_t> dims;
    const char* words;
  };
  const std::int64_t huge = INT64_MAX;
  for (const Case& c : {Case{0, 20, VAC_F32, {2, 3}, "item 0, which is f32 [2,3] and has 20 bytes"},
                        Case{0, 24, VAC_F32, {-2, -3}, "is f32 [-2,-3], which is no shape"},
                        Case{0, 4, VAC_F32, {huge, huge, 4}, "which is no shape"},
                        Case{0, 0, VAC_F32, {huge, 4}, "which is no shape"},
                        Case{0, 8, VAC_F32, {huge, 0}, "and has 8 bytes"},
                        Case{0, 9, VAC_F32, std::vector<std::int64_t>(9, 1), "has rank 9"},
                        Case{0, 4, VAC_NONE, {1}, "has elements of type 0"},
                        Case{0, 4, 200, {1}, "has elements of type 200"},
                        Case{256, 4, VAC_F32, {1}, "item 256, more than a call has room for"}}) {
    EXPECT_EQ(run([&](vac_call& call) {
                EXPECT_EQ(ask(call, 5, c.child, c.bytes, c.type, c.dims), nullptr);
                return VAC_ENOMEM;  // what plugins make of it
              }),
              VAC_EIO);
    EXPECT_THAT(rig_.message, HasSubstr(c.words));
  }
  EXPECT_EQ(run([&](vac_call& call) {
              EXPECT_EQ(plugin_.host->output(&call, 5, 0, 4, VAC_F32, 1, nullptr), nullptr);
              return VAC_OK;
            }),
            VAC_EIO);
  EXPECT_THAT(rig_.message, HasSubstr("has no dims"));
}

TEST_F(Results, AreGivenMemoryOnce) {
  EXPECT_EQ(run([&](vac_call& call) {
              EXPECT_NE(ask(call, 5, 0, 4, VAC_F32, {1}), nullptr);
              EXPECT_EQ(ask(call, 5, 0, 4, VAC_F32, {1}), nullptr);
              return VAC_OK;
            }),
            VAC_ENOMEM);
  EXPECT_EQ(rig_.message,
            "model_run: no memory for 4 bytes of output 'outputs', or it was asked for twice");
}

TEST_F(Results, WithoutMemoryAreNoSuccess) {
  EXPECT_EQ(run([&](vac_call& call) {
              EXPECT_EQ(ask(call, 5, 0, 8U << 20, VAC_U8, {8 << 20}), nullptr);
              plugin_.host->error(plugin_.host->host, &call, 0, "never mind");
              return VAC_OK;
            }),
            VAC_ENOMEM);
  EXPECT_THAT(rig_.message, HasSubstr("no memory for 8388608 bytes of output 'outputs'"));
}

}  // namespace
}  // namespace vac::core
