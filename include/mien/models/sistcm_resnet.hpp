#pragma once

/// SISTCM-ResNet18: a ResNet-18 (He et al., CVPR 2016) over every frame of a clip, whose second 3x3 convolution in each
/// block is a super-image convolution over all frames (Wei et al., Expert Systems with Applications 237 (2024) 121419).

#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include "mien/autograd/shape.hpp"
#include "mien/models/resnet.hpp"
#include "mien/nn/dropout.hpp"
#include "mien/nn/normalised_convolution.hpp"
#include "mien/nn/super_image_convolution.hpp"

namespace mien::models {

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

/// conv1 (per frame, stride) - batch norm - ReLU - super-image convolution - batch norm - add the shortcut - ReLU, on
/// clips [B, T, H, W, C].
template <class T, class Device = Cpu>
struct SistcmBlock : BasicBlock<T, Device, nn::SuperImageConvolution<T, Device>> {
  explicit SistcmBlock(const SistcmBlockOptions& options)
      : BasicBlock<T, Device, nn::SuperImageConvolution<T, Device>>(
            {.in = options.in, .width = options.out, .stride = options.stride},
            nn::SuperImageConvolutionOptions{options.out, options.out, options.layout, options.fusion}) {}
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
      : conv1(stem_convolution(options.stem, options.channels, options.widths[0])),
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
    const Variable<T, Device> features = mean_of_positions(feature_maps(clips));
    const Variable<T, Device> logits = fc(dropout(features));
    if (!videos) return {features, logits};
    return {reshape(features, {shape[0], shape[1], features.size(1)}),
            reshape(logits, {shape[0], shape[1], logits.size(1)})};
  }

  template <MapOf<T> Map>
  ClipEmotion<T, Device> operator()(const Tensor<Map, Device>& frames) {
    return (*this)(Variable<Map, Device>(frames));
  }

  /// The last maps of clips [B, T, H, W, C], which are [B, T, H', W', F] and whose means over moments and positions are
  /// the features: what class activation maps are made of. Throws ShapeError for other clips.
  template <MapOf<T> Map>
  Variable<Map, Device> feature_maps(const Variable<Map, Device>& clips) {
    if (clips.shape().rank() != 5)
      throw ShapeError(detail::text("SistcmResNet18: clips ", clips.shape(), " are not [B, T, H, W, C]"));
    Variable<Map, Device> x = begin_with(stem_, conv1, bn1, clips);
    for (auto& stage : stages) x = stage(x);
    return x;
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
