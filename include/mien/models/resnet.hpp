#pragma once

/// ResNet-18 and ResNet-50 over images (He et al., Deep Residual Learning for Image Recognition, CVPR 2016), with
/// torchvision's parameter names, and its form of the bottleneck that has the stride in the 3x3 convolution.

#include <array>
#include <cstddef>
#include <optional>
#include <string>

#include "mien/autograd/arithmetic.hpp"
#include "mien/models/stem.hpp"
#include "mien/nn/dropout.hpp"
#include "mien/nn/linear.hpp"

namespace mien::models {

/// The 1x1 convolution and batch norm of a shortcut that changes size or channels. Names "0" and "1".
template <class T, class Device = Cpu>
struct Downsample : nn::Module<Downsample<T, Device>, T, Device> {
  Downsample(Index in, Index out, Index stride)
      : conv({.in = in, .out = out, .kernel = 1, .stride = stride}), norm(out) {}

  /// Nothing where a block's input can be added to its output as it is.
  static std::optional<Downsample> if_needed(Index in, Index out, Index stride) {
    if (stride == 1 && in == out) return std::nullopt;
    return Downsample(in, out, stride);
  }

  template <MapOf<T> Map>
  Variable<Map, Device> operator()(const Variable<Map, Device>& x) {
    return nn::normalised_convolution(conv, norm, x);
  }

  void visit(auto&& child) {
    child("0", conv);
    child("1", norm);
  }

  nn::Convolution<T, Device> conv;
  nn::BatchNorm<T, Device> norm;
};

struct ResidualBlockOptions {
  Index in = 0;
  Index width = 0;  ///< channels of the 3x3 convolutions
  Index stride = 1;
};

/// conv1 3x3 (stride) - batch norm - ReLU - conv2 3x3 - batch norm - add the shortcut - ReLU, on maps [..., H, W, in].
/// `Second` is the layer of conv2, from `width` channels to as many.
template <class T, class Device = Cpu, class Second = nn::Convolution<T, Device>>
struct BasicBlock : nn::Module<BasicBlock<T, Device, Second>, T, Device> {
  static constexpr Index expansion = 1;                            ///< output channels for each of `width`
  static constexpr std::array<Index, 4> usual_layers{2, 2, 2, 2};  ///< those of ResNet-18

  explicit BasicBlock(const ResidualBlockOptions& options)
      : BasicBlock(options,
                   nn::ConvolutionLayerOptions{.in = options.width, .out = options.width, .kernel = 3, .padding = 1}) {}
  template <class SecondOptions>
  BasicBlock(const ResidualBlockOptions& options, const SecondOptions& second)
      : conv1({.in = options.in, .out = options.width, .kernel = 3, .stride = options.stride, .padding = 1}),
        bn1(options.width),
        conv2(second),
        bn2(options.width),
        downsample(Downsample<T, Device>::if_needed(options.in, options.width, options.stride)) {}

  template <MapOf<T> Map>
  Variable<Map, Device> operator()(const Variable<Map, Device>& x) {
    const Variable<Map, Device> y = nn::normalised_convolution(conv1, bn1, x, {.relu = true});
    return nn::normalised_convolution(conv2, bn2, y, {.residual = downsample ? (*downsample)(x) : x, .relu = true});
  }

  void visit(auto&& child) {
    child("conv1", conv1);
    child("bn1", bn1);
    child("conv2", conv2);
    child("bn2", bn2);
    if (downsample) child("downsample", *downsample);
  }

  nn::Convolution<T, Device> conv1;
  nn::BatchNorm<T, Device> bn1;
  Second conv2;
  nn::BatchNorm<T, Device> bn2;
  std::optional<Downsample<T, Device>> downsample;
};

/// conv1 1x1 - batch norm - ReLU - conv2 3x3 (stride) - batch norm - ReLU - conv3 1x1 to four times the width - batch
/// norm - add the shortcut - ReLU, on maps [..., H, W, in].
template <class T, class Device = Cpu>
struct Bottleneck : nn::Module<Bottleneck<T, Device>, T, Device> {
  static constexpr Index expansion = 4;                            ///< output channels for each of `width`
  static constexpr std::array<Index, 4> usual_layers{3, 4, 6, 3};  ///< those of ResNet-50

  explicit Bottleneck(const ResidualBlockOptions& options)
      : conv1({.in = options.in, .out = options.width, .kernel = 1}),
        bn1(options.width),
        conv2({.in = options.width, .out = options.width, .kernel = 3, .stride = options.stride, .padding = 1}),
        bn2(options.width),
        conv3({.in = options.width, .out = expansion * options.width, .kernel = 1}),
        bn3(expansion * options.width),
        downsample(Downsample<T, Device>::if_needed(options.in, expansion * options.width, options.stride)) {}

  template <MapOf<T> Map>
  Variable<Map, Device> operator()(const Variable<Map, Device>& x) {
    Variable<Map, Device> y = nn::normalised_convolution(conv1, bn1, x, {.relu = true});
    y = nn::normalised_convolution(conv2, bn2, y, {.relu = true});
    return nn::normalised_convolution(conv3, bn3, y, {.residual = downsample ? (*downsample)(x) : x, .relu = true});
  }

