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

#include <array>
#include <string>
#include <utility>

#include "mien/backend/cpu/super_image_convolution.hpp"
#include "mien/ops/convolution.hpp"

namespace mien::ops {

/// How the frames of a clip lie in a super image.
enum class SuperImageLayout {
  stacked,     ///< whole frames side by side: row t H + h, column t W + w
  interleaved  ///< the frames of a pixel side by side: row h T + t, column w T + t
};

namespace detail {

inline void check_super_image_convolution(const Shape& x, const Shape& weight) {
  if (x.rank() != 5 || weight.rank() != 4 || weight[0] != 3 || weight[1] != 3 || weight[2] != x[-1])
    throw ShapeError(
        text("super_image_convolution: input ", x, " must be [B, T, H, W, C] and weight ", weight, " [3, 3, C, O]"));
  if (x[1] == 0 || x[2] == 0 || x[3] == 0)
    throw ShapeError(text("super_image_convolution: input ", x, " has no frames or empty ones"));
}

inline constexpr ConvolutionOptions super_image_window{.stride = 1, .padding = 1};

/// Lines of a map that were cut out with `slice` and `select`: [B, F, L, C]; none for an undefined tensor.
template <class T, class U>
backend::Lines<T> as_lines(U& lines) {
  if (!lines.defined()) return {};
  return {lines.data(),  lines.size(0),   lines.size(1),   lines.size(2),
          lines.size(3), lines.stride(0), lines.stride(1), lines.stride(2)};
}

template <class T, class Tensors>
backend::SeamLines<T> as_seam_lines(Tensors& lines) {
  return {as_lines<T>(lines[0]), as_lines<T>(lines[1]), as_lines<T>(lines[2]), as_lines<T>(lines[3])};
}

}  // namespace detail

using backend::Seam;
using backend::seams;

inline bool is_row_seam(Seam seam) { return seam == Seam::top || seam == Seam::bottom; }

/// The lines of a map [B, T, H, W, C] that a seam writes to: [B, T - 1, line, C], a view. The top and the left of every
/// frame but the first, the bottom and the right of every frame but the last.
template <class T>
Tensor<T> seam_target(const Tensor<T>& map, Seam seam) {
  const bool after = seam == Seam::top || seam == Seam::left;
  const Tensor<T> frames = map.slice(1, after ? 1 : 0, map.size(1) - (after ? 0 : 1));
  if (is_row_seam(seam)) return frames.select(2, after ? 0 : map.size(2) - 1);
  return frames.select(3, after ? 0 : map.size(3) - 1);
}

/// The lines of a map that a seam reads: those across the border from its targets.
template <class T>
Tensor<T> seam_source(const Tensor<T>& map, Seam seam) {
  const bool from_before = seam == Seam::top || seam == Seam::left;
  const Tensor<T> frames = map.slice(1, from_before ? 0 : 1, map.size(1) - (from_before ? 1 : 0));
  if (is_row_seam(seam)) return frames.select(2, from_before ? map.size(2) - 1 : 0);
  return frames.select(3, from_before ? map.size(3) - 1 : 0);
}

/// The seam on the other side.
inline Seam opposite(Seam seam) {
  switch (seam) {
    case Seam::top:
      return Seam::bottom;
    case Seam::bottom:
      return Seam::top;
    case Seam::left:
      return Seam::right;
    default:
      return Seam::left;
  }
}

/// The lines that all seams of a map read, views; none for clips of one frame.
template <class T>
std::array<Tensor<T>, 4> seam_sources(const Tensor<T>& map) {
  std::array<Tensor<T>, 4> lines;
  for (const Seam seam : seams)
    if (map.size(1) > 1) lines[static_cast<std::size_t>(seam)] = seam_source(map, seam);
  return lines;
}

/// Tensors for what a convolution to so many outputs makes of lines.
template <class T>
std::array<Tensor<T>, 4> seam_outputs(const std::array<Tensor<T>, 4>& lines, Index outputs) {
  std::array<Tensor<T>, 4> out;
  for (std::size_t i = 0; i < lines.size(); ++i)
    if (lines[i].defined()) out[i] = Tensor<T>(lines[i].shape().with(-1, outputs));
  return out;
}

/// What both views are made of. Stacked: `frames` is S and `seams` what the seams add, empty for a clip of one frame.
/// Interleaved: `height` and `width` are Y_h and Y_w.
template <class T>
struct SuperImageParts {
  SuperImageLayout layout = SuperImageLayout::stacked;
  Tensor<T> frames;
  std::array<Tensor<T>, 4> seams;
  Tensor<T> height;
  Tensor<T> width;

