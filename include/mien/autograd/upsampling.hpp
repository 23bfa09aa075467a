#pragma once

/// Maps made larger by repeating their pixels.

#include <vector>

#include "mien/autograd/shape.hpp"
#include "mien/core/extent.hpp"

namespace mien {

/// y[..., i, j, c] = x[..., i / factor.height, j / factor.width, c], divisions rounded down: [..., H, W, C] ->
/// [..., factor.height H, factor.width W, C]. Nearest-neighbour upsampling by whole factors.
///
/// Channels are contiguous, so that a pixel that is repeated is a run of channels that is: the runs are concatenated,
/// and the result is seen under another shape.
template <class T, class Device>
Variable<T, Device> upsample_nearest(const Variable<T, Device>& x, Extent2d factor) {
  const Shape shape = x.shape();
  if (shape.rank() < 3)
    throw ShapeError(detail::text("upsample_nearest: input ", shape, " is not [..., height, width, channels]"));
  if (factor.height < 1 || factor.width < 1)
    throw ValueError(detail::text("upsample_nearest: factor ", factor, " is not positive"));
  const auto repeated = [](const Variable<T, Device>& runs, Index times) {
    return concatenate(std::vector<Variable<T, Device>>(static_cast<std::size_t>(times), runs), 1);
  };
  const Index rows = shape.without(-1).without(-1).elements();
  const Variable<T, Device> wide = repeated(reshape(x, {rows * shape[-2], shape[-1]}), factor.width);
  const Variable<T, Device> high = repeated(reshape(wide, {rows, shape[-2] * factor.width * shape[-1]}), factor.height);
  return reshape(high, shape.with(-3, shape[-3] * factor.height).with(-2, shape[-2] * factor.width));
}

}  // namespace mien