  void visit(auto&& child) {
    child("conv1", conv1);
    child("bn1", bn1);
    child("conv2", conv2);
    child("bn2", bn2);
    child("conv3", conv3);
    child("bn3", bn3);
    if (downsample) child("downsample", *downsample);
  }

  nn::Convolution<T, Device> conv1;
  nn::BatchNorm<T, Device> bn1;
  nn::Convolution<T, Device> conv2;
  nn::BatchNorm<T, Device> bn2;
  nn::Convolution<T, Device> conv3;
  nn::BatchNorm<T, Device> bn3;
  std::optional<Downsample<T, Device>> downsample;
};

struct ResNetOptions {
  Index outputs = 7;   ///< classes, or 2 for valence and arousal
  double dropout = 0;  ///< before the last layer
  Stem stem = Stem::imagenet;
  /// Blocks of each of the four stages; none: those of ResNet-18, or of ResNet-50 for bottlenecks.
  std::optional<std::array<Index, 4>> layers = std::nullopt;
  std::array<Index, 4> widths{64, 128, 256, 512};
  Index channels = 3;  ///< of the images
};

/// The form for faces of 48 pixels: the same blocks behind a gentler stem, with fewer channels.
inline ResNetOptions small_resnet(Index outputs, Index channels = 1) {
  return {.outputs = outputs, .stem = Stem::small, .widths = {16, 32, 64, 128}, .channels = channels};
}

/// Images [N, H, W, C] -> logits, or whatever else is learnt, [N, outputs]. Images of any size; their type is that of
/// all maps, 16 bits on the GPU for speed, beside features and outputs of type T.
///
///     models::ResNet18<float> network({.outputs = 7});
///     Variable<float> logits = network(images);
template <class Block>
class ResNet : public nn::Module<ResNet<Block>, typename Block::Element, typename Block::Device> {
 public:
  using T = typename Block::Element;
  using Device = typename Block::Device;

  explicit ResNet(const ResNetOptions& options = {})
      : conv1(stem_convolution(options.stem, options.channels, options.widths[0])),
        bn1(options.widths[0]),
        dropout(options.dropout),
        fc({.in = Block::expansion * options.widths[3], .out = options.outputs}),
        stem_(options.stem) {
    const std::array<Index, 4> layers = options.layers.value_or(Block::usual_layers);
    Index in = options.widths[0];
    for (std::size_t stage = 0; stage < stages.size(); ++stage) {
      const Index width = options.widths[stage];
      if (layers[stage] < 1)
        throw ValueError(detail::text("ResNet: stage ", stage + 1, " has ", layers[stage], " blocks, at least one"));
      for (Index block = 0; block < layers[stage]; ++block) {
        stages[stage].append(Block({.in = in, .width = width, .stride = stage > 0 && block == 0 ? 2 : 1}));
        in = Block::expansion * width;
      }
    }
  }

  template <MapOf<T> Map>
  Variable<T, Device> operator()(const Variable<Map, Device>& images) {
    return fc(dropout(features(images)));
  }
  template <MapOf<T> Map>
  Variable<T, Device> operator()(const Tensor<Map, Device>& images) {
    return (*this)(Variable<Map, Device>(images));
  }

  /// What the last layer sees, [N, F]: 512 numbers of an image for ResNet-18, 2048 for ResNet-50.
  /// Throws ShapeError unless the images are [N, H, W, C].
  template <MapOf<T> Map>
  Variable<T, Device> features(const Variable<Map, Device>& images) {
    return mean_of_positions(feature_maps(images));
  }

  /// The last maps, [N, H', W', F], whose means over the positions are the features: what class activation maps are
  /// made of. Throws ShapeError unless the images are [N, H, W, C].
  template <MapOf<T> Map>
  Variable<Map, Device> feature_maps(const Variable<Map, Device>& images) {
    if (images.shape().rank() != 4)
      throw ShapeError(detail::text("ResNet: images ", images.shape(), " are not [N, H, W, C]"));
    Variable<Map, Device> x = begin_with(stem_, conv1, bn1, images);
    for (auto& stage : stages) x = stage(x);
    return x;
  }

  void visit(auto&& child) {
    child("conv1", conv1);
    child("bn1", bn1);
    for (std::size_t stage = 0; stage < stages.size(); ++stage)
      child("layer" + std::to_string(stage + 1), stages[stage]);
    child("dropout", dropout);
    child("fc", fc);
  }

  nn::Convolution<T, Device> conv1;
  nn::BatchNorm<T, Device> bn1;
  std::array<nn::Sequence<Block>, 4> stages;
  nn::Dropout<T, Device> dropout;
  nn::Linear<T, Device> fc;

 private:
  Stem stem_;
};

/// 11.2 million parameters for 7 outputs.
template <class T, class Device = Cpu>
using ResNet18 = ResNet<BasicBlock<T, Device>>;

/// 23.5 million parameters for 7 outputs.
template <class T, class Device = Cpu>
using ResNet50 = ResNet<Bottleneck<T, Device>>;

}  // namespace mien::models
