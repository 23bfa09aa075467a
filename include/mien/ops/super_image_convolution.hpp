#pragma once

/// The super-image convolution (SISTCM; Wei et al., Expert Systems with Applications 237 (2024) 121419).
///
/// The frames of a clip x [B, T, H, W, C] are put together into two super images, along the height (H T x W) and along
/// the width (H x W T). One 3x3 kernel, stride 1, padding 1, goes over both, and the two results Y_h and Y_w, put back
/// to [B, T, H, W, O], are mixed:
///
///     y = alpha_h Y_h + alpha_w Y_w
///
/// No super image is ever built. In the stacked layout both views compute the same inside a frame, S, the per-frame
/// convolution, and differ only where frames touch:
///
///     Y_h = S + row seams: rows 0 and H - 1 of a frame see the last and first row of the frames before and after it
///     Y_w = S + column seams: columns 0 and W - 1 see the last and first column of those frames
///
/// so that y = (alpha_h + alpha_w) S + alpha_h (row seams) + alpha_w (column seams): one convolution and four thin
/// ones. In the interleaved layout, where a pixel's frames are neighbours, both views are convolved, read where they
/// lie.

#include <string>
#include <utility>

#include "mien/backend/cpu/super_image_convolution.hpp"
#if defined(MIEN_WITH_CUDA)
#include "mien/backend/cuda/super_image_convolution.hpp"
#endif
#include "mien/ops/convolution.hpp"
#include "mien/ops/super_image.hpp"

namespace mien::ops {

namespace detail {

inline void check_super_image_convolution(const Shape& x, const Shape& weight) {
  if (x.rank() != 5 || weight.rank() != 4 || weight[0] != 3 || weight[1] != 3 || weight[2] != x[-1])
    throw ShapeError(
        text("super_image_convolution: input ", x, " must be [B, T, H, W, C] and weight ", weight, " [3, 3, C, O]"));
  if (x[1] == 0 || x[2] == 0 || x[3] == 0)
    throw ShapeError(text("super_image_convolution: input ", x, " has no frames or empty ones"));
}

inline constexpr ConvolutionOptions super_image_window{.stride = 1, .padding = 1};

}  // namespace detail

/// What both views are made of. Stacked: `frames` is S and `lines` what the seams add, as backend/super_image.hpp lays
/// it out. Interleaved: `height` and `width` are Y_h and Y_w.
template <class T, class Device = Cpu>
struct SuperImageParts {
  SuperImageLayout layout = SuperImageLayout::stacked;
  Tensor<T, Device> frames;
  Tensor<Accumulated<T>, Device> lines;
  Tensor<T, Device> height;
  Tensor<T, Device> width;

