#pragma once

/// DenseNet over images (Huang et al., Densely Connected Convolutional Networks, CVPR 2017), with torchvision's
/// parameter names: DenseNet-121, DenseNet-201, and a small form for faces.
///
/// Each layer of a block reads the block's input and what all layers before it have found, and adds `growth` channels.
/// These maps are never kept side by side: every layer puts them together and normalises them when it needs them, once
/// forward and once more for the gradient (nn/preactivated_convolution.hpp). So a training step keeps of a layer its
/// new channels and those of its bottleneck alone, and its memory grows linearly with the depth of a block.

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "mien/autograd/arithmetic.hpp"
#include "mien/autograd/shape.hpp"
#include "mien/models/stem.hpp"
#include "mien/nn/dropout.hpp"
#include "mien/nn/linear.hpp"
#include "mien/nn/preactivated_convolution.hpp"

namespace mien::models {

/// Maps of one height and width that lie side by side along their channels without having been put together.
template <class Map, class Device = Cpu>
using MapParts = std::vector<Variable<Map, Device>>;

/// norm1 - ReLU - conv1 1x1 to `width` channels - norm2 - ReLU - conv2 3x3 to `growth` channels: the new channels
/// alone.
template <class T, class Device = Cpu>
struct DenseLayer : nn::Module<DenseLayer<T, Device>, T, Device> {
  DenseLayer(Index in, Index width, Index growth)
      : norm1(in),
        conv1({.in = in, .out = width, .kernel = 1}),
        norm2(width),
        conv2({.in = width, .out = growth, .kernel = 3, .padding = 1}) {}

  template <MapOf<T> Map>
  Variable<Map, Device> operator()(const MapParts<Map, Device>& parts) {
    if (wants_gradient(parts) || wants_gradient(norm1.weight, norm1.bias, conv1.weight))
      return nn::preactivated_convolution(norm2, conv2,
                                          MapParts<Map, Device>{nn::preactivated_convolution(norm1, conv1, parts)});
    // Without gradients norm2 can happen in the first convolution's own pass.
    const Variable<Map, Device> x = norm1(concatenate(parts, -1), {.relu = true});
    return conv2(nn::normalised_convolution(conv1, norm2, x, {.relu = true}));
  }

  void visit(auto&& child) {
    child("norm1", norm1);
    child("conv1", conv1);
    child("norm2", norm2);
    child("conv2", conv2);
  }

  nn::BatchNorm<T, Device> norm1;
  nn::Convolution<T, Device> conv1;
  nn::BatchNorm<T, Device> norm2;
  nn::Convolution<T, Device> conv2;
};

struct DenseBlockOptions {
  Index in = 0;
  Index layers = 0;
  Index growth = 32;     ///< channels that each layer adds
  Index bottleneck = 4;  ///< channels between the two convolutions of a layer, in units of `growth`
};

/// Layers each of which reads what is there and adds to it: a map [..., H, W, in] to itself and the layers' maps, which
/// side by side have in + layers * growth channels. Names "denselayer1", "denselayer2", ...
template <class T, class Device = Cpu>
struct DenseBlock : nn::Module<DenseBlock<T, Device>, T, Device> {
  explicit DenseBlock(const DenseBlockOptions& options) {
    for (Index i = 0; i < options.layers; ++i)
      layers.emplace_back(options.in + i * options.growth, options.bottleneck * options.growth, options.growth);
  }

  template <MapOf<T> Map>
  MapParts<Map, Device> operator()(const Variable<Map, Device>& x) {
    MapParts<Map, Device> parts{x};
    for (auto& layer : layers) parts.push_back(layer(parts));
    return parts;
  }

  void visit(auto&& child) {
    for (std::size_t i = 0; i < layers.size(); ++i) child("denselayer" + std::to_string(i + 1), layers[i]);
  }

  std::vector<DenseLayer<T, Device>> layers;
};

/// norm - ReLU - conv 1x1 - 2x2 average pooling: between two blocks.
template <class T, class Device = Cpu>
struct DenseTransition : nn::Module<DenseTransition<T, Device>, T, Device> {
  DenseTransition(Index in, Index out) : norm(in), conv({.in = in, .out = out, .kernel = 1}) {}

  template <MapOf<T> Map>
  Variable<Map, Device> operator()(const MapParts<Map, Device>& parts) {
    return average_pool(nn::preactivated_convolution(norm, conv, parts), {.kernel = 2, .stride = 2});
  }

  void visit(auto&& child) {
    child("norm", norm);
    child("conv", conv);
  }

