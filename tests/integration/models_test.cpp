// SPDX-License-Identifier: Apache-2.0
// Models through the public interface, in process and through an agent: the same program, the same
// answers, the same errors.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <vac/vac.hpp>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "support/agent_process.hpp"
#include "support/test_paths.hpp"

namespace vac {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

std::string model_path(const std::string& name) {
  return (test::build_directory() / "test-models" / name).string();
}

class Models : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    ::setenv("VAC_PLUGINS", "torch", 1);
    std::string address = "local:";
    if (std::string(GetParam()) == "agent") {
      agent_ = std::make_unique<test::AgentProcess>(std::vector<std::string>{"--plugin", "torch"});
      address = agent_->address();
    }
    session_.emplace(Session::open(address).value());
  }
  void TearDown() override { session_.reset(); }

  Model model(const std::string& name) { return session_->model(model_path(name)).value(); }
  template <class T>
  Tensor tensor(std::vector<T> values) {
    Tensor made = session_->tensor<T>({static_cast<std::int64_t>(values.size())});
    std::memcpy(made.bytes().data(), values.data(), values.size() * sizeof(T));
    return made;
  }
  /// The text of a run that must fail.
  static std::string refusal(const Result<Tensors>& result) {
    return result ? "(it did not fail)" : result.error().message();
  }
  std::string write(const std::string& name, const std::string& bytes) {
    folder_ = testing::TempDir() + "/vac-models-" + std::to_string(::getpid());
    std::filesystem::create_directories(folder_);
    const std::string path = folder_ + "/" + name;
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }
  ~Models() override {
    std::error_code ignored;
    if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
  }

  std::unique_ptr<test::AgentProcess> agent_;
  std::optional<Session> session_;
  std::string folder_;
};

