#pragma once

/// The Vision Transformer (Dosovitskiy et al., An Image is Worth 16x16 Words: Transformers for Image Recognition at
/// Scale, ICLR 2021): an image as a sequence of patches that attend to each other.

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "mien/autograd/shape.hpp"
#include "mien/nn/normalised_convolution.hpp"
#include "mien/nn/transformer_block.hpp"

namespace mien::models {

/// How position embeddings start, before they are trained.
enum class PositionStart {
  drawn,        ///< from N(0, 0.02^2), as torchvision's
  sine_cosine,  ///< by `sine_cosine_positions`: places differ from the first step on
};

/// One step of a convolutional stem: a convolution of an odd kernel, padded by half of it, batch norm and ReLU.
struct StemConvolution {
  Index channels = 0;  ///< that come out
  Index kernel = 3;    ///< its height and width
  Index stride = 2;
};

/// Those of ViT-B/16 with seven emotions.
struct VisionTransformerOptions {
  Index side = 224;        ///< of the square images, in pixels
  Index patch = 16;        ///< of the square patches; a divisor of the side
  Index channels = 3;      ///< of the images
  Index width = 768;       ///< E, of a token
  Index depth = 12;        ///< blocks
  Index heads = 12;        ///< of attention; a divisor of the width
  Index mlp_width = 3072;  ///< of the MLPs' hidden layers
  Index outputs = 7;       ///< emotions, or 2 for valence and arousal
  double dropout = 0;      ///< in training, of the tokens and in the blocks
  PositionStart positions = PositionStart::drawn;
  /// Convolutions that make the patches, whose strides multiply to the patch; none: one linear map of each patch.
  std::vector<StemConvolution> stem = {};
};

/// ViT-B/16 for images of 224 pixels, some 86 million parameters.
inline VisionTransformerOptions vit_b_16(Index outputs = 7) {
  VisionTransformerOptions options;
  options.outputs = outputs;
  return options;
}

/// A small form for faces of 48 pixels that trains on a laptop: 64 patches of 6 pixels and some 0.9 million parameters.
/// Patches are made by convolutions, without which it would take many more images to find out that pixels have
/// neighbours.
inline VisionTransformerOptions small_vit(Index outputs = 7, Index channels = 1) {
  return {.side = 48,
          .patch = 6,
          .channels = channels,
          .width = 128,
          .depth = 6,
          .heads = 4,
          .mlp_width = 256,
          .outputs = outputs,
          .dropout = 0.1,
          .positions = PositionStart::sine_cosine,
          .stem = {{.channels = 32, .stride = 2}, {.channels = 64, .stride = 1}, {.channels = 128, .stride = 3}}};
}

/// Position embeddings [1, 1 + side^2, width] of a square of patches in which a place is a phase: with w_i =
/// 10000^(-4 i / width), a quarter of the width each for amplitude times sin(x w_i), cos(x w_i), sin(y w_i) and
/// cos(y w_i) of column x and row y, from 0 (Vaswani et al., Attention Is All You Need, NeurIPS 2017; in two dimensions
/// Chen, Xie and He, ICCV 2021). The class token has no place: zeros. Patches have a deviation of about 1, beside which
/// the amplitude is to be seen. Throws ValueError unless four divides the width.
template <class T>
Tensor<T> sine_cosine_positions(Index side, Index width, double amplitude = 0.3) {
  if (side < 1 || width < 4 || width % 4 != 0)
    throw ValueError(detail::text("sine_cosine_positions: a width of ", width, " for ", side, " patches a side"));
  const Index quarter = width / 4;
  Tensor<T> out({1, 1 + side * side, width}, T{0});
  for (Index place = 0; place < side * side; ++place) {
    T* const row = out.data() + (1 + place) * width;
    for (Index i = 0; i < quarter; ++i) {
      const double frequency = std::pow(10000.0, -static_cast<double>(i) / static_cast<double>(quarter));
      const double x = static_cast<double>(place % side) * frequency;
      const double y = static_cast<double>(place / side) * frequency;
      row[i] = static_cast<T>(amplitude * std::sin(x));
      row[quarter + i] = static_cast<T>(amplitude * std::cos(x));
      row[2 * quarter + i] = static_cast<T>(amplitude * std::sin(y));
      row[3 * quarter + i] = static_cast<T>(amplitude * std::cos(y));
    }
  }
  return out;
}

/// How `resample_positions` reads between positions.
enum class PositionSampling { bilinear, bicubic };

/// What a resampled place is made of: up to four neighbours and their weights.
struct PositionTaps {
  std::array<Index, 4> places{};
  std::array<double, 4> weights{};
};

/// Keys's cubic convolution (IEEE TASSP 29, 1981) with a = -3/4, as PyTorch has it; neighbours beyond the border are
/// its own.
inline PositionTaps position_taps(double place, Index count, PositionSampling sampling) {
  const double floor = std::floor(place);
  const double t = place - floor;
  const double u = 1 - t;
  PositionTaps taps;
  for (std::size_t i = 0; i < 4; ++i)
    taps.places[i] = std::clamp<Index>(static_cast<Index>(floor) + static_cast<Index>(i) - 1, 0, count - 1);
  if (sampling == PositionSampling::bilinear) {
    taps.weights = {0, u, t, 0};
  } else {
    constexpr double a = -0.75;
    const auto near = [](double x) { return ((a + 2) * x - (a + 3)) * x * x + 1; };
    const auto far = [](double x) { return ((x - 5) * x + 8) * x * a - 4 * a; };
    taps.weights = {far(1 + t), near(t), near(u), far(1 + u)};
  }
  return taps;
}

/// Position embeddings [1, 1 + s^2, E] of a square of s x s patches behind the class token's, for `side` x `side`
/// patches: [1, 1 + side^2, E]. The corners stay where they are. For weights that were trained on images of another
/// size:
///
///     auto report = io::load(net, "vit_b_16.safetensors", {.allow_other_head = {"encoder.pos_embedding"}});
///     net.encoder.pos_embedding.value().copy_from(
///         models::resample_positions(io::read_safetensors("vit_b_16.safetensors").tensor<float>("encoder.pos_embedding"),
///                                    net.patches_per_side()));
///
/// Throws ShapeError for other shapes, ValueError unless `side` is positive.
template <class T>
Tensor<T> resample_positions(const Tensor<T>& embedding, Index side,
                             PositionSampling sampling = PositionSampling::bicubic) {
  const auto before = embedding.rank() == 3 && embedding.size(1) > 1
                          ? static_cast<Index>(std::lround(std::sqrt(static_cast<double>(embedding.size(1) - 1))))
                          : 0;
  if (before == 0 || embedding.size(0) != 1 || before * before + 1 != embedding.size(1))
    throw ShapeError(detail::text("resample_positions: embedding ", embedding.shape(),
                                  " is not [1, 1 + s^2, E] of a square of patches"));
  if (side < 1) throw ValueError(detail::text("resample_positions: ", side, " patches a side"));
  const Index width = embedding.size(2);
  const Tensor<T> source = embedding.contiguous();
  Tensor<T> out({1, 1 + side * side, width});
  std::copy_n(source.data(), width, out.data());
  const double step = side > 1 ? static_cast<double>(before - 1) / static_cast<double>(side - 1) : 0;
  std::vector<PositionTaps> taps;
  for (Index i = 0; i < side; ++i) taps.push_back(position_taps(static_cast<double>(i) * step, before, sampling));
  for (Index i = 0; i < side * side; ++i) {
    const PositionTaps& rows = taps[static_cast<std::size_t>(i / side)];
    const PositionTaps& columns = taps[static_cast<std::size_t>(i % side)];
    for (Index c = 0; c < width; ++c) {
      double sum = 0;
      for (std::size_t r = 0; r < 4; ++r)
        for (std::size_t k = 0; k < 4; ++k)
          sum += rows.weights[r] * columns.weights[k] *
                 static_cast<double>(source.data()[(1 + rows.places[r] * before + columns.places[k]) * width + c]);
      out.data()[(1 + i) * width + c] = static_cast<T>(sum);
    }
  }
  return out;
}

/// Convolution, batch norm and ReLU over [N, H, W, C]; names "0" and "1".
template <class T, class Device = Cpu>
struct StemBlock : nn::Module<StemBlock<T, Device>, T, Device> {
  StemBlock(Index in, const StemConvolution& form)
      : conv(
            {.in = in, .out = form.channels, .kernel = form.kernel, .stride = form.stride, .padding = form.kernel / 2}),
        norm(form.channels) {}

