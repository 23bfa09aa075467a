#pragma once

/// Differentiable changes of shape. `slice`, `select`, `permute` and, without gaps, `reshape` copy nothing.

#include <initializer_list>
#include <span>
#include <vector>

#include "mien/autograd/variable.hpp"
#include "mien/backend/cpu/compiled.hpp"
#include "mien/ops/concatenate.hpp"

namespace mien {

/// Parts [..., n_i, ...] -> [..., sum n_i, ...]; see ops/concatenate.hpp.
template <class T, class Device>
Variable<T, Device> concatenate(std::span<const Variable<T, Device>> parts, Index axis) {
  std::vector<Tensor<T, Device>> values;
  std::vector<Index> extents;
  for (const auto& part : parts) values.push_back(part.value());
  Tensor<T, Device> result = ops::concatenate(std::span<const Tensor<T, Device>>(values), axis);
  for (const auto& part : parts) extents.push_back(part.size(axis));
  trace::note("concatenate", [&](auto& operation) {
    for (const auto& value : values) operation.reads(value);
    operation.makes(result).with("axis", result.shape().checked_axis(axis));
  });
  const std::vector<detail::GraphInput> sources(parts.begin(), parts.end());
  return record(std::move(result), sources, [axis, extents](const Tensor<T, Device>& upstream, auto& inputs) {
    Index begin = 0;
    for (std::size_t i = 0; i < extents.size(); ++i) {
      inputs.add(i, upstream.slice(axis, begin, begin + extents[i]));
      begin += extents[i];
    }
  });
}
template <class T, class Device>
Variable<T, Device> concatenate(const std::vector<Variable<T, Device>>& parts, Index axis) {
  return concatenate(std::span<const Variable<T, Device>>(parts), axis);
}
template <class T, class Device>
Variable<T, Device> concatenate(std::initializer_list<Variable<T, Device>> parts, Index axis) {
  return concatenate(std::span<const Variable<T, Device>>(parts.begin(), parts.size()), axis);
}

/// Elements [begin, end) of one axis, every `step`-th.
template <class T, class Device>
Variable<T, Device> slice(const Variable<T, Device>& x, Index axis, Index begin, Index end, Index step = 1) {
  const Tensor<T, Device> y = x.value().slice(axis, begin, end, step);
  trace::note("slice", [&](auto& operation) {
    operation.reads(x.value()).makes(y).with("axis", x.shape().checked_axis(axis)).with("range", begin, end, step);
  });
  return record(y, {x}, [shape = x.shape(), axis, begin, end, step](const Tensor<T, Device>& upstream, auto& inputs) {
    auto gradient = Tensor<T, Device>::zeros(shape);
    gradient.slice(axis, begin, end, step).copy_from(upstream);
    inputs.add(0, std::move(gradient));
  });
}

/// One element of an axis; the axis is gone from the result.
template <class T, class Device>
Variable<T, Device> select(const Variable<T, Device>& x, Index axis, Index index) {
  const Tensor<T, Device> y = x.value().select(axis, index);
  trace::note("select", [&](auto& operation) {
    operation.reads(x.value()).makes(y).with("axis", x.shape().checked_axis(axis)).with("index", index);
  });
  return record(y, {x}, [shape = x.shape(), axis, index](const Tensor<T, Device>& upstream, auto& inputs) {
    auto gradient = Tensor<T, Device>::zeros(shape);
    gradient.select(axis, index).copy_from(upstream);
    inputs.add(0, std::move(gradient));
  });
}

/// The same elements, in row-major order, under another shape; one extent may be -1.
template <class T, class Device>
Variable<T, Device> reshape(const Variable<T, Device>& x, std::span<const Index> extents) {
  const Tensor<T, Device> y = x.value().contiguous().view(extents);
  trace::note("reshape", [&](auto& operation) { operation.reads(x.value()).makes(y); });
  return record(y, {x}, [shape = x.shape()](const Tensor<T, Device>& upstream, auto& inputs) {
    inputs.add(0, upstream.contiguous().view(shape));
  });
}
template <class T, class Device>
Variable<T, Device> reshape(const Variable<T, Device>& x, std::initializer_list<Index> extents) {
  return reshape(x, std::span<const Index>(extents.begin(), extents.size()));
}
template <class T, class Device>
Variable<T, Device> reshape(const Variable<T, Device>& x, const Shape& shape) {
  return reshape(x, std::span<const Index>(shape.begin(), shape.end()));
}

/// The axes in another order: axis i of the result is axis `order[i]` of x.
template <class T, class Device>
Variable<T, Device> permute(const Variable<T, Device>& x, std::span<const Index> order) {
  Tensor<T, Device> result = x.value().permute(order);
  std::vector<Index> inverse(order.size());
  for (std::size_t i = 0; i < order.size(); ++i)
    inverse[static_cast<std::size_t>(x.shape().checked_axis(order[i]))] = static_cast<Index>(i);
  trace::note("permute", [&](auto& operation) {
    operation.reads(x.value()).makes(result);
    auto& axes = operation.attributes["order"];
    for (const Index axis : order) axes.push_back(static_cast<double>(x.shape().checked_axis(axis)));
  });
  return record(std::move(result), {x}, [inverse](const Tensor<T, Device>& upstream, auto& inputs) {
    inputs.add(0, upstream.permute(std::span<const Index>(inverse)));
  });
}
template <class T, class Device>
Variable<T, Device> permute(const Variable<T, Device>& x, std::initializer_list<Index> order) {
  return permute(x, std::span<const Index>(order.begin(), order.size()));
}

}  // namespace mien

#ifdef MIEN_COMPILED_TEMPLATE
#define MIEN_COMPILED_TEMPLATES(T)                                                                    \
  MIEN_COMPILED_TEMPLATE Variable<T, Cpu> concatenate(std::span<const Variable<T, Cpu>>, Index);      \
  MIEN_COMPILED_TEMPLATE Variable<T, Cpu> slice(const Variable<T, Cpu>&, Index, Index, Index, Index); \
  MIEN_COMPILED_TEMPLATE Variable<T, Cpu> reshape(const Variable<T, Cpu>&, std::span<const Index>);   \
  MIEN_COMPILED_TEMPLATE Variable<T, Cpu> permute(const Variable<T, Cpu>&, std::span<const Index>);
#include "mien/autograd/for_each_compiled_type.inc"
#endif
