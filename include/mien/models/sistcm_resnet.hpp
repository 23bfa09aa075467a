#pragma once

/// SISTCM-ResNet18: a ResNet-18 (He et al., CVPR 2016) over every frame of a clip, whose second 3x3 convolution in each
/// block is a super-image convolution over all frames (Wei et al., Expert Systems with Applications 237 (2024) 121419).

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "mien/autograd/pooling.hpp"
#include "mien/autograd/shape.hpp"
#include "mien/nn/dropout.hpp"
#include "mien/nn/normalised_convolution.hpp"
#include "mien/nn/super_image_convolution.hpp"

namespace mien::models {

/// How a network begins.
enum class Stem {
  imagenet,  ///< 7x7 convolution, stride 2, and 3x3 max pooling, stride 2: for frames of 112 pixels and more
  small      ///< 3x3 convolution, stride 1, and 2x2 max pooling: for faces of about 48 pixels
};

struct SistcmResNet18Options {
  Index classes = 7;
  SuperImageLayout layout = SuperImageLayout::stacked;
  ViewFusion fusion = ViewFusion::channel;
  double dropout = 0.5;  ///< before the classifier
  Stem stem = Stem::imagenet;
  std::array<Index, 4> widths{64, 128, 256, 512};
  Index channels = 3;  ///< of the frames
};

/// The form for faces of 48 pixels: the same blocks behind a gentler stem, with fewer channels.
inline SistcmResNet18Options small_sistcm_resnet18(Index classes, Index channels = 1) {
  SistcmResNet18Options options;
  options.classes = classes;
  options.stem = Stem::small;
  options.widths = {16, 32, 64, 128};
  options.channels = channels;
  return options;
}

struct SistcmBlockOptions {
  Index in = 0;
  Index out = 0;
  Index stride = 1;
  SuperImageLayout layout = SuperImageLayout::stacked;
  ViewFusion fusion = ViewFusion::channel;
};

/// The 1x1 convolution and batch norm of a shortcut that changes size or channels. Names "0" and "1".
template <class T, class Device = Cpu>
struct Downsample : nn::Module<Downsample<T, Device>, T, Device> {
  Downsample(Index in, Index out, Index stride)
      : conv({.in = in, .out = out, .kernel = 1, .stride = stride}), norm(out) {}

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

/// conv1 (per frame, stride) - batch norm - ReLU - super-image convolution - batch norm - add the shortcut - ReLU, on
/// clips [B, T, H, W, C].
template <class T, class Device = Cpu>
struct SistcmBlock : nn::Module<SistcmBlock<T, Device>, T, Device> {
  explicit SistcmBlock(const SistcmBlockOptions& options)
      : conv1({.in = options.in, .out = options.out, .kernel = 3, .stride = options.stride, .padding = 1}),
        bn1(options.out),
        conv2({.in = options.out, .out = options.out, .layout = options.layout, .fusion = options.fusion}),
        bn2(options.out) {
    if (options.stride != 1 || options.in != options.out) downsample.emplace(options.in, options.out, options.stride);
  }

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
  nn::SuperImageConvolution<T, Device> conv2;
  nn::BatchNorm<T, Device> bn2;
  std::optional<Downsample<T, Device>> downsample;
};

template <class T, class Device = Cpu>
struct ClipEmotion {
  Variable<T, Device> features;  ///< [B, 512], or [B, K, 512] for videos of K clips
  Variable<T, Device> logits;    ///< [B, classes] or [B, K, classes]
};

/// Clips [B, T, H, W, C], or videos of K clips each [B, K, T, H, W, C], to features and emotion logits of every clip.
/// Parameter names are torchvision's for a ResNet-18; the fusion layers are "layerS.B.conv2.fc". Frames of any size;
/// their type is that of all maps, 16 bits on the GPU for speed, beside features and logits of type T.
template <class T, class Device = Cpu>
class SistcmResNet18 : public nn::Module<SistcmResNet18<T, Device>, T, Device> {
 public:
  explicit SistcmResNet18(const SistcmResNet18Options& options)
      : conv1({.in = options.channels,
               .out = options.widths[0],
               .kernel = options.stem == Stem::imagenet ? 7 : 3,
               .stride = options.stem == Stem::imagenet ? 2 : 1,
               .padding = options.stem == Stem::imagenet ? 3 : 1}),
        bn1(options.widths[0]),
        dropout(options.dropout),
        fc({.in = options.widths[3], .out = options.classes}),
        stem_(options.stem) {
    Index in = options.widths[0];
    for (std::size_t stage = 0; stage < stages.size(); ++stage) {
      const Index out = options.widths[stage];
      stages[stage].append(SistcmBlock<T, Device>({in, out, stage == 0 ? 1 : 2, options.layout, options.fusion}));
      stages[stage].append(SistcmBlock<T, Device>({out, out, 1, options.layout, options.fusion}));
      in = out;
    }
  }

  template <MapOf<T> Map>
  ClipEmotion<T, Device> operator()(const Variable<Map, Device>& frames) {
    const Shape shape = frames.shape();
    if (shape.rank() != 5 && shape.rank() != 6)
      throw ShapeError(
          detail::text("SistcmResNet18: frames ", shape, " are neither [B, T, H, W, C] nor [B, K, T, H, W, C]"));
    const bool videos = shape.rank() == 6;
    const Variable<Map, Device> clips =
        videos ? reshape(frames, {shape[0] * shape[1], shape[2], shape[3], shape[4], shape[5]}) : frames;
    Variable<Map, Device> x = nn::normalised_convolution(conv1, bn1, clips, {.relu = true});
    x = max_pool(x, stem_ == Stem::imagenet ? PoolingOptions{.kernel = 3, .stride = 2, .padding = 1}
                                            : PoolingOptions{.kernel = 2, .stride = 2});
    for (auto& stage : stages) x = stage(x);
    const Variable<T, Device> features = mean_of_positions(x);
    const Variable<T, Device> logits = fc(dropout(features));
    if (!videos) return {features, logits};
    return {reshape(features, {shape[0], shape[1], features.size(1)}),
            reshape(logits, {shape[0], shape[1], logits.size(1)})};
  }

  template <MapOf<T> Map>
  ClipEmotion<T, Device> operator()(const Tensor<Map, Device>& frames) {
    return (*this)(Variable<Map, Device>(frames));
  }

  /// The views' weights in the last call, for each of the eight blocks in order: [clips, 2, O or 1], height first.
  std::vector<Tensor<T, Device>> alpha() {
    std::vector<Tensor<T, Device>> out;
    for (auto& stage : stages)
      for (std::size_t block = 0; block < stage.size(); ++block) out.push_back(stage[block].conv2.alpha());
    return out;
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
  std::array<nn::Sequence<SistcmBlock<T, Device>>, 4> stages;
  nn::Dropout<T, Device> dropout;
  nn::Linear<T, Device> fc;

 private:
  Stem stem_;
};

}  // namespace mien::models
