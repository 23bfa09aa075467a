#pragma once

/// Sums and products of tensors. Shapes are never broadcast silently: what is repeated is said by the function's name.

#include "mien/backend/cpu/arithmetic.hpp"
#if defined(MIEN_WITH_CUDA)
#include "mien/backend/cuda/arithmetic.hpp"
#endif
#include "mien/core/tensor.hpp"

namespace mien::ops {

/// Throws ShapeError, naming the operation, unless both shapes are equal.
inline void require_equal_shapes(const char* operation, const Shape& a, const Shape& b) {
  if (a != b) throw ShapeError(detail::text(operation, ": shapes ", a, " and ", b, " differ"));
}

/// Throws ShapeError unless `channels` has one value for each entry of the last axis of x.
inline void require_channels(const char* operation, const Shape& x, const Shape& channels) {
  if (x.rank() < 1 || channels.rank() != 1 || channels[0] != x[-1])
    throw ShapeError(detail::text(operation, ": ", channels, " values for the channels of ", x));
}

/// Throws ShapeError unless x is [B, ..., C] and `values` [B, C].
inline void require_batch_channels(const char* operation, const Shape& x, const Shape& values) {
  if (x.rank() < 2 || values != Shape{x[0], x[-1]})
    throw ShapeError(detail::text(operation, ": shape ", values, " for the batch and channels of ", x));
}

/// a + b.
template <class T, class Device>
Tensor<T, Device> add(const Tensor<T, Device>& a, const Tensor<T, Device>& b) {
  require_equal_shapes("add", a.shape(), b.shape());
  Tensor<T, Device> out(a.shape());
  backend::add(a.contiguous(), b.contiguous(), out);
  return out;
}

/// target += b, in place; target must be contiguous.
template <class T, class Device>
void add_into(Tensor<T, Device>& target, const Tensor<T, Device>& b) {
  require_equal_shapes("add_into", target.shape(), b.shape());
  if (!target.is_contiguous()) throw ShapeError(detail::text("add_into: target ", target.shape(), " has gaps"));
  backend::add(target, b.contiguous(), target);
}

/// a - b.
template <class T, class Device>
Tensor<T, Device> subtract(const Tensor<T, Device>& a, const Tensor<T, Device>& b) {
  require_equal_shapes("subtract", a.shape(), b.shape());
  Tensor<T, Device> out(a.shape());
  backend::subtract(a.contiguous(), b.contiguous(), out);
  return out;
}

/// a * b, element by element.
template <class T, class Device>
Tensor<T, Device> multiply(const Tensor<T, Device>& a, const Tensor<T, Device>& b) {
  require_equal_shapes("multiply", a.shape(), b.shape());
  Tensor<T, Device> out(a.shape());
  backend::multiply(a.contiguous(), b.contiguous(), out);
  return out;
}

/// a / b, element by element.
template <class T, class Device>
Tensor<T, Device> divide(const Tensor<T, Device>& a, const Tensor<T, Device>& b) {
  require_equal_shapes("divide", a.shape(), b.shape());
  Tensor<T, Device> out(a.shape());
  backend::divide(a.contiguous(), b.contiguous(), out);
  return out;
}

/// factor * x.
template <class T, class Device>
Tensor<T, Device> scale(const Tensor<T, Device>& x, Accumulated<T> factor) {
  Tensor<T, Device> out(x.shape());
  backend::scale(x.contiguous(), factor, out);
  return out;
}

/// x [..., C] + bias [C].
template <class T, class Device>
Tensor<T, Device> add_bias(const Tensor<T, Device>& x, const Tensor<Accumulated<T>, Device>& bias) {
  require_channels("add_bias", x.shape(), bias.shape());
  Tensor<T, Device> out(x.shape());
  backend::add_bias(x.contiguous(), bias.contiguous(), out);
  return out;
}

/// x [..., C] summed over everything but its channels: [C].
template <class T, class Device>
Tensor<Accumulated<T>, Device> sum_rows(const Tensor<T, Device>& x) {
  Tensor<Accumulated<T>, Device> out(Shape{x.size(-1)});
  backend::sum_rows(x.contiguous(), out);
  return out;
}

/// x [B, ..., C] averaged over all positions between batch and channels: [B, C]. There must be a position.
template <class T, class Device>
Tensor<Accumulated<T>, Device> mean_of_positions(const Tensor<T, Device>& x) {
  const bool has_positions = x.rank() >= 2 && (!x.empty() || x.size(0) == 0 || x.size(-1) == 0);
  if (!has_positions) throw ShapeError(detail::text("mean_of_positions: nothing to average in ", x.shape()));
  Tensor<Accumulated<T>, Device> out({x.size(0), x.size(-1)});
  backend::mean_of_positions(x.contiguous(), out);
  return out;
}

/// A shape with the axes before one of its axes as one, and those after it: [before, extent, after].
inline Shape around_axis(const Shape& shape, Index axis) {
  Index before = 1;
  Index after = 1;
  for (Index i = 0; i < axis; ++i) before *= shape[i];
  for (Index i = axis + 1; i < shape.rank(); ++i) after *= shape[i];
  return {before, shape[axis], after};
}

/// x summed over an axis, which is gone from the result: [..., N, ...] -> [..., ...].
template <class T, class Device>
Tensor<Accumulated<T>, Device> sum(const Tensor<T, Device>& x, Index axis) {
  const Shape around = around_axis(x.shape(), x.shape().checked_axis(axis));
  Tensor<Accumulated<T>, Device> out(around.without(1));
  backend::sum_of_positions(x.contiguous().view(around), out);
  return out.view(x.shape().without(axis));
}

/// values [B, C] times `factor` at every position of a map of the given shape [B, ..., C], which is of type T.
template <class T, class Device>
Tensor<T, Device> spread_over_positions(const Tensor<Accumulated<T>, Device>& values, const Shape& shape,
                                        Accumulated<T> factor) {
  require_batch_channels("spread_over_positions", shape, values.shape());
  Tensor<T, Device> out(shape);
  backend::spread_over_positions(values.contiguous(), factor, out);
  return out;
}

/// The gradient of `sum` over an axis: upstream, once for every element of that axis of the given shape.
template <class T, class Device>
Tensor<T, Device> repeat_along(const Tensor<Accumulated<T>, Device>& upstream, const Shape& shape, Index axis) {
  require_equal_shapes("repeat_along", shape.without(axis), upstream.shape());
  const Shape around = around_axis(shape, shape.checked_axis(axis));
  return spread_over_positions<T>(upstream.contiguous().view(around.without(1)), around, 1).view(shape);
}

/// x [B, ..., C] times weights [B, C] at every position.
template <class T, class Device>
Tensor<T, Device> scale_channels(const Tensor<T, Device>& x, const Tensor<Accumulated<T>, Device>& weights) {
  require_batch_channels("scale_channels", x.shape(), weights.shape());
  Tensor<T, Device> out(x.shape());
  backend::scale_channels(x.contiguous(), weights.contiguous(), out);
  return out;
}

/// The gradient of `scale_channels` for its weights: sum over positions of x * upstream, [B, C].
template <class T, class Device>
Tensor<Accumulated<T>, Device> scale_channels_weight_gradient(const Tensor<T, Device>& x,
                                                              const Tensor<T, Device>& upstream) {
  require_equal_shapes("scale_channels_weight_gradient", x.shape(), upstream.shape());
  if (x.rank() < 2)
    throw ShapeError(detail::text("scale_channels_weight_gradient: input ", x.shape(), " is not [B, ..., C]"));
  Tensor<Accumulated<T>, Device> out({x.size(0), x.size(-1)});
  backend::scale_channels_weight_gradient(x.contiguous(), upstream.contiguous(), out);
  return out;
}

}  // namespace mien::ops
