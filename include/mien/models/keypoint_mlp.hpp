#pragma once

/// Perceptrons over the keypoints of one frame: of a body (25), a face (70), or both one after the other (95).

#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include "mien/autograd/activation.hpp"
#include "mien/autograd/shape.hpp"
#include "mien/models/valence_arousal.hpp"
#include "mien/nn/dropout.hpp"
#include "mien/nn/linear.hpp"

namespace mien::models {

struct KeypointMlpOptions {
  Index joints = 95;  ///< J
  Index outputs = 7;
  std::array<Index, 3> widths{512, 256, 128};  ///< of the layers before the last
  double dropout = 0;                          ///< after each of them
};

/// Three linear layers, each followed by ReLU and dropout, over numbers [N, in]: what both perceptrons begin with.
/// Names "fc1", "fc2", "fc3".
template <class T, class Device = Cpu>
class KeypointLayers : public nn::Module<KeypointLayers<T, Device>, T, Device> {
 public:
  explicit KeypointLayers(const KeypointMlpOptions& options)
      : fc1({.in = 3 * options.joints, .out = options.widths[0]}),
        fc2({.in = options.widths[0], .out = options.widths[1]}),
        fc3({.in = options.widths[1], .out = options.widths[2]}),
        dropout(options.dropout) {}

  /// Keypoints [N, J, 3] -> [N, last width]. Throws ShapeError for another J.
  Variable<T, Device> operator()(const Variable<T, Device>& keypoints) {
    const Shape& shape = keypoints.shape();
    const Index numbers = fc1.weight.size(1);
    if (shape.rank() != 3 || shape[2] != 3 || 3 * shape[1] != numbers)
      throw ShapeError(detail::text("keypoint perceptron: keypoints ", shape, " are not [N, ", numbers / 3,
                                    ", 3]: x, y, confidence"));
    Variable<T, Device> x = dropout(relu(fc1(reshape(keypoints, {shape[0], numbers}))));
    x = dropout(relu(fc2(x)));
    return dropout(relu(fc3(x)));
  }

  void visit(auto&& child) {
    child("fc1", fc1);
    child("fc2", fc2);
    child("fc3", fc3);
    child("dropout", dropout);
  }

  nn::Linear<T, Device> fc1;
  nn::Linear<T, Device> fc2;
  nn::Linear<T, Device> fc3;
  nn::Dropout<T, Device> dropout;
};

/// Keypoints [N, J, 3], normalised by `gesture::normalise_joints`, to logits [N, outputs] by four linear layers with
/// ReLU between them. Parameters "layers.fc1" to "layers.fc3", and "fc4".
///
///     models::KeypointMlp<float> network({.joints = 25});
///     Variable<float> logits = network(gesture::normalise_joints(poses));
template <class T, class Device = Cpu>
class KeypointMlp : public nn::Module<KeypointMlp<T, Device>, T, Device> {
 public:
  explicit KeypointMlp(const KeypointMlpOptions& options = {})
      : layers(options), fc4({.in = options.widths[2], .out = options.outputs}) {}

  Variable<T, Device> operator()(const Variable<T, Device>& keypoints) { return fc4(features(keypoints)); }

  /// What the last layer sees, [N, last width].
  Variable<T, Device> features(const Variable<T, Device>& keypoints) { return layers(keypoints); }

  void visit(auto&& child) {
    child("layers", layers);
    child("fc4", fc4);
  }

  KeypointLayers<T, Device> layers;
  nn::Linear<T, Device> fc4;
};

struct KeypointAffectOptions {
  Index joints = 95;                           ///< J
  std::array<Index, 3> widths{512, 256, 128};  ///< of the layers that valence and arousal share
  Index own_width = 64;                        ///< of the layer that each has before its last
  double dropout = 0;                          ///< after each of the layers but the last two
};

/// Keypoints [N, J, 3], normalised, to valence and arousal [N, 2] in (-1, 1): three linear layers that both share, then
/// two for each of them, ReLU between them and tanh at the end. Parameters "layers.fc1" to "layers.fc3", "valence1",
/// "valence2", "arousal1", "arousal2".
template <class T, class Device = Cpu>
class KeypointAffect : public nn::Module<KeypointAffect<T, Device>, T, Device> {
 public:
  explicit KeypointAffect(const KeypointAffectOptions& options = {})
      : layers({.joints = options.joints, .widths = options.widths, .dropout = options.dropout}),
        valence1({.in = options.widths[2], .out = options.own_width}),
        valence2({.in = options.own_width, .out = 1}),
        arousal1({.in = options.widths[2], .out = options.own_width}),
        arousal2({.in = options.own_width, .out = 1}),
        dropout(options.dropout) {}

  Variable<T, Device> operator()(const Variable<T, Device>& keypoints) {
    const Variable<T, Device> shared = layers(keypoints);
    const Variable<T, Device> valence = valence2(dropout(relu(valence1(shared))));
    const Variable<T, Device> arousal = arousal2(dropout(relu(arousal1(shared))));
    return valence_arousal(concatenate({valence, arousal}, 1));
  }

  void visit(auto&& child) {
    child("layers", layers);
    child("valence1", valence1);
    child("valence2", valence2);
    child("arousal1", arousal1);
    child("arousal2", arousal2);
    child("dropout", dropout);
  }

  KeypointLayers<T, Device> layers;
  nn::Linear<T, Device> valence1;
  nn::Linear<T, Device> valence2;
  nn::Linear<T, Device> arousal1;
  nn::Linear<T, Device> arousal2;
  nn::Dropout<T, Device> dropout;
};

}  // namespace mien::models
