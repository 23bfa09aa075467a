#pragma once

/// What kernels/super_image_convolution.cu offers to host code: the seams of stacked super images, and how they are
/// mixed with S, the convolution of every frame by itself (kernels/convolution.hpp); see
/// ops/super_image_convolution.hpp for the method. T is float, __nv_bfloat16 or __half; lines and what belongs to a
/// clip are float. Pointers are the device's. Throws Error if a kernel cannot be started.

#include <cuda_runtime.h>

#include <cstdint>

namespace mien::kernels {

/// Clips [batch, frames, height, width, inputs], results [batch, frames, height, width, outputs], weights
/// [3, 3, inputs, outputs].
struct SuperImageSizes {
  std::int64_t batch, frames, height, width, inputs, outputs;
};

/// Numbers of all lines of so many channels: [batch, frames - 1, width, channels] for the top and for the bottom of
/// frames, then [batch, frames - 1, height, channels] for their left and their right.
std::int64_t super_image_line_elements(const SuperImageSizes& sizes, std::int64_t channels);

/// What the seams add at tops, bottoms, lefts and rights: lines of `outputs` channels.
template <class T>
void super_image_seams(const T* x, const T* weight, const SuperImageSizes& sizes, float* lines, cudaStream_t stream);

/// Floats that `super_image_means` and `super_image_alpha_gradient` need for themselves.
std::int64_t super_image_workspace(const SuperImageSizes& sizes);

/// Means of both views over frames and positions: [batch, 2, outputs], height first.
template <class T>
void super_image_means(const T* frames, const float* lines, const SuperImageSizes& sizes, float* workspace,
                       float* means, cudaStream_t stream);

/// Weights of the views, [batch, outputs] each, and that of S.
struct SuperImageAlpha {
  const float* height;
  const float* width;
  float frames;
};

/// y = frames S + alpha_h (tops and bottoms) + alpha_w (lefts and rights). y may be S.
template <class T>
void super_image_mix(const T* frames, const float* lines, const SuperImageAlpha& alpha, const SuperImageSizes& sizes,
                     T* y, cudaStream_t stream);

/// The gradients for alpha_h and alpha_w, [batch, outputs] each, but for the part through S, which both have in common.
template <class T>
void super_image_alpha_gradient(const T* upstream, const float* lines, const SuperImageSizes& sizes, float* workspace,
                                float* height, float* width, cudaStream_t stream);

/// The gradients for S and for the lines. `shifts`, [batch, 2, outputs] or null, are added to the gradient of each
/// view's every number: what arrives through the means.
template <class T>
void super_image_mix_gradient(const T* upstream, const SuperImageAlpha& alpha, const float* shifts,
                              const SuperImageSizes& sizes, T* frames, float* lines, cudaStream_t stream);

/// Adds what arrives through the seams to the gradient for the clip.
template <class T>
void add_seam_input_gradient(const float* lines, const T* weight, const SuperImageSizes& sizes, T* gradient,
                             cudaStream_t stream);

/// Adds what arrives through the seams to the gradient for the weight.
template <class T>
void add_seam_weight_gradient(const T* x, const float* lines, const SuperImageSizes& sizes, float* gradient,
                              cudaStream_t stream);

}  // namespace mien::kernels
