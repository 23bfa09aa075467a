#pragma once

#include "mien/backend/cuda/kernels/super_image.hpp"
#include "mien/backend/cuda/number.hpp"
#include "mien/backend/super_image.hpp"

namespace mien::backend {

inline kernels::ClipSizes clip_sizes(const Shape& clip) { return {clip[0], clip[1], clip[2], clip[3], clip[4]}; }

template <cuda::MapNumber T>
void to_super_image(const Tensor<T, Cuda>& x, bool height_view, SuperImageLayout layout, Tensor<T, Cuda>& image) {
  kernels::to_super_image(cuda::data(x), clip_sizes(x.shape()), height_view,
                          static_cast<kernels::SuperImageLayout>(layout), cuda::data(image),
                          cuda::current_stream().get());
}

template <cuda::MapNumber T>
void from_super_image(const Tensor<T, Cuda>& image, bool height_view, SuperImageLayout layout, Tensor<T, Cuda>& x) {
  kernels::from_super_image(cuda::data(image), clip_sizes(x.shape()), height_view,
                            static_cast<kernels::SuperImageLayout>(layout), cuda::data(x),
                            cuda::current_stream().get());
}

}  // namespace mien::backend