  Variable<T, Device> operator()(const Variable<T, Device>& x) {
    return nn::normalised_convolution(conv, norm, x, {.relu = true});
  }

  void visit(auto&& child) {
    child("0", conv);
    child("1", norm);
  }

  nn::Convolution<T, Device> conv;
  nn::BatchNorm<T, Device> norm;
};

/// Images [N, S, S, C] -> patches [N, S / P, S / P, E] by convolutions, "conv_bn_relu_0", "conv_bn_relu_1", ..., and a
/// linear map of what each place has become, "conv_last" (Xiao et al., Early Convolutions Help Transformers See Better,
/// NeurIPS 2021).
template <class T, class Device = Cpu>
class ConvolutionalStem : public nn::Module<ConvolutionalStem<T, Device>, T, Device> {
 public:
  explicit ConvolutionalStem(const VisionTransformerOptions& options)
      : conv_last({.in = options.stem.back().channels, .out = options.width, .kernel = 1, .bias = true}) {
    Index in = options.channels;
    for (const StemConvolution& form : options.stem) {
      blocks.emplace_back(in, form);
      in = form.channels;
    }
  }

  Variable<T, Device> operator()(Variable<T, Device> x) {
    for (auto& block : blocks) x = block(x);
    return conv_last(x);
  }