  nn::BatchNorm<T, Device> norm;
  nn::Convolution<T, Device> conv;
};

struct DenseNetOptions {
  Index outputs = 7;   ///< classes, or 2 for valence and arousal
  double dropout = 0;  ///< before the last layer
  Stem stem = Stem::imagenet;
  std::vector<Index> layers = {6, 12, 24, 16};  ///< of each block; these are those of DenseNet-121
  Index growth = 32;                            ///< channels that each layer adds
  Index width = 64;                             ///< channels of the stem
  Index bottleneck = 4;                         ///< channels between a layer's convolutions, in units of `growth`
  Index channels = 3;                           ///< of the images
};

/// 7.0 million parameters for 7 outputs.
inline DenseNetOptions densenet121(Index outputs) { return {.outputs = outputs}; }

/// 18.1 million parameters for 7 outputs.
inline DenseNetOptions densenet201(Index outputs) { return {.outputs = outputs, .layers = {6, 12, 48, 32}}; }

/// The form for faces of 48 pixels: three short blocks that add 12 channels a layer, behind a gentler stem.
inline DenseNetOptions small_densenet(Index outputs, Index channels = 1) {
  return {
      .outputs = outputs, .stem = Stem::small, .layers = {6, 6, 6}, .growth = 12, .width = 24, .channels = channels};
}

/// All of a DenseNet before its classifier. Names "conv0", "norm0", "denseblock1", "transition1", ..., "norm5".
template <class T, class Device = Cpu>
class DenseFeatures : public nn::Module<DenseFeatures<T, Device>, T, Device> {
 public:
  /// Throws ValueError unless there is a block, and a layer in each.
  explicit DenseFeatures(const DenseNetOptions& options)
      : conv0(stem_convolution(options.stem, options.channels, options.width)),
        norm0(options.width),
        norm5(channels_after(options, options.layers.size())),
        stem_(options.stem) {
    for (std::size_t block = 0; block < options.layers.size(); ++block) {
      const Index before = channels_after(options, block);
      const Index in = block == 0 ? before : before / 2;
      if (block > 0) transitions.emplace_back(before, in);
      blocks.emplace_back(DenseBlockOptions{in, options.layers[block], options.growth, options.bottleneck});
    }
  }

  /// [N, F]: the means of all channels.
  template <MapOf<T> Map>
  Variable<T, Device> operator()(const Variable<Map, Device>& images) {
    return mean_of_positions(maps(images));
  }

  /// [N, H', W', F]: all channels at every position.
  template <MapOf<T> Map>
  Variable<Map, Device> maps(const Variable<Map, Device>& images) {
    MapParts<Map, Device> parts = blocks[0](begin_with(stem_, conv0, norm0, images));
    for (std::size_t i = 0; i < transitions.size(); ++i) parts = blocks[i + 1](transitions[i](parts));
    return norm5(concatenate(parts, -1), {.relu = true});
  }

  void visit(auto&& child) {
    child("conv0", conv0);
    child("norm0", norm0);
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      child("denseblock" + std::to_string(i + 1), blocks[i]);
      if (i < transitions.size()) child("transition" + std::to_string(i + 1), transitions[i]);
    }
    child("norm5", norm5);
  }

  nn::Convolution<T, Device> conv0;
  nn::BatchNorm<T, Device> norm0;
  std::vector<DenseBlock<T, Device>> blocks;
  std::vector<DenseTransition<T, Device>> transitions;
  nn::BatchNorm<T, Device> norm5;

 private:
  /// Channels of so many blocks side by side; each transition leaves half of them.
  static Index channels_after(const DenseNetOptions& options, std::size_t blocks) {
    if (options.layers.empty()) throw ValueError("DenseNet: no blocks");
    Index channels = options.width;
    for (std::size_t block = 0; block < blocks; ++block) {
      const Index layers = options.layers[block];
      if (layers < 1) throw ValueError(detail::text("DenseNet: block ", block + 1, " has ", layers, " layers"));
      channels = (block == 0 ? channels : channels / 2) + layers * options.growth;
    }
    return channels;
  }

  Stem stem_;
};

/// Images [N, H, W, C] -> logits, or whatever else is learnt, [N, outputs]. Images of any size that the stem and the
/// transitions leave a pixel of, which is 29 rows and columns for four blocks behind the usual stem; their type is that
/// of all maps, 16 bits on the GPU for speed, beside features and outputs of type T.
///
///     models::DenseNet<float> network(models::densenet121(7));
///     Variable<float> logits = network(images);
template <class T, class Device = Cpu>
class DenseNet : public nn::Module<DenseNet<T, Device>, T, Device> {
 public:
  explicit DenseNet(const DenseNetOptions& options = {})
      : trunk(options),
        dropout(options.dropout),
        classifier({.in = trunk.norm5.weight.size(0), .out = options.outputs}) {}

  template <MapOf<T> Map>
  Variable<T, Device> operator()(const Variable<Map, Device>& images) {
    return classifier(dropout(features(images)));
  }
  template <MapOf<T> Map>
  Variable<T, Device> operator()(const Tensor<Map, Device>& images) {
    return (*this)(Variable<Map, Device>(images));
  }

  /// What the last layer sees, [N, F]: 1024 numbers of an image for DenseNet-121, 1920 for DenseNet-201.
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
      throw ShapeError(detail::text("DenseNet: images ", images.shape(), " are not [N, H, W, C]"));
    return trunk.maps(images);
  }

  void visit(auto&& child) {
    child("features", trunk);
    child("dropout", dropout);
    child("classifier", classifier);
  }

  DenseFeatures<T, Device> trunk;
  nn::Dropout<T, Device> dropout;
  nn::Linear<T, Device> classifier;
};

}  // namespace mien::models