  Shape shape() const { return layout == SuperImageLayout::stacked ? frames.shape() : height.shape(); }
};

/// A kernel that was prepared before may come with its weight.
template <class T, class Device>
SuperImageParts<T, Device> super_image_parts(
    const Tensor<T, Device>& x, const Tensor<Accumulated<T>, Device>& weight, SuperImageLayout layout,
    const backend::PreparedKernel<Accumulated<T>, Device>* prepared = nullptr) {
  detail::check_super_image_convolution(x.shape(), weight.shape());
  SuperImageParts<T, Device> parts;
  parts.layout = layout;
  const Tensor<T, Device> clip = x.contiguous();
  const Tensor<Accumulated<T>, Device> kernel = weight.contiguous();
  const Shape output = x.shape().with(-1, weight.size(3));
  if (layout == SuperImageLayout::stacked) {
    parts.frames = Tensor<T, Device>(output);
    parts.lines = Tensor<Accumulated<T>, Device>({backend::seam_elements(output)});
    backend::seam_convolution(clip, kernel, prepared, parts.frames, parts.lines);
    return parts;
  }
  for (const bool height_view : {true, false}) {
    Tensor<T, Device>& view = height_view ? parts.height : parts.width;
    view = Tensor<T, Device>(output);
    backend::interleaved_convolution(clip, kernel, prepared, height_view, view);
  }
  return parts;
}

/// The means of Y_h and Y_w over T, H, W, one after the other: [B, 2 O].
template <class T, class Device>
Tensor<Accumulated<T>, Device> super_image_means(const SuperImageParts<T, Device>& parts) {
  const Shape shape = parts.shape();
  const Index outputs = shape[-1];
  Tensor<Accumulated<T>, Device> means({shape[0], 2 * outputs});
  if (parts.layout == SuperImageLayout::interleaved) {
    means.slice(1, 0, outputs).copy_from(mean_of_positions(parts.height));
    means.slice(1, outputs, 2 * outputs).copy_from(mean_of_positions(parts.width));
    return means;
  }
  backend::super_image_means(parts.frames, parts.lines, means);
  return means;
}

using backend::SuperImageWeights;

/// alpha_h Y_h + alpha_w Y_w: [B, T, H, W, O]. The stacked layout writes it over `parts.frames`.
template <class T, class Device>
Tensor<T, Device> super_image_mix(SuperImageParts<T, Device>& parts,
                                  const SuperImageWeights<Accumulated<T>, Device>& alpha) {
  require_batch_channels("super_image_mix: alpha of height", parts.shape(), alpha.height.shape());
  require_batch_channels("super_image_mix: alpha of width", parts.shape(), alpha.width.shape());
  if (parts.layout == SuperImageLayout::interleaved)
    return add(scale_channels(parts.height, alpha.height), scale_channels(parts.width, alpha.width));
  Tensor<T, Device> y = std::exchange(parts.frames, {});
  backend::super_image_mix(parts.lines, {alpha.height.contiguous(), alpha.width.contiguous(), alpha.frames}, y);
  return y;
}

/// The gradients for alpha_h and alpha_w, [B, O] each, up to a term that both have in common: where the weights sum to
/// one, as those of a softmax do, it cancels.
template <class T, class Device>
std::pair<Tensor<Accumulated<T>, Device>, Tensor<Accumulated<T>, Device>> super_image_alpha_gradient(
    const SuperImageParts<T, Device>& parts, const Tensor<T, Device>& upstream) {
  if (parts.layout == SuperImageLayout::interleaved)
    return {scale_channels_weight_gradient(parts.height, upstream),
            scale_channels_weight_gradient(parts.width, upstream)};
  const Shape shape = upstream.shape();
  if (shape.rank() != 5 || parts.lines.elements() != backend::seam_elements(shape))
    throw ShapeError(detail::text("super_image_alpha_gradient: upstream ", shape, " is not of these parts"));
  Tensor<Accumulated<T>, Device> height({shape[0], shape[4]});
  Tensor<Accumulated<T>, Device> width({shape[0], shape[4]});
  backend::super_image_alpha_gradient(upstream.contiguous(), parts.lines, height, width);
  return {height, width};
}

/// The gradients for x and the weight.
template <class T, class Device = Cpu>
struct SuperImageGradients {
  Tensor<T, Device> x;
  Tensor<Accumulated<T>, Device> weight;
};

/// The interleaved layout's: a gradient for each view, and its convolution's.
template <class T, class Device>
SuperImageGradients<T, Device> interleaved_gradients(const Tensor<T, Device>& x,
                                                     const Tensor<Accumulated<T>, Device>& weight,
                                                     const Tensor<T, Device>& upstream,
                                                     const SuperImageWeights<Accumulated<T>, Device>& alpha,
                                                     const Tensor<Accumulated<T>, Device>& shifts, bool input_wanted,
                                                     bool weight_wanted) {
  const Tensor<T, Device> clip = x.contiguous();
  const Tensor<Accumulated<T>, Device> kernel = weight.contiguous();
  const auto accumulate = []<class U>(Tensor<U, Device>& sum, Tensor<U, Device> term) {
    sum = sum.defined() ? add(sum, term) : std::move(term);
  };
  SuperImageGradients<T, Device> gradients;
  for (const bool height_view : {true, false}) {
    Tensor<T, Device> view = scale_channels(upstream, height_view ? alpha.height : alpha.width);
    if (shifts.defined())
      view = add(view, spread_over_positions<T>(shifts.select(1, height_view ? 0 : 1), upstream.shape(), 1));
    if (input_wanted) {
      Tensor<T, Device> term(x.shape());
      backend::interleaved_input_gradient(view, kernel, height_view, term);
      accumulate(gradients.x, std::move(term));
    }
    if (weight_wanted) {
      Tensor<Accumulated<T>, Device> term(weight.shape());
      backend::interleaved_weight_gradient(clip, view, height_view, term);
      accumulate(gradients.weight, std::move(term));
    }
  }
  return gradients;
}

/// From the gradient of y = mix(parts, alpha) and that of the means [B, 2 O], which may be undefined.
template <class T, class Device>
SuperImageGradients<T, Device> super_image_gradients(const Tensor<T, Device>& x,
                                                     const Tensor<Accumulated<T>, Device>& weight,
                                                     const Tensor<T, Device>& upstream,
                                                     const SuperImageWeights<Accumulated<T>, Device>& alpha,
                                                     const Tensor<Accumulated<T>, Device>& means_gradient,
                                                     SuperImageLayout layout, bool input_wanted, bool weight_wanted) {
  detail::check_super_image_convolution(x.shape(), weight.shape());
  const Index outputs = weight.size(3);
  require_equal_shapes("super_image_gradients: upstream", x.shape().with(-1, outputs), upstream.shape());
  require_batch_channels("super_image_gradients: alpha of height", upstream.shape(), alpha.height.shape());
  require_batch_channels("super_image_gradients: alpha of width", upstream.shape(), alpha.width.shape());
  if (means_gradient.defined())
    require_equal_shapes("super_image_gradients: means", {x.size(0), 2 * outputs}, means_gradient.shape());
  const Tensor<T, Device> up = upstream.contiguous();
  // What arrives through the means is the same for every position of a clip.
  Tensor<Accumulated<T>, Device> shifts;
  if (means_gradient.defined())
    shifts = scale(means_gradient, 1 / static_cast<Accumulated<T>>(x.size(1) * x.size(2) * x.size(3)))
                 .view({x.size(0), 2, outputs});
  if (layout == SuperImageLayout::interleaved)
    return interleaved_gradients(x, weight, up, alpha, shifts, input_wanted, weight_wanted);

  const auto mixed = backend::super_image_mix_gradient(
      up, {alpha.height.contiguous(), alpha.width.contiguous(), alpha.frames}, shifts);
  SuperImageGradients<T, Device> gradients;
  if (input_wanted) {
    gradients.x = Tensor<T, Device>(x.shape());
    backend::seam_input_gradient(mixed, weight.contiguous(), gradients.x);
  }
  if (weight_wanted) {
    gradients.weight = Tensor<Accumulated<T>, Device>(weight.shape());
    backend::seam_weight_gradient(x.contiguous(), mixed, gradients.weight);
  }
  return gradients;
}

/// alpha_h Y_h + alpha_w Y_w for given weights alpha [B, 2, O], height first.
template <class T, class Device>
Tensor<T, Device> super_image_convolution(const Tensor<T, Device>& x, const Tensor<Accumulated<T>, Device>& weight,
                                          const Tensor<Accumulated<T>, Device>& alpha,
                                          SuperImageLayout layout = SuperImageLayout::stacked) {
  detail::check_super_image_convolution(x.shape(), weight.shape());
  if (alpha.shape() != Shape{x.size(0), 2, weight.size(3)})
    throw ShapeError(detail::text("super_image_convolution: alpha ", alpha.shape(), " for input ", x.shape(),
                                  " and weight ", weight.shape(), " must be [B, 2, O]"));
  SuperImageParts<T, Device> parts = super_image_parts(x, weight, layout);
  SuperImageWeights<Accumulated<T>, Device> weights{alpha.select(1, 0).contiguous(), alpha.select(1, 1).contiguous()};
  if (layout == SuperImageLayout::stacked)
    parts.frames = scale_channels(parts.frames, add(weights.height, weights.width));
  return super_image_mix(parts, weights);
}

}  // namespace mien::ops