INSTANTIATE_TEST_SUITE_P(Everywhere, Models, testing::Values("local", "agent"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(Models, KeepEveryElementType) {
  const auto same = [&]<class T>(const char* type, std::vector<T> values) {
    const Tensor input = tensor(values);
    const auto outputs = model(std::string("identity_") + type + ".pt").run({input});
    ASSERT_TRUE(outputs) << outputs.error().message();
    EXPECT_EQ((*outputs)[0].type(), type_of<T>());
    EXPECT_EQ(std::memcmp((*outputs)[0].bytes().data(), values.data(), values.size() * sizeof(T)),
              0)
        << type;
  };
  same("f32", std::vector<float>{1.5F, -2.0F, 0.0F});
  same("f64", std::vector<double>{1e300, -2.5});
  same("i32", std::vector<std::int32_t>{1, -2, 3});
  same("i64", std::vector<std::int64_t>{1LL << 60, -1});
  same("u8", std::vector<std::uint8_t>{0, 128, 255});
  const Tensor flags = session_->tensor<bool>({3});
  flags.span<bool>()[1] = true;
  const auto outputs = model("identity_bool.pt").run({flags});
  ASSERT_TRUE(outputs) << outputs.error().message();
  EXPECT_THAT((*outputs)[0].span<bool>(), ElementsAre(false, true, false));
}

TEST_P(Models, AnswerTheSameAgainAndAgain) {
  const Model scale_add = model("scale_add.pt");
  for (int i = 0; i < 20; ++i) {
    const auto x = static_cast<float>(i);
    const Tensor input = session_->tensor<float>({1, 3});
    input.span<float>()[0] = x;
    const auto outputs = scale_add.run({input});
    ASSERT_TRUE(outputs) << outputs.error().message();
    EXPECT_THAT((*outputs)[0].span<float>(), ElementsAre(2 * x + 1, 1, 1));
    EXPECT_THAT((*outputs)[0].shape(), ElementsAre(1, 3));
  }
}

TEST_P(Models, TakeSeveralInputsAndGiveATuple) {
  const Model pair = model("tuple.pt");
  const Tensor a = tensor<float>({5, 6});
  const Tensor b = tensor<float>({1, 2});
  const auto by_position = pair.run({a, b});
  ASSERT_TRUE(by_position) << by_position.error().message();
  EXPECT_THAT((*by_position)[0].span<float>(), ElementsAre(6, 8));
  EXPECT_THAT((*by_position)[1].span<float>(), ElementsAre(4, 4));

  RunOptions names;
  names.input_names = {"b", "a"};
  names.output_names = {"difference"};
  const auto by_name = pair.run({b, a}, names);
  ASSERT_TRUE(by_name) << by_name.error().message();
  ASSERT_EQ(by_name->size(), 1U);
  EXPECT_THAT((*by_name)[0].span<float>(), ElementsAre(4, 4));
}

TEST_P(Models, TakeAndGiveDictionaries) {
  RunOptions names;
  names.input_names = {"a", "b"};
  names.output_names = {"sum", "product"};
  const auto outputs =
      model("dictionary.pt").run({tensor<float>({2, 3}), tensor<float>({4, 5})}, names);
  ASSERT_TRUE(outputs) << outputs.error().message();
  EXPECT_THAT((*outputs)[0].span<float>(), ElementsAre(6, 8));
  EXPECT_THAT((*outputs)[1].span<float>(), ElementsAre(8, 15));
  EXPECT_THAT(refusal(model("dictionary.pt").run({tensor<float>({2})})),
              HasSubstr("give each input its name"));
}

TEST_P(Models, FillTheCallersOwnTensor) {
  const Model scale_add = model("scale_add.pt");
  const Tensor input = session_->tensor<float>({2, 3});
  const Tensor output = session_->tensor<float>({2, 3});
  vac_tensor* in[] = {input.handle()};
  vac_tensor* out[] = {output.handle()};
  std::size_t count = 0;
  ASSERT_EQ(
      vac_jitload_forward(session_->handle(), scale_add.resource().handle(), in, 1, out, 1, &count),
      VAC_OK)
      << vac_error_message();
  EXPECT_EQ(out[0], output.handle());
  EXPECT_THAT(output.span<float>(), testing::Each(1.0F));

  const Tensor wrong = session_->tensor<float>({3, 3});
  out[0] = wrong.handle();
  EXPECT_EQ(
      vac_jitload_forward(session_->handle(), scale_add.resource().handle(), in, 1, out, 1, &count),
      VAC_EINVAL);
  EXPECT_THAT(vac_error_message(),
              HasSubstr("output 0 is f32 [2,3], the tensor given for it is f32 [3,3]"));
}

TEST_P(Models, RunIntoTheCallersOwnTensors) {
  const Model pair = model("tuple.pt");
  const Tensor sum = session_->tensor<float>({2}), difference = session_->tensor<float>({2});
  const Status ran =
      pair.run_into({tensor<float>({5, 6}), tensor<float>({1, 2})}, {sum, difference});
  ASSERT_TRUE(ran) << ran.error().message();
  EXPECT_THAT(sum.span<float>(), ElementsAre(6, 8));
  EXPECT_THAT(difference.span<float>(), ElementsAre(4, 4));

  RunOptions names;
  names.input_names = {"b", "a"};
  names.output_names = {"difference"};
  const Status named = pair.run_into({tensor<float>({1, 2}), tensor<float>({1, 3})}, {sum}, names);
  ASSERT_TRUE(named) << named.error().message();
  EXPECT_THAT(sum.span<float>(), ElementsAre(0, 1));
}

TEST_P(Models, TellHowManyOutputsThereAre) {
  const Model pair = model("tuple.pt");
  const Tensor a = tensor<float>({1});
  vac_tensor* in[] = {a.handle(), a.handle()};
  vac_tensor* out[] = {nullptr};
  std::size_t count = 0;
  EXPECT_EQ(
      vac_jitload_forward(session_->handle(), pair.resource().handle(), in, 2, out, 1, &count),
      VAC_ENOSPC);
  EXPECT_EQ(count, 2U);
  EXPECT_EQ(out[0], nullptr);
}

TEST_P(Models, DescribeThemselves) {
  const auto described = model("scale_add.pt").describe();
  ASSERT_TRUE(described) << described.error().message();
  EXPECT_THAT(*described,
              AllOf(HasSubstr(R"("framework":"torch")"), HasSubstr(R"("shape":[-1,3])")));
  const auto bare = model("no_description.pt").describe();
  ASSERT_TRUE(bare) << bare.error().message();
  EXPECT_THAT(*bare, AllOf(HasSubstr(R"("name":"x")"), HasSubstr(R"("shape":null)")));
}

TEST_P(Models, RefuseWrongShapeTypeNameAndNumber) {
  const Model scale_add = model("scale_add.pt");
  EXPECT_EQ(refusal(scale_add.run({session_->tensor<float>({2, 4})})),
            "model_run: input 0 'x' has shape [2,4], the model takes [any,3]: give it that shape "
            "(VAC_EINVAL)");
  EXPECT_EQ(refusal(scale_add.run({session_->tensor<double>({2, 3})})),
            "model_run: input 0 'x' is of type f64, the model takes f32: convert it (VAC_EINVAL)");
  const Tensor good = session_->tensor<float>({2, 3});
  EXPECT_THAT(refusal(scale_add.run({good, good})),
              HasSubstr("2 inputs are given, the model takes 1: x"));
  RunOptions names;
  names.input_names = {"y"};
  EXPECT_THAT(refusal(scale_add.run({good}, names)), HasSubstr("no input 'y': its inputs are x"));
  names.input_names = {};
  names.output_names = {"z"};
  EXPECT_THAT(refusal(scale_add.run({good}, names)), HasSubstr("no output 'z': its outputs are y"));
  EXPECT_THAT(refusal(scale_add.run({session_->tensor<std::uint16_t>({2, 3})})),
              HasSubstr("VAC_ENOTSUP"));
}

TEST_P(Models, ReportTheirOwnFailures) {
  const std::string text = refusal(model("raises.pt").run({tensor<float>({1})}));
  EXPECT_THAT(text, AllOf(StartsWith("model_run: the model failed: "), HasSubstr("(VAC_EIO)")));
  EXPECT_THAT(refusal(model("nested.pt").run({tensor<float>({1})})), HasSubstr("VAC_ENOTSUP"));
  EXPECT_TRUE(model("scale_add.pt").run({session_->tensor<float>({1, 3})}));
}

TEST_P(Models, SayWhatAFileIsThatIsNoModel) {
  for (const char* name : {"state_dict_legacy", "state_dict_zip"}) {
    const auto outputs = model(std::string(name) + ".pth").run({tensor<float>({1})});
    EXPECT_EQ(refusal(outputs), std::string("resource '") + name +
                                    ".pth' is a state dictionary, not TorchScript; export it with "
                                    "torch.jit.script(model).save(\"" +
                                    name + ".pt\") (VAC_EINVAL)");
  }
  const auto poem = session_->model(write("poem.txt", "roses are red"));
  EXPECT_THAT(refusal(poem.value().run({tensor<float>({1})})),
              HasSubstr("resource 'poem.txt' is not a TorchScript file; export it with"));
  std::ifstream whole(model_path("scale_add.pt"), std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(whole)), {});
  const auto cut = session_->model(write("cut.pt", bytes.substr(0, bytes.size() / 2)));
  EXPECT_THAT(refusal(cut.value().run({tensor<float>({1})})),
              HasSubstr("'cut.pt' is damaged or cut short"));
}

TEST_P(Models, SayThatTheFileIsMissing) {
  const auto missing = session_->model("/no/such/model.pt");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().message(),
            "resource '/no/such/model.pt': no such file: check the path (VAC_ENOENT)");
}

TEST_P(Models, RefuseOptionsThatTheyDoNotKnow) {
  ModelOptions options;
  options.device = "quantum";
  const auto odd = session_->model(model_path("scale_add.pt"), options);
  EXPECT_THAT(refusal(odd.value().run({session_->tensor<float>({1, 3})})),
              HasSubstr("device 'quantum' is not known: use cpu, cuda or cuda:N"));
}

TEST_P(Models, ServeManyThreadsAtOnce) {
  const Model scale_add = model("scale_add.pt");
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 20; ++i) {
        const Tensor input = session_->tensor<float>({1, 3});
        input.span<float>()[0] = static_cast<float>(t * 100 + i);
        const auto outputs = scale_add.run({input});
        ASSERT_TRUE(outputs) << outputs.error().message();
        EXPECT_EQ((*outputs)[0].span<float>()[0], static_cast<float>(2 * (t * 100 + i) + 1));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace vac
