#pragma once

#include "mien/backend/cpu/super_image_convolution.hpp"
#include "mien/backend/cuda/convolution.hpp"
#include "mien/backend/cuda/kernels/super_image_convolution.hpp"
#include "mien/backend/super_image.hpp"

namespace mien::backend {

inline kernels::SuperImageSizes super_image_sizes(const Shape& map, Index inputs, Index outputs) {
  return {map[0], map[1], map[2], map[3], inputs, outputs};
}

/// One view of a clip as an interleaved super image, in place: row h T + t of the height view, column w T + t of the
/// width view.
inline kernels::PixelGrid interleaved_grid(const Shape& clip, bool height_view) {
  const Index frames = clip[1];
  const Index pixel = clip[4];
  const Index row = clip[3] * pixel;
  const Index frame = clip[2] * row;
  if (height_view) return {frames * frame, frames, row, frame, 1, pixel, 0};
  return {frames * frame, 1, row, 0, frames, pixel, frame};
}

/// Frames of shape x convolved one by one to those of shape y, 3x3 with padding.
inline kernels::Convolution frame_convolution(const Shape& x, const Shape& y) {
  return convolution_shape(x, y, frame_window);
}

inline kernels::Convolution interleaved_convolution_shape(const Shape& x, const Shape& y, bool height_view) {
  const Index height = height_view ? x[2] * x[1] : x[2];
  const Index width = height_view ? x[3] : x[3] * x[1];
  return {.window = {x[0], height, width, x[4], height, width, 3, 3, 1, 1, 1, 1},
          .outputs = y[4],
          .groups = 1,
          .input = interleaved_grid(x, height_view),
          .output = interleaved_grid(y, height_view),
          .precision = product_precision()};
}

template <cuda::MapNumber T>
void seam_convolution(const Tensor<T, Cuda>& clip, const Tensor<Accumulated<T>, Cuda>& weight,
                      const PreparedKernel<Accumulated<T>, Cuda>* prepared, Tensor<T, Cuda>& frames,
                      Tensor<Accumulated<T>, Cuda>& lines) {
  const Tensor<T, Cuda> kernel = kernel_for<T>(weight, prepared);
  convolution<T>(clip, kernel, frame_convolution(clip.shape(), frames.shape()), {}, frames);
  kernels::super_image_seams(cuda::data(clip), cuda::data(kernel),
                             super_image_sizes(clip.shape(), clip.size(4), frames.size(4)), lines.data(),
                             cuda::current_stream().get());
}

template <cuda::MapNumber T>
void super_image_means(const Tensor<T, Cuda>& frames, const Tensor<Accumulated<T>, Cuda>& lines,
                       Tensor<Accumulated<T>, Cuda>& means) {
  const auto sizes = super_image_sizes(frames.shape(), 0, frames.size(4));
  auto workspace = cuda::workspace(kernels::super_image_workspace(sizes));
  kernels::super_image_means(cuda::data(frames), lines.data(), sizes, workspace.data(), means.data(),
                             cuda::current_stream().get());
}

template <cuda::MapNumber T>
void super_image_mix(const Tensor<Accumulated<T>, Cuda>& lines, const SuperImageWeights<Accumulated<T>, Cuda>& alpha,
                     Tensor<T, Cuda>& y) {
  kernels::super_image_mix(cuda::data(y), lines.data(), {alpha.height.data(), alpha.width.data(), alpha.frames},
                           super_image_sizes(y.shape(), 0, y.size(4)), cuda::data(y), cuda::current_stream().get());
}

template <cuda::MapNumber T>
void super_image_alpha_gradient(const Tensor<T, Cuda>& upstream, const Tensor<Accumulated<T>, Cuda>& lines,
                                Tensor<Accumulated<T>, Cuda>& height, Tensor<Accumulated<T>, Cuda>& width) {
  const auto sizes = super_image_sizes(upstream.shape(), 0, upstream.size(4));
  auto workspace = cuda::workspace(kernels::super_image_workspace(sizes));
  kernels::super_image_alpha_gradient(cuda::data(upstream), lines.data(), sizes, workspace.data(), height.data(),
                                      width.data(), cuda::current_stream().get());
}

template <cuda::MapNumber T>
SuperImageMixGradient<T, Cuda> super_image_mix_gradient(const Tensor<T, Cuda>& upstream,
                                                        const SuperImageWeights<Accumulated<T>, Cuda>& alpha,
                                                        const Tensor<Accumulated<T>, Cuda>& shifts) {
  SuperImageMixGradient<T, Cuda> out{Tensor<T, Cuda>(upstream.shape()),
                                     Tensor<Accumulated<T>, Cuda>({seam_elements(upstream.shape())})};
  kernels::super_image_mix_gradient(cuda::data(upstream), {alpha.height.data(), alpha.width.data(), alpha.frames},
                                    shifts.data(), super_image_sizes(upstream.shape(), 0, upstream.size(4)),
                                    cuda::data(out.frames), out.lines.data(), cuda::current_stream().get());
  return out;
}

template <cuda::MapNumber T>
void seam_input_gradient(const SuperImageMixGradient<T, Cuda>& mixed, const Tensor<Accumulated<T>, Cuda>& weight,
                         Tensor<T, Cuda>& gradient) {
  const Shape& upstream = mixed.frames.shape();
  const Tensor<T, Cuda> kernel = kernel_for<T>(weight);
  convolution_input_gradient(mixed.frames, kernel, frame_convolution(gradient.shape(), upstream), gradient);
  kernels::add_seam_input_gradient(mixed.lines.data(), cuda::data(kernel),
                                   super_image_sizes(upstream, gradient.size(4), upstream[4]), cuda::data(gradient),
                                   cuda::current_stream().get());
}

template <cuda::MapNumber T>
void seam_weight_gradient(const Tensor<T, Cuda>& clip, const SuperImageMixGradient<T, Cuda>& mixed,
                          Tensor<Accumulated<T>, Cuda>& gradient) {
  const Shape& upstream = mixed.frames.shape();
  convolution_weight_gradient(clip, mixed.frames, frame_convolution(clip.shape(), upstream), gradient);
  kernels::add_seam_weight_gradient(cuda::data(clip), mixed.lines.data(),
                                    super_image_sizes(upstream, clip.size(4), upstream[4]), gradient.data(),
                                    cuda::current_stream().get());
}

template <cuda::MapNumber T>
void interleaved_convolution(const Tensor<T, Cuda>& clip, const Tensor<Accumulated<T>, Cuda>& weight,
                             const PreparedKernel<Accumulated<T>, Cuda>* prepared, bool height_view,
                             Tensor<T, Cuda>& y) {
  convolution<T>(clip, kernel_for<T>(weight, prepared),
                 interleaved_convolution_shape(clip.shape(), y.shape(), height_view), {}, y);
}
template <cuda::MapNumber T>
void interleaved_input_gradient(const Tensor<T, Cuda>& upstream, const Tensor<Accumulated<T>, Cuda>& weight,
                                bool height_view, Tensor<T, Cuda>& gradient) {
  convolution_input_gradient(upstream, kernel_for<T>(weight),
                             interleaved_convolution_shape(gradient.shape(), upstream.shape(), height_view), gradient);
}
template <cuda::MapNumber T>
void interleaved_weight_gradient(const Tensor<T, Cuda>& clip, const Tensor<T, Cuda>& upstream, bool height_view,
                                 Tensor<Accumulated<T>, Cuda>& gradient) {
  convolution_weight_gradient(clip, upstream,
                              interleaved_convolution_shape(clip.shape(), upstream.shape(), height_view), gradient);
}

}  // namespace mien::backend