  void visit(auto&& child) {
    for (std::size_t i = 0; i < blocks.size(); ++i) child("conv_bn_relu_" + std::to_string(i), blocks[i]);
    child("conv_last", conv_last);
  }

  std::vector<StemBlock<T, Device>> blocks;
  nn::Convolution<T, Device> conv_last;
};

/// Blocks one after the other, "encoder_layer_0", "encoder_layer_1", ...
template <class T, class Device = Cpu>
class TransformerBlocks : public nn::Module<TransformerBlocks<T, Device>, T, Device> {
 public:
  TransformerBlocks(Index depth, const nn::TransformerBlockOptions& options) {
    for (Index i = 0; i < depth; ++i) blocks.emplace_back(options);
  }

  Variable<T, Device> operator()(Variable<T, Device> x) const {
    for (const auto& block : blocks) x = block(x);
    return x;
  }

  void visit(auto&& child) {
    for (std::size_t i = 0; i < blocks.size(); ++i) child("encoder_layer_" + std::to_string(i), blocks[i]);
  }

  std::vector<nn::TransformerBlock<T, Device>> blocks;
};

/// Tokens [N, T, E] with their positions through all blocks: "pos_embedding" [1, T, E], "layers" and "ln".
template <class T, class Device = Cpu>
class VisionEncoder : public nn::Module<VisionEncoder<T, Device>, T, Device> {
 public:
  explicit VisionEncoder(const VisionTransformerOptions& options, Index tokens)
      : pos_embedding(first_positions(options, tokens)),
        dropout(options.dropout),
        layers(options.depth, {.width = options.width,
                               .heads = options.heads,
                               .mlp_width = options.mlp_width,
                               .dropout = options.dropout}),
        ln(options.width, {.epsilon = 1e-6}) {}

  /// What the first token has become, [N, E]; the others are not normalised, because nobody looks at them.
  Variable<T, Device> operator()(const Variable<T, Device>& tokens) const {
    const Index numbers = pos_embedding.value().elements();
    const Variable<T, Device> placed =
        add_bias(reshape(tokens, {tokens.size(0), numbers}), reshape(pos_embedding, {numbers}));
    return ln(select(layers(dropout(reshape(placed, tokens.shape()))), 1, 0));
  }

  void visit(auto&& child) {
    child("pos_embedding", pos_embedding);
    child("dropout", dropout);
    child("layers", layers);
    child("ln", ln);
  }

  Variable<T, Device> pos_embedding;
  nn::Dropout<T, Device> dropout;
  TransformerBlocks<T, Device> layers;
  nn::LayerNorm<T, Device> ln;

 private:
  static Variable<T, Device> first_positions(const VisionTransformerOptions& options, Index tokens) {
    if (options.positions == PositionStart::drawn)
      return nn::normal_parameter<T, Device>({1, tokens, options.width}, 0.02);
    const Tensor<T> positions = sine_cosine_positions<T>(options.side / options.patch, options.width);
    return Variable<T, Device>(positions.template to<Device>(), true);
  }
};

/// The last layer, "head", which starts at 0.
template <class T, class Device = Cpu>
struct VisionHead : nn::Module<VisionHead<T, Device>, T, Device> {
  VisionHead(Index in, Index outputs) : head({.in = in, .out = outputs}) {
    head.weight.value().fill(T{0});
    head.bias.value().fill(T{0});
  }

  Variable<T, Device> operator()(const Variable<T, Device>& x) const { return head(x); }

  void visit(auto&& child) { child("head", head); }

