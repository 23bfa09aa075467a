#pragma once

/// Super images as copies: the frames of a clip x [B, T, H, W, C] put together along the height or along the width.
///
///     stacked       height [B, T H, W, C]: row    t H + h is row    h of frame t
///                   width  [B, H, T W, C]: column t W + w is column w of frame t
///     interleaved   height [B, H T, W, C]: row    h T + t is row    h of frame t
///                   width  [B, H, W T, C]: column w T + t is column w of frame t
///
/// Layers do without them (ops/super_image_convolution.hpp). They are for looking at, for networks that read them as
/// plain images, and for checking the layers.

#include "mien/backend/cpu/super_image.hpp"
#if defined(MIEN_WITH_CUDA)
#include "mien/backend/cuda/super_image.hpp"
#endif
#include "mien/core/error.hpp"

namespace mien::ops {

using backend::SuperImageLayout;

/// One view of a clip [B, T, H, W, C]: [B, T H, W, C] of the height, [B, H, T W, C] of the width. Throws ShapeError for
/// any other rank.
template <class T, class Device>
Tensor<T, Device> to_super_image(const Tensor<T, Device>& x, bool height_view, SuperImageLayout layout) {
  if (x.rank() != 5) throw ShapeError(detail::text("to_super_image: input ", x.shape(), " is not [B, T, H, W, C]"));
  Tensor<T, Device> image({x.size(0), height_view ? x.size(1) * x.size(2) : x.size(2),
                           height_view ? x.size(3) : x.size(1) * x.size(3), x.size(4)});
  backend::to_super_image(x.contiguous(), height_view, layout, image);
  return image;
}

/// The clip [B, T, H, W, C] of `frames` frames that a view was made of. Throws ShapeError if the image [B, height,
/// width, C] cannot be cut into as many.
template <class T, class Device>
Tensor<T, Device> from_super_image(const Tensor<T, Device>& image, Index frames, bool height_view,
                                   SuperImageLayout layout) {
  if (image.rank() != 4 || frames < 1 || image.size(height_view ? 1 : 2) % frames != 0)
    throw ShapeError(
        detail::text("from_super_image: image ", image.shape(), " cannot be cut into ", frames, " frames"));
  Tensor<T, Device> x({image.size(0), frames, image.size(1) / (height_view ? frames : 1),
                       image.size(2) / (height_view ? 1 : frames), image.size(3)});
  backend::from_super_image(image.contiguous(), height_view, layout, x);
  return x;
}

}  // namespace mien::ops
