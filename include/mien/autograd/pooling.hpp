#pragma once

/// Differentiable pooling; see ops/pooling.hpp.

#include "mien/autograd/variable.hpp"
#include "mien/ops/pooling.hpp"

namespace mien {

using ops::PoolingOptions;

template <class T, class Device>
Variable<T, Device> max_pool(const Variable<T, Device>& x, const PoolingOptions& options) {
  auto [y, source] = ops::max_pool(x.value(), options);
  return record(std::move(y), {x},
                [origin = source, shape = x.shape(), options](const Tensor<T, Device>& upstream, auto& inputs) {
                  inputs.add(0, ops::max_pool_gradient(upstream, origin, shape, options));
                });
}

template <class T, class Device>
Variable<T, Device> adaptive_max_pool(const Variable<T, Device>& x, Extent2d output) {
  auto [y, source] = ops::adaptive_max_pool(x.value(), output);
  return record(std::move(y), {x},
                [origin = source, shape = x.shape()](const Tensor<T, Device>& upstream, auto& inputs) {
                  inputs.add(0, ops::adaptive_max_pool_gradient(upstream, origin, shape));
                });
}

template <class T, class Device>
Variable<T, Device> average_pool(const Variable<T, Device>& x, const PoolingOptions& options) {
  return record(ops::average_pool(x.value(), options), {x},
                [shape = x.shape(), options](const Tensor<T, Device>& upstream, auto& inputs) {
                  inputs.add(0, ops::average_pool_gradient(upstream, shape, options));
                });
}

template <class T, class Device>
Variable<T, Device> adaptive_average_pool(const Variable<T, Device>& x, Extent2d output) {
  return record(ops::adaptive_average_pool(x.value(), output), {x},
                [shape = x.shape()](const Tensor<T, Device>& upstream, auto& inputs) {
                  inputs.add(0, ops::adaptive_average_pool_gradient(upstream, shape));
                });
}

}  // namespace mien
