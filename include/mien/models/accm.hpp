#pragma once

/// ACCM, the attention-based channel-wise convolutional model over body-gesture representations (Wei et al., Expert
/// Systems with Applications 237 (2024) 121419).

#include "mien/autograd/shape.hpp"
#include "mien/nn/attention.hpp"
#include "mien/nn/channel_wise_convolution.hpp"
#include "mien/nn/dropout.hpp"
#include "mien/nn/normalised_convolution.hpp"

namespace mien::models {

/// How ACCM puts its two branches together.
enum class Aggregate { concatenate, sum };

struct AccmOptions {
  Index joints = 25;
  Index classes = 7;
  Index width = 128;  ///< channels of both blocks of a branch
  Aggregate aggregate = Aggregate::concatenate;
  double dropout = 0;  ///< before the classifier
};

/// Two blocks of convolution 3x3, batch norm and ReLU; the first halves height and width. Names "0", "1", "3", "4".
template <class T, class Device = Cpu>
struct AccmBranch : nn::Module<AccmBranch<T, Device>, T, Device> {
  AccmBranch(Index joints, Index width)
      : conv1({.in = joints, .out = width, .kernel = 3, .stride = 2, .padding = 1}),
        norm1(width),
        conv2({.in = width, .out = width, .kernel = 3, .padding = 1}),
        norm2(width) {}

  template <MapOf<T> Map>
  Variable<Map, Device> operator()(const Variable<Map, Device>& x) {
    const Variable<Map, Device> y = nn::normalised_convolution(conv1, norm1, x, {.relu = true});
    return nn::normalised_convolution(conv2, norm2, y, {.relu = true});
  }

  void visit(auto&& child) {
    child("0", conv1);
    child("1", norm1);
    child("3", conv2);
    child("4", norm2);
  }

  nn::Convolution<T, Device> conv1;
  nn::BatchNorm<T, Device> norm1;
  nn::Convolution<T, Device> conv2;
  nn::BatchNorm<T, Device> norm2;
};

/// Representation [N, S, S, J] -> emotion logits [N, classes].
///
/// Branch 1 sees the joints mixed; branch 2 first convolves every joint's channel alone and weighs it by attention.
/// Some 0.36 M parameters for 25 joints, 7 classes and width 128.
/// The representation's type is that of all maps: 16 bits on the GPU for speed, beside logits of type T.
template <class T, class Device = Cpu>
class Accm : public nn::Module<Accm<T, Device>, T, Device> {
 public:
  explicit Accm(const AccmOptions& options)
      : branch1(options.joints, options.width),
        channelwise({.channels = options.joints}),
        attention(options.joints),
        branch2(options.joints, options.width),
        dropout(options.dropout),
        fc({.in = feature_size(options), .out = options.classes}),
        aggregate_(options.aggregate) {}

  template <MapOf<T> Map>
  Variable<T, Device> operator()(const Variable<Map, Device>& x) {
    return fc(dropout(features(x)));
  }
  template <MapOf<T> Map>
  Variable<T, Device> operator()(const Tensor<Map, Device>& x) {
    return (*this)(Variable<Map, Device>(x));
  }

  /// What the classifier sees: [N, 2 width], or [N, width] for branches that are summed.
  template <MapOf<T> Map>
  Variable<T, Device> features(const Variable<Map, Device>& x) {
    const Variable<Map, Device> mixed = branch1(x);
    const Variable<Map, Device> attended = branch2(attention(channelwise(x)));
    if (aggregate_ == Aggregate::sum) return mean_of_positions(mixed + attended);
    return concatenate<T, Device>({mean_of_positions(mixed), mean_of_positions(attended)}, 1);
  }

  static Index feature_size(const AccmOptions& options) {
    return options.aggregate == Aggregate::concatenate ? 2 * options.width : options.width;
  }

  /// The joints' weights in the last call, [N, J].
  const Tensor<T, Device>& joint_weights() const { return attention.joint_weights(); }

  void visit(auto&& child) {
    child("branch1", branch1);
    child("channelwise", channelwise);
    child("attention", attention);
    child("branch2", branch2);
    child("dropout", dropout);
    child("fc", fc);
  }

  AccmBranch<T, Device> branch1;
  nn::ChannelWiseConvolution<T, Device> channelwise;
  nn::JointAttention<T, Device> attention;
  AccmBranch<T, Device> branch2;
  nn::Dropout<T, Device> dropout;
  nn::Linear<T, Device> fc;

 private:
  Aggregate aggregate_;
};

}  // namespace mien::models
