#pragma once

/// What kernels/super_image.cu offers to host code: super images as copies. Convolutions do without
/// (kernels/super_image_convolution.hpp); these are for the plain way and for tests. T is float, __nv_bfloat16 or
/// __half. Pointers are the device's. Throws Error if the kernel cannot be started.

#include <cuda_runtime.h>

#include <cstdint>

namespace mien::kernels {

/// Clips [batch, frames, height, width, channels].
struct ClipSizes {
  std::int64_t batch, frames, height, width, channels;
};

/// How the frames of a clip lie in a super image: whole frames side by side, or the frames of a pixel.
enum class SuperImageLayout { stacked, interleaved };

/// The super image of one view: [batch, height frames, width, channels] or [batch, height, width frames, channels].
template <class T>
void to_super_image(const T* x, const ClipSizes& sizes, bool height_view, SuperImageLayout layout, T* image,
                    cudaStream_t stream);

/// Back to clips of those sizes.
template <class T>
void from_super_image(const T* image, const ClipSizes& sizes, bool height_view, SuperImageLayout layout, T* x,
                      cudaStream_t stream);

}  // namespace mien::kernels
