// SPDX-License-Identifier: Apache-2.0
// Writes the TorchScript models that the tests run into the folder named by its argument. Each is a
// few lines of code and at most two numbers, so that a test can tell the right answer by heart.
#include <ATen/ATen.h>
#include <torch/csrc/jit/api/module.h>

#include <cstdio>
#include <exception>
#include <fstream>
#include <stdexcept>
#include <string>

namespace {

struct TestModel {
  std::string file;
  std::string source;    // its forward method
  std::string vac_json;  // empty: the file holds none
};

// A model of one tensor "x" of any length that answers "y" of the same type and length.
std::string one_to_one(const std::string& name, const std::string& type) {
  const std::string rest = R"("type":")" + type + R"(","shape":[-1]}])";
  return R"({"name":")" + name + R"(","framework":"torch","inputs":[{"name":"x",)" + rest +
         R"(,"outputs":[{"name":"y",)" + rest + "}";
}

// Refuses any other type: whoever converts on the way is found out. `dtype` is at::ScalarType's
// number, which is what a comparison with a dtype means in TorchScript.
TestModel identity(const std::string& type, at::ScalarType dtype) {
  return {"identity_" + type + ".pt",
          "def forward(self, x):\n"
          "    assert x.dtype == " +
              std::to_string(static_cast<int>(dtype)) + ", \"x is not " + type +
              "\"\n"
              "    return x.clone()\n",
          one_to_one("identity-" + type, type)};
}

const char* const kScaleAdd =
    "def forward(self, x):\n"
    "    return x * self.scale + self.shift\n";

const char* const kScaleAddJson = R"({"name":"scale-add","framework":"torch",
"inputs":[{"name":"x","type":"f32","shape":[-1,3]}],
"outputs":[{"name":"y","type":"f32","shape":[-1,3]}]})";

const char* const kTwoRowsJson = R"({"name":"two-rows","framework":"torch",
"inputs":[{"name":"x","type":"f32","shape":[2,3]}],
"outputs":[{"name":"y","type":"f32","shape":[2,3]}]})";

const char* const kTupleJson = R"({"name":"tuple","framework":"torch",
"inputs":[{"name":"a","type":"f32","shape":[-1]},{"name":"b","type":"f32","shape":[-1]}],
"outputs":[{"name":"sum","type":"f32","shape":[-1]},{"name":"difference","type":"f32","shape":[-1]}]})";

const char* const kDictionaryJson = R"({"name":"dictionary","framework":"torch",
"inputs":[{"name":"a","type":"f32","shape":[-1]},{"name":"b","type":"f32","shape":[-1]}],
"outputs":[{"name":"product","type":"f32","shape":[-1]},{"name":"sum","type":"f32","shape":[-1]}]})";

// Photos by their mean colour.
const char* const kMeanColourJson = R"({"name":"mean-colour","framework":"torch",
"inputs":[{"name":"image","type":"f32","shape":[-1,3,8,8]}],
"outputs":[{"name":"logits","type":"f32","shape":[-1,3],"activation":"softmax"}],
"image":{"layout":"NCHW","channels":"RGB","size":[8,8],"mean":[128,128,128],"scale":[16,16,16]},
"labels":["red","green","blue"]})";

const TestModel kModels[] = {
    // y = 2 x + 1, with and without a description.
    {"scale_add.pt", kScaleAdd, kScaleAddJson},
    {"no_description.pt", kScaleAdd, ""},
    {"tuple.pt",
     "def forward(self, a, b):\n"
     "    return a + b, a - b\n",
     kTupleJson},
    {"dictionary.pt",
     "def forward(self, inputs: Dict[str, Tensor]) -> Dict[str, Tensor]:\n"
     "    a, b = inputs[\"a\"], inputs[\"b\"]\n"
     "    return {\"product\": a * b, \"sum\": a + b}\n",
     kDictionaryJson},
    {"mean_colour.pt",
     "def forward(self, image):\n"
     "    return image.mean([2, 3])\n",
     kMeanColourJson},
    // Does not end. Says that it runs, often enough to get through the buffer of a log.
    {"endless.pt",
     "def forward(self, x):\n"
     "    for i in range(1000):\n"
     "        print(\"endless.pt runs\")\n"
     "    while bool(x.sum() < 1e30):\n"
     "        x = x * 1.0\n"
     "    return x\n",
     kMeanColourJson},
    identity("f32", at::kFloat),
    identity("f64", at::kDouble),
    identity("i32", at::kInt),
    identity("i64", at::kLong),
    identity("u8", at::kByte),
    identity("bool", at::kBool),
    {"raises.pt",
     "def forward(self, x):\n"
     "    assert x.numel() < 0, \"this model always fails\"\n"
     "    return x\n",
     one_to_one("raises", "f32")},
    // Fails for what it is given, whole.
    {"picky.pt",
     "def forward(self, x):\n"
     "    assert bool((x >= 0).all()), \"x is negative\"\n"
     "    return x * 2\n",
     kScaleAddJson},
    // Whose rows are not its calls': all are summed up; it takes two at a time.
    {"sum_of_rows.pt",
     "def forward(self, x):\n"
     "    return x.sum(0, keepdim=True)\n",
     kScaleAddJson},
    {"two_rows.pt",
     "def forward(self, x):\n"
     "    return x * x[0]\n",
     kTwoRowsJson},
    // What no plugin can answer: lists in a list.
    {"nested.pt",
     "def forward(self, x):\n"
     "    return [[x, x], [x]]\n",
     one_to_one("nested", "f32")},
};

void write(const TestModel& model, const std::string& folder) {
  torch::jit::Module module("TestModel");
  if (model.source == kScaleAdd) {
    module.register_parameter("scale", at::full({1}, 2.0F), false);
    module.register_parameter("shift", at::full({1}, 1.0F), false);
  }
  module.define(model.source);
  module.eval();

  torch::jit::ExtraFilesMap extra;
  if (!model.vac_json.empty()) extra["vac.json"] = model.vac_json;
  std::ofstream file(folder + "/" + model.file, std::ios::binary | std::ios::trunc);
  module.save(file, extra);
  file.close();
  if (!file) throw std::runtime_error("cannot write " + folder + "/" + model.file);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: make_test_models FOLDER\n", stderr);
    return 2;
  }
  try {
    for (const TestModel& model : kModels) write(model, argv[1]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "make_test_models: %s\n", error.what());
    return 1;
  }
  return 0;
}
