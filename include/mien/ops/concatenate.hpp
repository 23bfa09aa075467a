#pragma once

/// Tensors put side by side along one axis.

#include <initializer_list>
#include <span>
#include <vector>

#include "mien/core/tensor.hpp"

namespace mien::ops {

/// The shape of the result. Throws ShapeError unless there is a part and all shapes agree but on `axis`.
inline Shape concatenated_shape(std::span<const Shape> parts, Index axis) {
  if (parts.empty()) throw ShapeError("concatenate: no tensors");
  const Index joined = parts[0].checked_axis(axis);
  Index extent = 0;
  for (const Shape& part : parts) {
    if (part.rank() != parts[0].rank() || part.with(joined, 0) != parts[0].with(joined, 0))
      throw ShapeError(detail::text("concatenate: shapes ", parts[0], " and ", part, " along axis ", axis));
    extent += part[joined];
  }
  return parts[0].with(joined, extent);
}

/// Parts [..., n_i, ...] -> [..., sum n_i, ...].
template <class T, class Device>
Tensor<T, Device> concatenate(std::span<const Tensor<T, Device>> parts, Index axis) {
  std::vector<Shape> shapes;
  for (const auto& part : parts) shapes.push_back(part.shape());
  Tensor<T, Device> out(concatenated_shape(shapes, axis));
  Index begin = 0;
  for (const auto& part : parts) {
    const Index end = begin + part.size(axis);
    out.slice(axis, begin, end).copy_from(part);
    begin = end;
  }
  return out;
}
template <class T, class Device>
Tensor<T, Device> concatenate(std::initializer_list<Tensor<T, Device>> parts, Index axis) {
  return concatenate(std::span<const Tensor<T, Device>>(parts.begin(), parts.size()), axis);
}

}  // namespace mien::ops