  nn::Linear<T, Device> head;
};

/// Images [N, S, S, C] -> outputs [N, outputs].
///
/// Each patch becomes a token, by one linear map or by a convolutional stem; a class token goes before them all,
/// positions are added, the blocks follow, and what the class token has become is what the head sees. Parameter names
/// are torchvision's: "class_token", "conv_proj", "encoder.pos_embedding", "encoder.layers.encoder_layer_i.*",
/// "encoder.ln", "heads.head". Older files of torchvision's say "mlp.linear_1" and "mlp.linear_2" for "mlp.0" and
/// "mlp.3".
template <class T, class Device = Cpu>
class VisionTransformer : public nn::Module<VisionTransformer<T, Device>, T, Device> {
 public:
  /// Throws ValueError unless patches divide the side, heads the width, and a stem's strides make the patch.
  explicit VisionTransformer(const VisionTransformerOptions& options = {})
      : class_token(nn::constant_parameter<T, Device>({1, 1, checked(options).width}, 0)),
        conv_proj(patch_map(options)),
        encoder(options, 1 + patches_per_side(options) * patches_per_side(options)),
        heads(options.width, options.outputs),
        options_(options) {}

  Variable<T, Device> operator()(const Variable<T, Device>& images) { return heads(features(images)); }
  Variable<T, Device> operator()(const Tensor<T, Device>& images) { return (*this)(Variable<T, Device>(images)); }

  /// What the head sees, [N, width].
  Variable<T, Device> features(const Variable<T, Device>& images) {
    const Shape& shape = images.shape();
    if (shape.rank() != 4 || shape != Shape{shape[0], options_.side, options_.side, options_.channels})
      throw ShapeError(detail::text("VisionTransformer: images ", shape, " are not [N, ", options_.side, ", ",
                                    options_.side, ", ", options_.channels, "]"));
    const Variable<T, Device> patches = std::visit([&images](auto& layer) { return layer(images); }, conv_proj);
    const Index width = options_.width;
    const Variable<T, Device> first =
        add_bias(Variable<T, Device>(Tensor<T, Device>::zeros({shape[0], 1, width})), reshape(class_token, {width}));
    const Index count = patches_per_side() * patches_per_side();
    return encoder(concatenate({first, reshape(patches, {shape[0], count, width})}, 1));
  }

  Index patches_per_side() const { return patches_per_side(options_); }
  const VisionTransformerOptions& options() const { return options_; }

  void visit(auto&& child) {
    child("class_token", class_token);
    std::visit([&child](auto& layer) { child("conv_proj", layer); }, conv_proj);
    child("encoder", encoder);
    child("heads", heads);
  }

  Variable<T, Device> class_token;
  std::variant<nn::Convolution<T, Device>, ConvolutionalStem<T, Device>> conv_proj;
  VisionEncoder<T, Device> encoder;
  VisionHead<T, Device> heads;

 private:
  static Index patches_per_side(const VisionTransformerOptions& options) { return options.side / options.patch; }

  static decltype(conv_proj) patch_map(const VisionTransformerOptions& options) {
    if (!options.stem.empty()) return ConvolutionalStem<T, Device>(options);
    nn::Convolution<T, Device> map(
        {.in = options.channels, .out = options.width, .kernel = options.patch, .stride = options.patch, .bias = true});
    // As a linear map of a whole patch: variance 1 / inputs.
    const double inputs = static_cast<double>(options.channels * options.patch * options.patch);
    map.weight = nn::normal_parameter<T, Device>(map.weight.shape(), 1 / std::sqrt(inputs));
    return map;
  }

  static const VisionTransformerOptions& checked(const VisionTransformerOptions& options) {
    if (options.patch < 1 || options.side < options.patch || options.side % options.patch != 0)
      throw ValueError(
          detail::text("VisionTransformer: patches of ", options.patch, " pixels do not divide ", options.side));
    check_stem(options);
    return options;
  }

  static void check_stem(const VisionTransformerOptions& options) {
    Index stride = 1;
    for (const StemConvolution& form : options.stem) {
      if (form.channels < 1 || form.kernel % 2 != 1 || form.stride < 1)
        throw ValueError(detail::text("VisionTransformer: a stem's convolution to ", form.channels,
                                      " channels with kernel ", form.kernel, " and stride ", form.stride));
      stride *= form.stride;
    }
    if (!options.stem.empty() && stride != options.patch)
      throw ValueError(
          detail::text("VisionTransformer: a stem of stride ", stride, " for patches of ", options.patch, " pixels"));
  }

  VisionTransformerOptions options_;
};

}  // namespace mien::models
