#pragma once

#include "mien/backend/cpu/image_grid.hpp"
#include "mien/backend/cuda/kernels/window.hpp"

namespace mien::backend {

/// A window over maps [..., H, W, C] of shape x for outputs of shape y.
inline kernels::SlidingWindow sliding_window(const Shape& x, const Shape& y, const ConvolutionWindow& window) {
  return {image_count(x),
          x[-3],
          x[-2],
          x[-1],
          y[-3],
          y[-2],
          static_cast<int>(window.height),
          static_cast<int>(window.width),
          static_cast<int>(window.stride_height),
          static_cast<int>(window.stride_width),
          static_cast<int>(window.padding_height),
          static_cast<int>(window.padding_width)};
}

}  // namespace mien::backend
