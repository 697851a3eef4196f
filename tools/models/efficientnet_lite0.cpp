// SPDX-License-Identifier: Apache-2.0
#include "efficientnet_lite0.hpp"

#include <algorithm>
#include <string>

namespace vac::models {
namespace {

constexpr double kBatchNormEpsilon = 1e-3;
constexpr int kImageSize = 224;
constexpr int kStemChannels = 32;
constexpr int kHeadChannels = 1280;
constexpr int kClasses = 1000;

// A row of the network's table: `repeats` blocks, of which only the first changes the size.
struct Stage {
  int expansion, kernel, stride, channels, repeats;
};
constexpr Stage kStages[] = {
    {1, 3, 1, 16, 1},  {6, 3, 2, 24, 2},  {6, 5, 2, 40, 2},  {6, 3, 2, 80, 3},
    {6, 5, 1, 112, 3}, {6, 5, 2, 192, 4}, {6, 3, 1, 320, 1},
};

enum class Activation { none, relu6 };

struct Convolution {
  int out_channels, kernel, stride;
  bool depthwise;
  Activation activation;
};

// Writes the network's source statement by statement while it follows the size and the channels of
// the tensor `x` that the statements pass on.
class Builder {
 public:
  explicit Builder(const Weights& weights) : weights_(weights), module_("EfficientNetLite0") {
    source_ = "def forward(self, x):\n";
  }

  // x = activation(batch_norm(convolution(x))), with TensorFlow's "same" padding. `parameter` is
  // the stem of the attributes' names, `convolution` and `norm` are names in the weights.
  void add(const std::string& parameter, const std::string& convolution, const std::string& norm,
           const Convolution& shape) {
    register_folded(parameter, convolution, norm, shape);

    const int out_size = (size_ + shape.stride - 1) / shape.stride;
    const int padding = std::max((out_size - 1) * shape.stride + shape.kernel - size_, 0);
    std::string input = "x";
    if (padding % 2 != 0) {  // conv2d pads both sides alike, TensorFlow the far side by one more.
      input = "torch.constant_pad_nd(x, " + list(padding / 2, padding - padding / 2, 2) + ", 0.)";
    }
    const int symmetric = padding % 2 == 0 ? padding / 2 : 0;
    const int groups = shape.depthwise ? shape.out_channels : 1;
    std::string value = "torch.conv2d(" + input + ", self." + parameter + "_weight, self." +
                        parameter + "_bias, " + list(shape.stride, shape.stride) + ", " +
                        list(symmetric, symmetric) + ", [1, 1], " + std::to_string(groups) + ")";
    if (shape.activation == Activation::relu6) value = "torch.clamp_(" + value + ", 0., 6.)";
    statement("x = " + value);
    size_ = out_size;
    channels_ = shape.out_channels;
  }

  // An inverted residual block: expand, filter each channel, project; added to its input where the
  // shape stays.
  void add_block(int index, const Stage& stage, bool first) {
    const std::string name = "block" + std::to_string(index);
    const std::string from = "_blocks." + std::to_string(index) + ".";
    const int stride = first ? stage.stride : 1;
    const bool residual = stride == 1 && channels_ == stage.channels;
    const int expanded = channels_ * stage.expansion;
    if (residual) statement("shortcut = x");
    if (stage.expansion != 1) {
      add(name + "_expand", from + "_expand_conv", from + "_bn0",
          {expanded, 1, 1, false, Activation::relu6});
    }
    add(name + "_depthwise", from + "_depthwise_conv", from + "_bn1",
        {expanded, stage.kernel, stride, true, Activation::relu6});
    add(name + "_project", from + "_project_conv", from + "_bn2",
        {stage.channels, 1, 1, false, Activation::none});
    if (residual) statement("x = torch.add_(x, shortcut)");
  }

  torch::jit::Module finish() {
    module_.register_parameter("classifier_weight",
                               weights_.get("_fc.weight", {kClasses, channels_}), false);
    module_.register_parameter("classifier_bias", weights_.get("_fc.bias", {kClasses}), false);
    statement("x = torch.mean(x, [2, 3])");
    statement("return torch.addmm(self.classifier_bias, x, torch.t(self.classifier_weight))");
    module_.define(source_);
    module_.eval();
    return module_;
  }

 private:
  static std::string list(int first, int second, int times = 1) {
    const std::string pair = std::to_string(first) + ", " + std::to_string(second);
    std::string text = pair;
    for (int i = 1; i < times; ++i) text += ", " + pair;
    return "[" + text + "]";
  }

  void statement(const std::string& text) { source_ += "    " + text + "\n"; }

  void register_folded(const std::string& parameter, const std::string& convolution,
                       const std::string& norm, const Convolution& shape) {
    const int out = shape.out_channels;
    const int in = shape.depthwise ? 1 : channels_;
    const at::Tensor& weight =
        weights_.get(convolution + ".weight", {out, in, shape.kernel, shape.kernel});
    const at::Tensor& gamma = weights_.get(norm + ".weight", {out});
    const at::Tensor& beta = weights_.get(norm + ".bias", {out});
    const at::Tensor& mean = weights_.get(norm + ".running_mean", {out});
    const at::Tensor& variance = weights_.get(norm + ".running_var", {out});
    const at::Tensor factor = gamma / at::sqrt(variance + kBatchNormEpsilon);
    module_.register_parameter(parameter + "_weight", weight * factor.view({out, 1, 1, 1}), false);
    module_.register_parameter(parameter + "_bias", beta - mean * factor, false);
  }

  const Weights& weights_;
  torch::jit::Module module_;
  std::string source_;
  int size_ = kImageSize;
  int channels_ = 3;
};

}  // namespace

torch::jit::Module efficientnet_lite0(const Weights& weights) {
  Builder net(weights);
  net.add("stem", "_conv_stem", "_bn0", {kStemChannels, 3, 2, false, Activation::relu6});
  int index = 0;
  for (const Stage& stage : kStages) {
    for (int i = 0; i < stage.repeats; ++i) net.add_block(index++, stage, i == 0);
  }
  net.add("head", "_conv_head", "_bn1", {kHeadChannels, 1, 1, false, Activation::relu6});
  return net.finish();
}

}  // namespace vac::models
