#pragma once

/// Strided copies in parts that are small enough for 32 bits.

#include "mien/backend/cuda/kernels/copy.hpp"
#include "portable.hpp"

namespace mien::kernels {

struct Offsets {
  Index from, to;
};

inline Index elements(const StridedShape& shape) {
  Index product = 1;
  for (int axis = 0; axis < shape.rank; ++axis) product *= shape.extents[axis];
  return product;
}

/// body(part, first element in `from`, in `to`) for parts of at most so many elements.
template <class Body>
void in_parts(const StridedShape& shape, Index most, const Offsets& first, const Body& body) {
  const Index count = elements(shape);
  if (count == 0) return;
  if (count <= most) {
    body(shape, first);
    return;
  }
  int longest = 0;
  for (int axis = 1; axis < shape.rank; ++axis)
    if (shape.extents[axis] > shape.extents[longest]) longest = axis;
  StridedShape lower = shape;
  StridedShape upper = shape;
  lower.extents[longest] = shape.extents[longest] / 2;
  upper.extents[longest] -= lower.extents[longest];
  in_parts(lower, most, first, body);
  in_parts(upper, most,
           {first.from + lower.extents[longest] * shape.from_strides[longest],
            first.to + lower.extents[longest] * shape.to_strides[longest]},
           body);
}

}  // namespace mien::kernels
