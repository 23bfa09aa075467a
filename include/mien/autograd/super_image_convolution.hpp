#pragma once

/// Differentiable super-image convolution with learned weights of the two views; see ops/super_image_convolution.hpp.

#include <memory>

#include "mien/autograd/variable.hpp"
#include "mien/backend/cpu/compiled.hpp"
#include "mien/ops/linear.hpp"
#include "mien/ops/super_image_convolution.hpp"
#include "mien/ops/view_fusion.hpp"

namespace mien {

using ops::SuperImageLayout;

/// How the results of the two views become one.
enum class ViewFusion {
  channel,  ///< softmax weights, one pair for each channel (Li et al., CVPR 2019, over two views)
  view,     ///< softmax weights, one pair for all channels
  sum,      ///< Y_h + Y_w
  height,   ///< Y_h alone
  width,    ///< Y_w alone
  none      ///< the per-frame convolution: no super image at all
};

inline bool has_learned_weights(ViewFusion fusion) {
  return fusion == ViewFusion::channel || fusion == ViewFusion::view;
}

struct SuperImageOptions {
  SuperImageLayout layout = SuperImageLayout::stacked;
  ViewFusion fusion = ViewFusion::channel;
};

template <class T, class Device = Cpu>
struct SuperImageResult {
  Variable<T, Device> y;  ///< [B, T, H, W, O]
  Tensor<Accumulated<T>, Device>
      alpha;  ///< the weights of height and width, [B, 2, O], or [B, 2, 1] where all channels have the same
};

namespace detail {

/// alpha for each channel, [B, O]; `granules` of alpha is O or 1.
template <class T, class Device>
Tensor<T, Device> alpha_by_channel(const Tensor<T, Device>& alpha, Index view, Index channels) {
  const Tensor<T, Device> one = alpha.select(1, view);
  if (one.size(1) == channels) return one;
  return ops::spread_over_positions<T>(one, {one.size(0), channels, 1}, T{1}).view({one.size(0), channels});
}

template <class T, class Device>
Tensor<T, Device> fixed_alpha(ViewFusion fusion, Index batch) {
  Tensor<T, Device> alpha({batch, 2, 1}, T{0});
  if (fusion == ViewFusion::sum || fusion == ViewFusion::height) alpha.select(1, 0).fill(T{1});
  if (fusion == ViewFusion::sum || fusion == ViewFusion::width) alpha.select(1, 1).fill(T{1});
  return alpha;
}

template <class T, class Device>
ops::SuperImageWeights<T, Device> super_image_weights(const Tensor<T, Device>& alpha, Index channels,
                                                      ViewFusion fusion) {
  return {alpha_by_channel(alpha, 0, channels), alpha_by_channel(alpha, 1, channels),
          fusion == ViewFusion::sum ? T{2} : T{1}};
}

}  // namespace detail

/// x [B, T, H, W, C], weight [3, 3, C, O]. With learned weights, fusion_weight is [2 O, 2 O] or, for one pair for all
/// channels, [2, 2 O], fusion_bias [2 O] or [2]: alpha = softmax over views of (mean Y_h, mean Y_w) W^T + b. Else both
/// are ignored. A kernel that was prepared before may come with its weight.
template <class T, class Device>
SuperImageResult<T, Device> super_image_convolution(
    const Variable<T, Device>& x, const Variable<Accumulated<T>, Device>& weight,
    const Variable<Accumulated<T>, Device>& fusion_weight, const Variable<Accumulated<T>, Device>& fusion_bias,
    const SuperImageOptions& options = {}, const backend::PreparedKernel<Accumulated<T>, Device>* prepared = nullptr) {
  const ViewFusion fusion = options.fusion;
  ops::detail::check_super_image_convolution(x.shape(), weight.shape());
  const Index batch = x.size(0);
  const Index channels = weight.size(3);

  if (fusion == ViewFusion::none) {
    const Tensor<T, Device> frames =
        ops::convolution(x.value(), weight.value(), ops::detail::super_image_window, {}, prepared);
    trace::note("convolution", [&](auto& operation) {
      operation.reads(x.value()).reads(weight.value()).makes(frames).with("groups", 1);
      operation.with("stride", 1, 1).with("padding", 1, 1);
    });
    const Variable<T, Device> y =
        record(frames, {x, weight},
               [map = x.value(), kernel = weight.value()](const Tensor<T, Device>& upstream, auto& inputs) {
                 const auto window = ops::detail::super_image_window;
                 if (inputs.needed(0))
                   inputs.add(0, ops::convolution_input_gradient(upstream, kernel, map.shape(), window));
                 if (inputs.needed(1))
                   inputs.add(1, ops::convolution_weight_gradient(map, upstream, kernel.shape(), window));
               });
    return {y, detail::fixed_alpha<Accumulated<T>, Device>(fusion, batch)};
  }

  auto parts = std::make_shared<ops::SuperImageParts<T, Device>>(
      ops::super_image_parts(x.value(), weight.value(), options.layout, prepared));
  Tensor<Accumulated<T>, Device> means;
  Tensor<Accumulated<T>, Device> alpha;
  if (has_learned_weights(fusion)) {
    const Index granules = fusion == ViewFusion::channel ? channels : 1;
    if (fusion_weight.shape() != Shape{2 * granules, 2 * channels})
      throw ShapeError(mien::detail::text("super_image_convolution: fusion weight ", fusion_weight.shape(), " for ",
                                          channels, " channels, expected ", Shape{2 * granules, 2 * channels}));
    means = ops::super_image_means(*parts);
    alpha = ops::softmax_over_views(ops::linear(means, fusion_weight.value(), fusion_bias.value()));
  } else {
    alpha = detail::fixed_alpha<Accumulated<T>, Device>(fusion, batch);
  }
  Tensor<T, Device> mixed = ops::super_image_mix(*parts, detail::super_image_weights(alpha, channels, fusion));
  trace::note("super_image_convolution", [&](auto& operation) {
    operation.reads(x.value()).reads(weight.value()).reads(fusion_weight.value()).reads(fusion_bias.value());
    operation.makes(mixed).with("interleaved", options.layout == SuperImageLayout::interleaved);
    // The views that are used, and whether their weights are learned; else they are 1.
    operation.with("views", fusion != ViewFusion::width, fusion != ViewFusion::height);
    operation.with("learned", has_learned_weights(fusion));
  });
  // Only the gradient of learned weights looks at the parts again.
  if (!has_learned_weights(fusion)) parts.reset();

  auto gradient = [parts, map = x.value(), kernel = weight.value(), fusion_kernel = fusion_weight.value(), means, alpha,
                   options](const Tensor<T, Device>& upstream, auto& inputs) {
    Tensor<Accumulated<T>, Device> means_gradient;
    if (has_learned_weights(options.fusion)) {
      const auto [height, width] = ops::super_image_alpha_gradient(*parts, upstream);
      const Tensor<Accumulated<T>, Device> logits = ops::softmax_over_views_gradient(alpha, height, width);
      means_gradient = ops::linear_input_gradient(logits, fusion_kernel);
      if (inputs.needed(2)) inputs.add(2, ops::linear_weight_gradient(means, logits));
      if (inputs.needed(3)) inputs.add(3, ops::sum_rows(logits));
    }
    auto gradients = ops::super_image_gradients(map, kernel, upstream,
                                                detail::super_image_weights(alpha, kernel.size(3), options.fusion),
                                                means_gradient, options.layout, inputs.needed(0), inputs.needed(1));
    if (inputs.needed(0)) inputs.add(0, std::move(gradients.x));
    if (inputs.needed(1)) inputs.add(1, std::move(gradients.weight));
  };
  return {record(std::move(mixed), {x, weight, fusion_weight, fusion_bias}, std::move(gradient)), alpha};
}

}  // namespace mien

#ifdef MIEN_COMPILED_TEMPLATE
#define MIEN_COMPILED_TEMPLATES(T)                                                                        \
  MIEN_COMPILED_TEMPLATE SuperImageResult<T, Cpu> super_image_convolution(                                \
      const Variable<T, Cpu>&, const Variable<T, Cpu>&, const Variable<T, Cpu>&, const Variable<T, Cpu>&, \
      const SuperImageOptions&, const backend::PreparedKernel<T, Cpu>*);
#include "mien/autograd/for_each_compiled_type.inc"
#endif
