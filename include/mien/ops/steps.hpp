#pragma once

/// Sequences of unlike length in one batch: x [B, T, ...], of which the first `lengths[b]` steps of sample b are valid
/// and the others padding.

#include <span>

#include "mien/backend/cpu/steps.hpp"
#if defined(MIEN_WITH_CUDA)
#include "mien/backend/cuda/steps.hpp"
#endif
#include "mien/ops/arithmetic.hpp"

namespace mien::ops {

/// Throws ShapeError or ValueError unless there is a length from 0 to T for each sample of x [B, T, ...], or none at
/// all, which means that every step is valid.
inline void require_lengths(const char* operation, const Shape& x, std::span<const Index> lengths) {
  if (x.rank() < 2) throw ShapeError(detail::text(operation, ": shape ", x, " has no batch of steps"));
  if (lengths.empty()) return;
  if (static_cast<Index>(lengths.size()) != x[0])
    throw ShapeError(detail::text(operation, ": ", lengths.size(), " lengths for the batch of ", x));
  for (std::size_t b = 0; b < lengths.size(); ++b)
    if (lengths[b] < 0 || lengths[b] > x[1])
      throw ValueError(
          detail::text(operation, ": length ", lengths[b], " of sample ", b, " is not in [0, ", x[1], "]"));
}

/// x with zeros in place of the padding, which may hold anything. The gradient for x is the same of upstream.
template <class T, class Device>
Tensor<T, Device> mask_steps(const Tensor<T, Device>& x, std::span<const Index> lengths) {
  require_lengths("mask_steps", x.shape(), lengths);
  if (lengths.empty()) return x;
  Tensor<T, Device> out(x.shape());
  backend::mask_steps(x.contiguous(), lengths, out);
  return out;
}

}  // namespace mien::ops
