#pragma once

/// The small network of face-api.js (V. Mühler, MIT licence) that tells seven expressions from a face's picture: four
/// dense blocks of depthwise-separable convolutions and a linear layer, 0.32 million parameters.

#include <array>
#include <utility>

#include "mien/autograd/activation.hpp"
#include "mien/autograd/shape.hpp"
#include "mien/nn/channel_wise_convolution.hpp"
#include "mien/nn/convolution.hpp"
#include "mien/nn/linear.hpp"

namespace mien::models {

struct ExpressionNetworkOptions {
  Index classes = 7;
  Index width = 32;  ///< channels of the first block; each of the others has twice as many as the one before
};

/// A channel-wise convolution of 3x3 and a pointwise one with a bias. Names "depthwise", "pointwise".
template <class T, class Device = Cpu>
struct SeparableConvolution : nn::Module<SeparableConvolution<T, Device>, T, Device> {
  SeparableConvolution(Index in, Index out, Index stride)
      : depthwise({.channels = in, .stride = stride, .padding = stride == 1 ? 1 : 0}),
        pointwise({.in = in, .out = out, .kernel = 1, .bias = true}) {}

  template <MapOf<T> Map>
  Variable<Map, Device> operator()(const Variable<Map, Device>& x) {
    return pointwise(depthwise(x));
  }

  /// The same and another map, in one pass where no gradient is recorded.
  template <MapOf<T> Map>
  Variable<Map, Device> operator()(const Variable<Map, Device>& x, const Variable<Map, Device>& residual) {
    if (wants_gradient(x, residual, depthwise.weight, pointwise.weight, pointwise.bias)) return (*this)(x) + residual;
    return Variable<Map, Device>(pointwise.apply(depthwise(x).value(), {.residual = residual.value()}));
  }

  void visit(auto&& child) {
    child("depthwise", depthwise);
    child("pointwise", pointwise);
  }

  nn::ChannelWiseConvolution<T, Device> depthwise;
  nn::Convolution<T, Device> pointwise;
};

/// With a the ReLU of the first convolution, which halves the map, and s_i separable ones: b = a + s_1(a),
/// c = b + s_2(relu(b)), and relu(c + s_3(relu(c))). `First` is that of the first convolution.
template <class First, class T, class Device = Cpu>
struct ExpressionBlock : nn::Module<ExpressionBlock<First, T, Device>, T, Device> {
  ExpressionBlock(First first, Index width)
      : conv0(std::move(first)), conv1(width, width, 1), conv2(width, width, 1), conv3(width, width, 1) {}

  template <MapOf<T> Map>
  Variable<Map, Device> operator()(const Variable<Map, Device>& x) {
    const Variable<Map, Device> a = relu(conv0(padded_at_end(x)));
    const Variable<Map, Device> b = conv1(a, a);
    const Variable<Map, Device> c = conv2(relu(b), b);
    return relu(conv3(relu(c), c));
  }

  /// A row below and a column to the right of zeros, so that windows of 3x3 and stride two without padding begin at the
  /// map's first pixel and halve maps of even sizes: TensorFlow's "same".
  template <MapOf<T> Map>
  static Variable<Map, Device> padded_at_end(const Variable<Map, Device>& x) {
    const auto zeros = [](const Shape& shape) { return Variable<Map, Device>(Tensor<Map, Device>::zeros(shape)); };
    const auto wide = concatenate<Map, Device>({x, zeros(x.value().shape().with(-2, 1))}, -2);
    return concatenate<Map, Device>({wide, zeros(wide.value().shape().with(-3, 1))}, -3);
  }

  void visit(auto&& child) {
    child("conv0", conv0);
    child("conv1", conv1);
    child("conv2", conv2);
    child("conv3", conv3);
  }

  First conv0;
  SeparableConvolution<T, Device> conv1;
  SeparableConvolution<T, Device> conv2;
  SeparableConvolution<T, Device> conv3;
};

/// Faces [N, H, W, 3], red, green and blue less `mean`, from 0 to 1, H and W multiples of 16 (112 in training) ->
/// logits [N, classes]. Weights that "mien-weights import-expression" wrote have the classes in the order of
/// data::Emotion.
template <class T, class Device = Cpu>
class ExpressionNetwork : public nn::Module<ExpressionNetwork<T, Device>, T, Device> {
 public:
  static constexpr Index side = 112;
  /// The mean colour of the pictures that it was trained with, from 0 to 1.
  static constexpr std::array<float, 3> mean{122.782F / 255, 117.001F / 255, 104.298F / 255};

  explicit ExpressionNetwork(const ExpressionNetworkOptions& options = {})
      : dense0(nn::Convolution<T, Device>({.in = 3, .out = options.width, .kernel = 3, .stride = 2, .bias = true}),
               options.width),
        dense1({options.width, 2 * options.width, 2}, 2 * options.width),
        dense2({2 * options.width, 4 * options.width, 2}, 4 * options.width),
        dense3({4 * options.width, 8 * options.width, 2}, 8 * options.width),
        fc({.in = 8 * options.width, .out = options.classes}) {}

  /// Throws ShapeError for pictures of another size.
  template <MapOf<T> Map>
  Variable<T, Device> operator()(const Variable<Map, Device>& x) {
    return fc(mean_of_positions(feature_maps(x)));
  }
  template <MapOf<T> Map>
  Variable<T, Device> operator()(const Tensor<Map, Device>& x) {
    return (*this)(Variable<Map, Device>(x));
  }

  /// The last maps, [N, H / 16, W / 16, 8 width], whose means over the positions the last layer sees: what class
  /// activation maps are made of. Throws ShapeError for pictures of another size.
  template <MapOf<T> Map>
  Variable<Map, Device> feature_maps(const Variable<Map, Device>& x) {
    const Shape& shape = x.value().shape();
    constexpr Index multiple = 16;
    if (shape.rank() != 4 || shape[3] != 3 || shape[1] % multiple != 0 || shape[2] % multiple != 0)
      throw ShapeError(detail::text("ExpressionNetwork: input ", shape,
                                    " is not [faces, height, width, 3] with multiples of ", multiple));
    return dense3(dense2(dense1(dense0(x))));
  }

  void visit(auto&& child) {
    child("dense0", dense0);
    child("dense1", dense1);
    child("dense2", dense2);
    child("dense3", dense3);
    child("fc", fc);
  }

  ExpressionBlock<nn::Convolution<T, Device>, T, Device> dense0;
  ExpressionBlock<SeparableConvolution<T, Device>, T, Device> dense1;
  ExpressionBlock<SeparableConvolution<T, Device>, T, Device> dense2;
  ExpressionBlock<SeparableConvolution<T, Device>, T, Device> dense3;
  nn::Linear<T, Device> fc;
};

}  // namespace mien::models
