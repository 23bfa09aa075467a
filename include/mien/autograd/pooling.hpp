#pragma once

/// Differentiable pooling; see ops/pooling.hpp.

#include "mien/autograd/variable.hpp"
#include "mien/backend/cpu/compiled.hpp"
#include "mien/ops/pooling.hpp"

namespace mien {

using ops::PoolingOptions;

namespace detail {

/// Adaptive windows follow from the shapes.
template <class T, class Device>
void note_pooling(const char* name, const Variable<T, Device>& x, const Tensor<T, Device>& y,
                  const PoolingOptions& options = {}) {
  trace::note(name, [&](auto& operation) {
    operation.reads(x.value()).makes(y).with("kernel", options.kernel.height, options.kernel.width);
    operation.with("stride", options.stride.height, options.stride.width);
    operation.with("padding", options.padding.height, options.padding.width);
    operation.with("count_padding", options.count_padding);
  });
}

}  // namespace detail

template <class T, class Device>
Variable<T, Device> max_pool(const Variable<T, Device>& x, const PoolingOptions& options) {
  auto [y, source] = ops::max_pool(x.value(), options);
  detail::note_pooling("max_pool", x, y, options);
  return record(std::move(y), {x},
                [origin = source, shape = x.shape(), options](const Tensor<T, Device>& upstream, auto& inputs) {
                  inputs.add(0, ops::max_pool_gradient(upstream, origin, shape, options));
                });
}

template <class T, class Device>
Variable<T, Device> adaptive_max_pool(const Variable<T, Device>& x, Extent2d output) {
  auto [y, source] = ops::adaptive_max_pool(x.value(), output);
  detail::note_pooling("adaptive_max_pool", x, y);
  return record(std::move(y), {x},
                [origin = source, shape = x.shape()](const Tensor<T, Device>& upstream, auto& inputs) {
                  inputs.add(0, ops::adaptive_max_pool_gradient(upstream, origin, shape));
                });
}

template <class T, class Device>
Variable<T, Device> average_pool(const Variable<T, Device>& x, const PoolingOptions& options) {
  const Tensor<T, Device> y = ops::average_pool(x.value(), options);
  detail::note_pooling("average_pool", x, y, options);
  return record(y, {x}, [shape = x.shape(), options](const Tensor<T, Device>& upstream, auto& inputs) {
    inputs.add(0, ops::average_pool_gradient(upstream, shape, options));
  });
}

template <class T, class Device>
Variable<T, Device> adaptive_average_pool(const Variable<T, Device>& x, Extent2d output) {
  const Tensor<T, Device> y = ops::adaptive_average_pool(x.value(), output);
  detail::note_pooling("adaptive_average_pool", x, y);
  return record(y, {x}, [shape = x.shape()](const Tensor<T, Device>& upstream, auto& inputs) {
    inputs.add(0, ops::adaptive_average_pool_gradient(upstream, shape));
  });
}

}  // namespace mien

#ifdef MIEN_COMPILED_TEMPLATE
#define MIEN_COMPILED_TEMPLATES(T)                                                                  \
  MIEN_COMPILED_TEMPLATE Variable<T, Cpu> max_pool(const Variable<T, Cpu>&, const PoolingOptions&); \
  MIEN_COMPILED_TEMPLATE Variable<T, Cpu> average_pool(const Variable<T, Cpu>&, const PoolingOptions&);
#include "mien/autograd/for_each_compiled_type.inc"
#endif