  Shape shape() const { return layout == SuperImageLayout::stacked ? frames.shape() : height.shape(); }
};

/// A kernel that was prepared before may come with its weight.
template <class T>
SuperImageParts<T> super_image_parts(const Tensor<T>& x, const Tensor<T>& weight, SuperImageLayout layout,
                                     const backend::PreparedKernel<T>* prepared = nullptr) {
  detail::check_super_image_convolution(x.shape(), weight.shape());
  SuperImageParts<T> parts;
  parts.layout = layout;
  const Tensor<T> clip = x.contiguous();
  const Tensor<T> kernel = weight.contiguous();
  const Shape output = x.shape().with(-1, weight.size(3));
  if (layout == SuperImageLayout::stacked) {
    parts.frames = Tensor<T>(output);
    const auto sources = seam_sources(clip);
    parts.seams = seam_outputs(sources, weight.size(3));
    backend::seam_convolution(detail::fold_images(clip.shape()), clip.data(), detail::as_seam_lines<const T>(sources),
                              kernel.data(), detail::fold_images(output), parts.frames.data(),
                              detail::as_seam_lines<T>(parts.seams), prepared);
    return parts;
  }
  const auto window = detail::convolution_window(weight.shape(), detail::super_image_window);
  for (const bool height_view : {true, false}) {
    Tensor<T>& view = height_view ? parts.height : parts.width;
    view = Tensor<T>(output);
    const auto from = backend::super_image_grid(x.shape(), height_view, true);
    const auto to = backend::super_image_grid(output, height_view, true);
    if (prepared != nullptr) {
      backend::convolution(from, clip.data(), *prepared, window, to, view.data());
    } else {
      backend::convolution(from, clip.data(), kernel.data(), window, to, view.data());
    }
  }
  return parts;
}

/// The means of Y_h and Y_w over T, H, W, one after the other: [B, 2 O].
template <class T>
Tensor<T> super_image_means(const SuperImageParts<T>& parts) {
  const Shape shape = parts.shape();
  const Index outputs = shape[-1];
  Tensor<T> means({shape[0], 2 * outputs});
  Tensor<T> height = means.slice(1, 0, outputs);
  Tensor<T> width = means.slice(1, outputs, 2 * outputs);
  if (parts.layout == SuperImageLayout::interleaved) {
    height.copy_from(mean_of_positions(parts.height));
    width.copy_from(mean_of_positions(parts.width));
    return means;
  }
  const Tensor<T> frames = mean_of_positions(parts.frames);
  const T positions = static_cast<T>(shape[1] * shape[2] * shape[3]);
  for (const bool rows : {true, false}) {
    auto sums = Tensor<T>::zeros(frames.shape());
    for (const Seam seam : seams) {
      const Tensor<T>& lines = parts.seams[static_cast<std::size_t>(seam)];
      if (lines.defined() && is_row_seam(seam) == rows) backend::add_line_sums(lines, sums);
    }
    (rows ? height : width).copy_from(add(frames, scale(sums, T{1} / positions)));
  }
  return means;
}

/// The weights of both views, [B, O] each, and that of S in the stacked layout, which is their sum.
template <class T>
struct SuperImageWeights {
  Tensor<T> height;
  Tensor<T> width;
  T frames = 1;
};

/// alpha_h Y_h + alpha_w Y_w: [B, T, H, W, O]. The stacked layout writes it over `parts.frames`.
template <class T>
Tensor<T> super_image_mix(SuperImageParts<T>& parts, const SuperImageWeights<T>& alpha) {
  require_batch_channels("super_image_mix: alpha of height", parts.shape(), alpha.height.shape());
  require_batch_channels("super_image_mix: alpha of width", parts.shape(), alpha.width.shape());
  if (parts.layout == SuperImageLayout::interleaved)
    return add(scale_channels(parts.height, alpha.height), scale_channels(parts.width, alpha.width));
  Tensor<T> y = alpha.frames == T{1} ? std::move(parts.frames) : scale(parts.frames, alpha.frames);
  parts.frames = Tensor<T>();
  const Tensor<T> height = alpha.height.contiguous();
  const Tensor<T> width = alpha.width.contiguous();
  for (const Seam seam : seams) {
    const Tensor<T>& lines = parts.seams[static_cast<std::size_t>(seam)];
    if (!lines.defined()) continue;
    Tensor<T> target = seam_target(y, seam);
    backend::add_scaled_lines(lines, is_row_seam(seam) ? height : width, target);
  }
  return y;
}

/// The gradients for alpha_h and alpha_w, [B, O] each, up to a term that both have in common: where the weights sum to
/// one, as those of a softmax do, it cancels.
template <class T>
std::pair<Tensor<T>, Tensor<T>> super_image_alpha_gradient(const SuperImageParts<T>& parts, const Tensor<T>& upstream) {
  if (parts.layout == SuperImageLayout::interleaved)
    return {scale_channels_weight_gradient(parts.height, upstream),
            scale_channels_weight_gradient(parts.width, upstream)};
  const Tensor<T> up = upstream.contiguous();
  auto height = Tensor<T>::zeros({up.size(0), up.size(-1)});
  auto width = Tensor<T>::zeros({up.size(0), up.size(-1)});
  for (const Seam seam : seams) {
    const Tensor<T>& lines = parts.seams[static_cast<std::size_t>(seam)];
    if (!lines.defined()) continue;
    const Tensor<T> target = seam_target(up, seam);
    require_equal_shapes("super_image_alpha_gradient", lines.shape(), target.shape());
    backend::add_line_products(lines, target, is_row_seam(seam) ? height : width);
  }
  return {height, width};
}

/// The gradients for x and the weight.
template <class T>
struct SuperImageGradients {
  Tensor<T> x;
  Tensor<T> weight;
};

/// The gradient for a clip of the given shape, from those of S and of what the seams add. Backwards a seam is the one
/// on the other side: what the top of a frame read from the bottom before it, that bottom gets from the top.
template <class T>
Tensor<T> seam_input_gradient(const Tensor<T>& frames, const std::array<Tensor<T>, 4>& lines, const Tensor<T>& weight,
                              const Shape& x) {
  const auto window = backend::frame_window;
  const backend::PhaseTaps all = backend::phase_taps(0, 3, 1, 1);
  const Tensor<T> kernel =
      backend::reversed_kernel(weight.contiguous().data(), window, all, all, x[-1], weight.size(3));
  std::array<Tensor<T>, 4> sources;
  for (const Seam seam : seams)
    sources[static_cast<std::size_t>(opposite(seam))] = lines[static_cast<std::size_t>(seam)];
  auto terms = seam_outputs(sources, x[-1]);
  Tensor<T> gradient(x);
  backend::seam_convolution(detail::fold_images(frames.shape()), frames.data(), detail::as_seam_lines<const T>(sources),
                            kernel.data(), detail::fold_images(x), gradient.data(), detail::as_seam_lines<T>(terms));
  for (const Seam seam : seams) {
    const Tensor<T>& term = terms[static_cast<std::size_t>(opposite(seam))];
    if (!term.defined()) continue;
    Tensor<T> destination = seam_source(gradient, seam);
    backend::add_lines(term, destination);
  }
  return gradient;
}

/// From the gradient of y = mix(parts, alpha) and that of the means [B, 2 O], which may be undefined.
template <class T>
SuperImageGradients<T> super_image_gradients(const Tensor<T>& x, const Tensor<T>& weight, const Tensor<T>& upstream,
                                             const SuperImageWeights<T>& alpha, const Tensor<T>& means_gradient,
                                             SuperImageLayout layout, bool input_wanted, bool weight_wanted) {
  detail::check_super_image_convolution(x.shape(), weight.shape());
  const Index outputs = weight.size(3);
  require_equal_shapes("super_image_gradients: upstream", x.shape().with(-1, outputs), upstream.shape());
  require_batch_channels("super_image_gradients: alpha of height", upstream.shape(), alpha.height.shape());
  require_batch_channels("super_image_gradients: alpha of width", upstream.shape(), alpha.width.shape());
  if (means_gradient.defined())
    require_equal_shapes("super_image_gradients: means", {x.size(0), 2 * outputs}, means_gradient.shape());
  const T positions = static_cast<T>(x.size(1) * x.size(2) * x.size(3));
  const auto share_of_mean = [&](Index view) {
    if (!means_gradient.defined()) return Tensor<T>::zeros({x.size(0), outputs});
    return scale(means_gradient.slice(1, view * outputs, (view + 1) * outputs), T{1} / positions);
  };
  const Tensor<T> height_shift = share_of_mean(0);
  const Tensor<T> width_shift = share_of_mean(1);
  const Tensor<T> up = upstream.contiguous();
  SuperImageGradients<T> gradients;

  const auto window = detail::convolution_window(weight.shape(), detail::super_image_window);
  if (layout == SuperImageLayout::interleaved) {
    const Tensor<T> clip = x.contiguous();
    const Tensor<T> kernel = weight.contiguous();
    for (const bool height_view : {true, false}) {
      const Tensor<T> view = add(scale_channels(up, height_view ? alpha.height : alpha.width),
                                 spread_over_positions(height_view ? height_shift : width_shift, up.shape(), T{1}));
      const auto input = backend::super_image_grid(x.shape(), height_view, true);
      const auto output = backend::super_image_grid(up.shape(), height_view, true);
      const auto accumulate = [](Tensor<T>& sum, Tensor<T> term) {
        sum = sum.defined() ? add(sum, term) : std::move(term);
      };
      if (input_wanted) {
        Tensor<T> term(x.shape());
        backend::convolution_input_gradient(output, view.data(), kernel.data(), window, input, term.data());
        accumulate(gradients.x, std::move(term));
      }
      if (weight_wanted) {
        Tensor<T> term(weight.shape());
        backend::convolution_weight_gradient(input, clip.data(), output, view.data(), window, term.data());
        accumulate(gradients.weight, std::move(term));
      }
    }
    return gradients;
  }

  Tensor<T> frames = alpha.frames == T{1} ? up : scale(up, alpha.frames);
  if (means_gradient.defined())
    frames = add(frames, spread_over_positions(add(height_shift, width_shift), up.shape(), T{1}));
  const Tensor<T> height_alpha = alpha.height.contiguous();
  const Tensor<T> width_alpha = alpha.width.contiguous();
  std::array<Tensor<T>, 4> lines;
  for (const Seam seam : seams) {
    if (x.size(1) == 1) break;
    const Tensor<T> target = seam_target(up, seam);
    Tensor<T>& scaled = lines[static_cast<std::size_t>(seam)];
    scaled = Tensor<T>(target.shape());
    backend::scale_and_shift_lines(target, is_row_seam(seam) ? height_alpha : width_alpha,
                                   is_row_seam(seam) ? height_shift : width_shift, scaled);
  }
  const auto input = detail::fold_images(x.shape());
  const auto output = detail::fold_images(up.shape());
  if (input_wanted) gradients.x = seam_input_gradient(frames, lines, weight, x.shape());
  if (weight_wanted) {
    const Tensor<T> clip = x.contiguous();
    const auto sources = seam_sources(clip);
    gradients.weight = Tensor<T>(weight.shape());
    backend::seam_weight_gradient(input, clip.data(), detail::as_seam_lines<const T>(sources), output, frames.data(),
                                  detail::as_seam_lines<const T>(lines), gradients.weight.data());
  }
  return gradients;
}

/// alpha_h Y_h + alpha_w Y_w for given weights alpha [B, 2, O], height first.
template <class T>
Tensor<T> super_image_convolution(const Tensor<T>& x, const Tensor<T>& weight, const Tensor<T>& alpha,
                                  SuperImageLayout layout = SuperImageLayout::stacked) {
  detail::check_super_image_convolution(x.shape(), weight.shape());
  if (alpha.shape() != Shape{x.size(0), 2, weight.size(3)})
    throw ShapeError(detail::text("super_image_convolution: alpha ", alpha.shape(), " for input ", x.shape(),
                                  " and weight ", weight.shape(), " must be [B, 2, O]"));
  SuperImageParts<T> parts = super_image_parts(x, weight, layout);
  SuperImageWeights<T> weights{alpha.select(1, 0).contiguous(), alpha.select(1, 1).contiguous()};
  if (layout == SuperImageLayout::stacked)
    parts.frames = scale_channels(parts.frames, add(weights.height, weights.width));
  return super_image_mix(parts, weights);
}

/// The super image of one view, as a copy: [B, H T, W, C] or [B, H, W T, C]. The layers do without; this is for looking
/// at super images and for checking the layers.
template <class T>
Tensor<T> to_super_image(const Tensor<T>& x, bool height_view, SuperImageLayout layout) {
  if (x.rank() != 5) throw ShapeError(detail::text("to_super_image: input ", x.shape(), " is not [B, T, H, W, C]"));
  const bool stacked = layout == SuperImageLayout::stacked;
  const Tensor<T> clip = height_view ? (stacked ? x : x.permute({0, 2, 1, 3, 4}))
                                     : x.permute(stacked ? std::initializer_list<Index>{0, 2, 1, 3, 4}
                                                         : std::initializer_list<Index>{0, 2, 3, 1, 4});
  const Shape shape = height_view ? Shape{x.size(0), x.size(1) * x.size(2), x.size(3), x.size(4)}
                                  : Shape{x.size(0), x.size(2), x.size(3) * x.size(1), x.size(4)};
  return clip.contiguous().view(shape);
}

/// Back to a clip of `frames` frames: [B, T, H, W, C].
template <class T>
Tensor<T> from_super_image(const Tensor<T>& image, Index frames, bool height_view, SuperImageLayout layout) {
  const Index axis = height_view ? 1 : 2;
  if (image.rank() != 4 || frames < 1 || image.size(axis) % frames != 0)
    throw ShapeError(
        detail::text("from_super_image: image ", image.shape(), " cannot be cut into ", frames, " frames"));
  const Tensor<T> tight = image.contiguous();
  const Index b = image.size(0);
  const Index height = image.size(1) / (height_view ? frames : 1);
  const Index width = image.size(2) / (height_view ? 1 : frames);
  const Index c = image.size(3);
  const bool stacked = layout == SuperImageLayout::stacked;
  if (height_view)
    return stacked ? tight.view({b, frames, height, width, c})
                   : tight.view({b, height, frames, width, c}).permute({0, 2, 1, 3, 4}).contiguous();
  return stacked ? tight.view({b, height, frames, width, c}).permute({0, 2, 1, 3, 4}).contiguous()
                 : tight.view({b, height, width, frames, c}).permute({0, 3, 1, 2, 4}).contiguous();
}

}  // namespace mien::ops
