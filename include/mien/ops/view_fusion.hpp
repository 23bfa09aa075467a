#pragma once

/// The learned weights of a super-image convolution's two views: softmax over the views (Li et al., Collaborative
/// Spatiotemporal Feature Learning, CVPR 2019, with two views).

#include "mien/backend/cpu/view_fusion.hpp"
#if defined(MIEN_WITH_CUDA)
#include "mien/backend/cuda/view_fusion.hpp"
#endif
#include "mien/ops/arithmetic.hpp"

namespace mien::ops {

/// alpha [B, 2, G] = exp(z_v) / sum over both views, of logits z [B, 2 G], those of the height first.
template <class T, class Device>
Tensor<T, Device> softmax_over_views(const Tensor<T, Device>& logits) {
  if (logits.rank() != 2 || logits.size(1) % 2 != 0)
    throw ShapeError(detail::text("softmax_over_views: logits ", logits.shape(), " are not [batch, 2 weights]"));
  Tensor<T, Device> alpha({logits.size(0), 2, logits.size(1) / 2});
  backend::softmax_over_views(logits.contiguous(), alpha);
  return alpha;
}

/// The gradient for the logits from those for the weights of the height and of the width, [B, C] each; they are summed
/// over channels if those share one pair of weights, G = 1.
template <class T, class Device>
Tensor<T, Device> softmax_over_views_gradient(const Tensor<T, Device>& alpha, const Tensor<T, Device>& height,
                                              const Tensor<T, Device>& width) {
  require_equal_shapes("softmax_over_views_gradient", height.shape(), width.shape());
  const bool fits = alpha.rank() == 3 && alpha.size(1) == 2 && height.rank() == 2 && height.size(0) == alpha.size(0) &&
                    (alpha.size(2) == 1 || alpha.size(2) == height.size(1));
  if (!fits)
    throw ShapeError(
        detail::text("softmax_over_views_gradient: weights ", alpha.shape(), ", gradients ", height.shape()));
  Tensor<T, Device> gradient({alpha.size(0), 2 * alpha.size(2)});
  backend::softmax_over_views_gradient(alpha.contiguous(), height.contiguous(), width.contiguous(), gradient);
  return gradient;
}

}  // namespace mien::ops
