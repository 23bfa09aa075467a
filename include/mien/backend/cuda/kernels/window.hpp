#pragma once

/// A window that slides over maps, for convolution and pooling alike.

#include <cstdint>

namespace mien::kernels {

/// Over maps [images, height, width, channels], for an output [images, output_height, output_width, ...]: output (i, j)
/// reads rows i stride_height - padding_height and the kernel_height - 1 after it, and columns likewise.
struct SlidingWindow {
  std::int64_t images, height, width, channels;
  std::int64_t output_height, output_width;
  int kernel_height, kernel_width;
  int stride_height, stride_width;
  int padding_height, padding_width;
};

}  // namespace mien::kernels
