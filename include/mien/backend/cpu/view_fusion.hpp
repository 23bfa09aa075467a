#pragma once

#include <cmath>

#include "mien/core/tensor.hpp"

namespace mien::backend {

/// logits [B, 2 G] to alpha [B, 2, G].
template <class T>
void softmax_over_views(const Tensor<T, Cpu>& logits, Tensor<T, Cpu>& alpha) {
  const Index granules = alpha.size(2);
  for (Index b = 0; b < alpha.size(0); ++b)
    for (Index g = 0; g < granules; ++g) {
      // With two views the softmax is a sigmoid of the difference.
      const T height = T{1} / (T{1} + std::exp(logits(b, granules + g) - logits(b, g)));
      alpha(b, 0, g) = height;
      alpha(b, 1, g) = T{1} - height;
    }
}

/// The gradient [B, 2 G] for the logits from those for alpha, [B, C] each, where G is C or 1.
template <class T>
void softmax_over_views_gradient(const Tensor<T, Cpu>& alpha, const Tensor<T, Cpu>& height, const Tensor<T, Cpu>& width,
                                 Tensor<T, Cpu>& gradient) {
  const Index granules = alpha.size(2);
  gradient.fill(T{0});
  for (Index b = 0; b < alpha.size(0); ++b)
    for (Index c = 0; c < height.size(1); ++c) {
      const Index g = granules == 1 ? 0 : c;
      const T term = alpha(b, 0, g) * alpha(b, 1, g) * (height(b, c) - width(b, c));
      gradient(b, g) += term;
      gradient(b, granules + g) -= term;
    }
}

}  // namespace mien::backend
