#pragma once

/// Differentiable masking of padded sequences; see ops/steps.hpp.

#include <vector>

#include "mien/autograd/variable.hpp"
#include "mien/ops/steps.hpp"

namespace mien {

/// x [B, T, ...] with zeros beyond each sample's length.
template <class T, class Device>
Variable<T, Device> mask_steps(const Variable<T, Device>& x, const std::vector<Index>& lengths) {
  const Tensor<T, Device> y = ops::mask_steps(x.value(), lengths);
  if (lengths.empty()) trace::note("same", [&](auto& operation) { operation.reads(x.value()).makes(y); });
  return record(y, {x}, [lengths](const Tensor<T, Device>& upstream, auto& inputs) {
    inputs.add(0, ops::mask_steps(upstream, lengths));
  });
}

}  // namespace mien
