#pragma once

/// What the backends share of super images; see ops/super_image_convolution.hpp for the method.
///
/// What the seams of stacked ones add lies in lines, one piece of memory without gaps: [B, T - 1, W, O] for the tops
/// of all frames but the first, the same for the bottoms of all but the last, then [B, T - 1, H, O] for their left and
/// right columns.

#include "mien/core/tensor.hpp"

namespace mien::backend {

/// How the frames of a clip lie in a super image.
enum class SuperImageLayout {
  stacked,     ///< whole frames side by side: row t H + h, column t W + w
  interleaved  ///< the frames of a pixel side by side: row h T + t, column w T + t
};

/// Numbers of all lines of a map [B, T, H, W, O].
inline Index seam_elements(const Shape& map) { return 2 * map[0] * (map[1] - 1) * (map[2] + map[3]) * map[4]; }

/// The weights of both views, [B, O] each, and that of S in the stacked layout, which is their sum.
template <class T, class Device = Cpu>
struct SuperImageWeights {
  Tensor<T, Device> height;
  Tensor<T, Device> width;
  T frames = 1;
};

/// The gradients for S [B, T, H, W, O] and for the lines.
template <class T, class Device = Cpu>
struct SuperImageMixGradient {
  Tensor<T, Device> frames;
  Tensor<Accumulated<T>, Device> lines;
};

}  // namespace mien::backend
