#pragma once

/// Differentiable sums and products; see ops/arithmetic.hpp for shapes.

#include "mien/autograd/variable.hpp"
#include "mien/backend/cpu/compiled.hpp"

namespace mien {

template <class T, class Device>
Variable<T, Device> operator+(const Variable<T, Device>& a, const Variable<T, Device>& b) {
  const Tensor<T, Device> y = ops::add(a.value(), b.value());
  trace::note("add", [&](auto& operation) { operation.reads(a.value()).reads(b.value()).makes(y); });
  return record(y, {a, b}, [](const Tensor<T, Device>& upstream, auto& inputs) {
    inputs.add(0, upstream);
    inputs.add(1, upstream);
  });
}

template <class T, class Device>
Variable<T, Device> operator-(const Variable<T, Device>& a, const Variable<T, Device>& b) {
  const Tensor<T, Device> y = ops::subtract(a.value(), b.value());
  trace::note("subtract", [&](auto& operation) { operation.reads(a.value()).reads(b.value()).makes(y); });
  return record(y, {a, b}, [](const Tensor<T, Device>& upstream, auto& inputs) {
    inputs.add(0, upstream);
    if (inputs.needed(1)) inputs.add(1, ops::scale(upstream, Accumulated<T>{-1}));
  });
}

/// The same numbers as another type, as in `cast<bfloat16>(x)`; their gradient comes back as the first.
template <class To, class From, class Device>
Variable<To, Device> cast(const Variable<From, Device>& x) {
  return record(x.value().template cast<To>(), {x}, [](const Tensor<To, Device>& upstream, auto& inputs) {
    inputs.add(0, upstream.template cast<From>());
  });
}

/// Element by element.
template <class T, class Device>
Variable<T, Device> operator*(const Variable<T, Device>& a, const Variable<T, Device>& b) {
  const Tensor<T, Device> y = ops::multiply(a.value(), b.value());
  trace::note("multiply", [&](auto& operation) { operation.reads(a.value()).reads(b.value()).makes(y); });
  return record(y, {a, b}, [left = a.value(), right = b.value()](const Tensor<T, Device>& upstream, auto& inputs) {
    if (inputs.needed(0)) inputs.add(0, ops::multiply(upstream, right));
    if (inputs.needed(1)) inputs.add(1, ops::multiply(upstream, left));
  });
}

/// Element by element; what is divided by should be clear of 0.
template <class T, class Device>
Variable<T, Device> operator/(const Variable<T, Device>& a, const Variable<T, Device>& b) {
  const Tensor<T, Device> y = ops::divide(a.value(), b.value());
  trace::note("divide", [&](auto& operation) { operation.reads(a.value()).reads(b.value()).makes(y); });
  return record(y, {a, b}, [y, divisor = b.value()](const Tensor<T, Device>& upstream, auto& inputs) {
    const Tensor<T, Device> share = ops::divide(upstream, divisor);
    inputs.add(0, share);
    if (inputs.needed(1)) inputs.add(1, ops::scale(ops::multiply(share, y), Accumulated<T>{-1}));
  });
}

/// factor * x.
template <class T, class Device>
Variable<T, Device> scale(const Variable<T, Device>& x, Accumulated<T> factor) {
  const Tensor<T, Device> y = ops::scale(x.value(), factor);
  trace::note("scale", [&](auto& operation) { operation.reads(x.value()).makes(y).with("factor", factor); });
  return record(y, {x}, [factor](const Tensor<T, Device>& upstream, auto& inputs) {
    inputs.add(0, ops::scale(upstream, factor));
  });
}
template <class T, class Device>
Variable<T, Device> operator*(const Variable<T, Device>& x, Accumulated<T> factor) {
  return scale(x, factor);
}
template <class T, class Device>
Variable<T, Device> operator*(Accumulated<T> factor, const Variable<T, Device>& x) {
  return scale(x, factor);
}
/// x times 1 / divisor.
template <class T, class Device>
Variable<T, Device> operator/(const Variable<T, Device>& x, Accumulated<T> divisor) {
  return scale(x, 1 / divisor);
}
template <class T, class Device>
Variable<T, Device> operator-(const Variable<T, Device>& x) {
  return scale(x, Accumulated<T>{-1});
}

/// The same number added to all elements.
template <class T, class Device>
Variable<T, Device> operator+(const Variable<T, Device>& x, Accumulated<T> number) {
  return x + Variable<T, Device>(Tensor<T, Device>(x.shape(), static_cast<T>(number)));
}
template <class T, class Device>
Variable<T, Device> operator+(Accumulated<T> number, const Variable<T, Device>& x) {
  return x + number;
}
template <class T, class Device>
Variable<T, Device> operator-(const Variable<T, Device>& x, Accumulated<T> number) {
  return x + -number;
}
template <class T, class Device>
Variable<T, Device> operator-(Accumulated<T> number, const Variable<T, Device>& x) {
  return -x + number;
}

/// x [..., C] + bias [C].
template <class T, class Device>
Variable<T, Device> add_bias(const Variable<T, Device>& x, const Variable<Accumulated<T>, Device>& bias) {
  const Tensor<T, Device> y = ops::add_bias(x.value(), bias.value());
  trace::note("add_bias", [&](auto& operation) { operation.reads(x.value()).reads(bias.value()).makes(y); });
  return record(y, {x, bias}, [](const Tensor<T, Device>& upstream, auto& inputs) {
    inputs.add(0, upstream);
    if (inputs.needed(1)) inputs.add(1, ops::sum_rows(upstream));
  });
}

/// The mean over all positions between batch and channels: [B, ..., C] -> [B, C]. Global average pooling.
template <class T, class Device>
Variable<Accumulated<T>, Device> mean_of_positions(const Variable<T, Device>& x) {
  const Shape shape = x.shape();
  const Tensor<Accumulated<T>, Device> y = ops::mean_of_positions(x.value());
  trace::note("mean_of_positions", [&](auto& operation) { operation.reads(x.value()).makes(y); });
  return record(y, {x}, [shape](const Tensor<Accumulated<T>, Device>& upstream, auto& inputs) {
    const Index positions = upstream.empty() ? 1 : shape.elements() / upstream.elements();
    inputs.add(0, ops::spread_over_positions<T>(upstream, shape, 1 / static_cast<Accumulated<T>>(positions)));
  });
}

/// x [B, ..., C] times weights [B, C] at every position.
template <class T, class Device>
Variable<T, Device> scale_channels(const Variable<T, Device>& x, const Variable<Accumulated<T>, Device>& weights) {
  const Tensor<T, Device> y = ops::scale_channels(x.value(), weights.value());
  trace::note("scale_channels", [&](auto& operation) { operation.reads(x.value()).reads(weights.value()).makes(y); });
  return record(y, {x, weights},
                [map = x.value(), factors = weights.value()](const Tensor<T, Device>& upstream, auto& inputs) {
                  if (inputs.needed(0)) inputs.add(0, ops::scale_channels(upstream, factors));
                  if (inputs.needed(1)) inputs.add(1, ops::scale_channels_weight_gradient(map, upstream));
                });
}

/// The sum of all elements: [1].
template <class T, class Device>
Variable<Accumulated<T>, Device> sum(const Variable<T, Device>& x) {
  const Shape shape = x.shape();
  return record(ops::sum_rows(x.value().contiguous().view({-1, 1})), {x},
                [shape](const Tensor<Accumulated<T>, Device>& upstream, auto& inputs) {
                  const Tensor<Accumulated<T>, Device> one = upstream.view({1, 1});
                  inputs.add(0, ops::spread_over_positions<T>(one, {1, shape.elements(), 1}, 1).view(shape));
                });
}

/// The sum over one axis, which is gone from the result: [..., N, ...] -> [..., ...].
template <class T, class Device>
Variable<Accumulated<T>, Device> sum(const Variable<T, Device>& x, Index axis) {
  const Shape shape = x.shape();
  const Index place = shape.checked_axis(axis);
  const Tensor<Accumulated<T>, Device> y = ops::sum(x.value(), place);
  trace::note("sum", [&](auto& operation) { operation.reads(x.value()).makes(y).with("axis", place); });
  return record(y, {x}, [shape, place](const Tensor<Accumulated<T>, Device>& upstream, auto& inputs) {
    inputs.add(0, ops::repeat_along<T>(upstream, shape, place));
  });
}

/// The mean over one axis, which is gone from the result and must have an element.
template <class T, class Device>
Variable<Accumulated<T>, Device> mean(const Variable<T, Device>& x, Index axis) {
  if (x.size(axis) == 0)
    throw ShapeError(detail::text("mean: nothing to average along axis ", axis, " of ", x.shape()));
  return sum(x, axis) / static_cast<Accumulated<T>>(x.size(axis));
}

}  // namespace mien

#ifdef MIEN_COMPILED_TEMPLATE
#define MIEN_COMPILED_TEMPLATES(T)                                                                    \
  MIEN_COMPILED_TEMPLATE Variable<T, Cpu> add_bias(const Variable<T, Cpu>&, const Variable<T, Cpu>&); \
  MIEN_COMPILED_TEMPLATE Variable<T, Cpu> mean_of_positions(const Variable<T, Cpu>&);                 \
  MIEN_COMPILED_TEMPLATE Variable<T, Cpu> scale_channels(const Variable<T, Cpu>&, const Variable<T, Cpu>&);
#include "mien/autograd/for_each_compiled_type.inc"
#endif
