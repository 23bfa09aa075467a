#pragma once

/// Valence and arousal from any network with two outputs.

#include "mien/autograd/activation.hpp"

namespace mien::models {

/// tanh of a network's last numbers [..., 2]: valence, then arousal, each in (-1, 1).
///
///     models::ResNet18<float> network({.outputs = 2});
///     Variable<float> affect = models::valence_arousal(network(images));
///
/// Throws ShapeError unless there are two.
template <class T, class Device>
Variable<T, Device> valence_arousal(const Variable<T, Device>& outputs) {
  if (outputs.shape().rank() < 1 || outputs.size(-1) != 2)
    throw ShapeError(
        detail::text("valence_arousal: outputs ", outputs.shape(), " are not [..., 2]: valence and arousal"));
  return tanh(outputs);
}

}  // namespace mien::models
