#pragma once

/// y = scale x + shift with one scale and one shift for each channel: x [..., C], scale [C], shift [C], y [..., C].
///
/// The example to copy for operations of one's own; CONTRIBUTING.md says how.

#include "mien/backend/cpu/scale_shift.hpp"
#if defined(MIEN_WITH_CUDA)
#include "mien/backend/cuda/scale_shift.hpp"
#endif
#include "mien/ops/arithmetic.hpp"

namespace mien::ops {

/// Throws ShapeError unless scale and shift have a value for each channel of x.
template <class T, class Device>
Tensor<T, Device> scale_shift(const Tensor<T, Device>& x, const Tensor<Accumulated<T>, Device>& scale,
                              const Tensor<Accumulated<T>, Device>& shift) {
  require_channels("scale_shift: scale", x.shape(), scale.shape());
  require_channels("scale_shift: shift", x.shape(), shift.shape());
  Tensor<T, Device> out(x.shape());
  backend::scale_shift(x.contiguous(), scale.contiguous(), shift.contiguous(), out);
  return out;
}

/// The gradient for the scale: the sum of x upstream over all leading axes, [C].
template <class T, class Device>
Tensor<Accumulated<T>, Device> scale_shift_scale_gradient(const Tensor<T, Device>& x,
                                                          const Tensor<T, Device>& upstream) {
  require_equal_shapes("scale_shift_scale_gradient", x.shape(), upstream.shape());
  Tensor<Accumulated<T>, Device> out(Shape{x.size(-1)});
  backend::scale_shift_scale_gradient(x.contiguous(), upstream.contiguous(), out);
  return out;
}

}  // namespace mien::ops
