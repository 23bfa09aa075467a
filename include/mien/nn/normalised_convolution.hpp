#pragma once

#include "mien/nn/batch_norm.hpp"
#include "mien/nn/convolution.hpp"
#include "mien/nn/super_image_convolution.hpp"

namespace mien::nn {

/// relu(norm(convolution(x)) + residual): what most networks are made of. In evaluation, where no gradient is wanted,
/// the norm is a factor and a term for each channel, and everything happens in the convolution's own pass; but for that
/// of super images, whose views are weighed only when all of them is known.
template <class Layer, class T, class Device, MapOf<T> Map>
Variable<Map, Device> normalised_convolution(Layer& convolution, BatchNorm<T, Device>& norm,
                                             const Variable<Map, Device>& x,
                                             const BatchNormEpilogue<Variable<Map, Device>>& epilogue = {}) {
  bool constant =
      !norm.is_training() && !wants_gradient(x, convolution.weight, norm.weight, norm.bias, epilogue.residual);
  if constexpr (requires { convolution.bias; }) constant = constant && !wants_gradient(convolution.bias);
  if (!constant || !convolution.takes_epilogue()) return norm(convolution(x), epilogue);
  const auto [factors, shifts] = norm.factors();
  return Variable<Map, Device>(convolution.apply(
      x.value(), {.scale = factors, .bias = shifts, .residual = epilogue.residual.value(), .relu = epilogue.relu}));
}

}  // namespace mien::nn
