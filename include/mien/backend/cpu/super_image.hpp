#pragma once

#include "mien/backend/super_image.hpp"

namespace mien::backend {

/// A super image's elements seen as those of the clip [B, T, H, W, C] that it is made of.
template <class T>
Tensor<T, Cpu> clip_in_super_image(const Tensor<T, Cpu>& image, const Shape& clip, bool height_view,
                                   SuperImageLayout layout) {
  const Index batch = clip[0];
  const Index frames = clip[1];
  const Index height = clip[2];
  const Index width = clip[3];
  const Index channels = clip[4];
  const bool stacked = layout == SuperImageLayout::stacked;
  if (height_view && stacked) return image.view(clip);
  if (height_view || stacked) return image.view({batch, height, frames, width, channels}).permute({0, 2, 1, 3, 4});
  return image.view({batch, height, width, frames, channels}).permute({0, 3, 1, 2, 4});
}

template <class T>
void to_super_image(const Tensor<T, Cpu>& x, bool height_view, SuperImageLayout layout, Tensor<T, Cpu>& image) {
  clip_in_super_image(image, x.shape(), height_view, layout).copy_from(x);
}

template <class T>
void from_super_image(const Tensor<T, Cpu>& image, bool height_view, SuperImageLayout layout, Tensor<T, Cpu>& x) {
  x.copy_from(clip_in_super_image(image, x.shape(), height_view, layout));
}

}  // namespace mien::backend
