#pragma once

/// How networks over images begin: a convolution, batch norm, ReLU and max pooling.

#include "mien/autograd/pooling.hpp"
#include "mien/nn/normalised_convolution.hpp"

namespace mien::models {

/// How a network begins.
enum class Stem {
  imagenet,  ///< 7x7 convolution, stride 2, and 3x3 max pooling, stride 2: for frames of 112 pixels and more
  small      ///< 3x3 convolution, stride 1, and 2x2 max pooling: for faces of about 48 pixels
};

/// The convolution of a stem.
inline nn::ConvolutionLayerOptions stem_convolution(Stem stem, Index in, Index out) {
  if (stem == Stem::imagenet) return {.in = in, .out = out, .kernel = 7, .stride = 2, .padding = 3};
  return {.in = in, .out = out, .kernel = 3, .stride = 1, .padding = 1};
}

/// Frames [..., H, W, in] to maps of about a quarter of their height and width, or a half for a small stem: the whole
/// of it, with the layers that a network keeps under names of its own.
template <class T, class Device, MapOf<T> Map>
Variable<Map, Device> begin_with(Stem stem, nn::Convolution<T, Device>& convolution, nn::BatchNorm<T, Device>& norm,
                                 const Variable<Map, Device>& frames) {
  return max_pool(nn::normalised_convolution(convolution, norm, frames, {.relu = true}),
                  stem == Stem::imagenet ? PoolingOptions{.kernel = 3, .stride = 2, .padding = 1}
                                         : PoolingOptions{.kernel = 2, .stride = 2});
}

}  // namespace mien::models
