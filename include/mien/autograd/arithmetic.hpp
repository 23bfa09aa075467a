#pragma once

/// Differentiable sums and products; see ops/arithmetic.hpp for shapes.

#include "mien/autograd/variable.hpp"

namespace mien {

template <class T, class Device>
Variable<T, Device> operator+(const Variable<T, Device>& a, const Variable<T, Device>& b) {
  return record(ops::add(a.value(), b.value()), {a, b}, [](const Tensor<T, Device>& upstream, auto& inputs) {
    inputs.add(0, upstream);
    inputs.add(1, upstream);
  });
}

template <class T, class Device>
Variable<T, Device> operator-(const Variable<T, Device>& a, const Variable<T, Device>& b) {
  return record(ops::subtract(a.value(), b.value()), {a, b}, [](const Tensor<T, Device>& upstream, auto& inputs) {
    inputs.add(0, upstream);
    if (inputs.needed(1)) inputs.add(1, ops::scale(upstream, T{-1}));
  });
}

/// Element by element.
template <class T, class Device>
Variable<T, Device> operator*(const Variable<T, Device>& a, const Variable<T, Device>& b) {
  return record(ops::multiply(a.value(), b.value()), {a, b},
                [left = a.value(), right = b.value()](const Tensor<T, Device>& upstream, auto& inputs) {
                  if (inputs.needed(0)) inputs.add(0, ops::multiply(upstream, right));
                  if (inputs.needed(1)) inputs.add(1, ops::multiply(upstream, left));
                });
}

/// factor * x.
template <class T, class Device>
Variable<T, Device> scale(const Variable<T, Device>& x, std::type_identity_t<T> factor) {
  return record(ops::scale(x.value(), factor), {x}, [factor](const Tensor<T, Device>& upstream, auto& inputs) {
    inputs.add(0, ops::scale(upstream, factor));
  });
}

/// x [..., C] + bias [C].
template <class T, class Device>
Variable<T, Device> add_bias(const Variable<T, Device>& x, const Variable<T, Device>& bias) {
  return record(ops::add_bias(x.value(), bias.value()), {x, bias}, [](const Tensor<T, Device>& upstream, auto& inputs) {
    inputs.add(0, upstream);
    if (inputs.needed(1)) inputs.add(1, ops::sum_rows(upstream));
  });
}

/// The mean over all positions between batch and channels: [B, ..., C] -> [B, C]. Global average pooling.
template <class T, class Device>
Variable<T, Device> mean_of_positions(const Variable<T, Device>& x) {
  const Shape shape = x.shape();
  return record(ops::mean_of_positions(x.value()), {x}, [shape](const Tensor<T, Device>& upstream, auto& inputs) {
    const Index positions = upstream.empty() ? 1 : shape.elements() / upstream.elements();
    inputs.add(0, ops::spread_over_positions(upstream, shape, T{1} / static_cast<T>(positions)));
  });
}

/// x [B, ..., C] times weights [B, C] at every position.
template <class T, class Device>
Variable<T, Device> scale_channels(const Variable<T, Device>& x, const Variable<T, Device>& weights) {
  return record(ops::scale_channels(x.value(), weights.value()), {x, weights},
                [map = x.value(), factors = weights.value()](const Tensor<T, Device>& upstream, auto& inputs) {
                  if (inputs.needed(0)) inputs.add(0, ops::scale_channels(upstream, factors));
                  if (inputs.needed(1)) inputs.add(1, ops::scale_channels_weight_gradient(map, upstream));
                });
}

/// The sum of all elements: [1].
template <class T, class Device>
Variable<T, Device> sum(const Variable<T, Device>& x) {
  const Shape shape = x.shape();
  return record(ops::sum_rows(x.value().contiguous().view({-1, 1})), {x},
                [shape](const Tensor<T, Device>& upstream, auto& inputs) {
                  const Tensor<T, Device> one = upstream.view({1, 1});
                  inputs.add(0, ops::spread_over_positions(one, {1, shape.elements(), 1}, T{1}).view(shape));
                });
}

}  // namespace mien
