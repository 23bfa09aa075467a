#pragma once

/// Differentiable y = scale x + shift; see ops/scale_shift.hpp.

#include "mien/autograd/variable.hpp"
#include "mien/backend/cpu/compiled.hpp"
#include "mien/ops/scale_shift.hpp"

namespace mien {

template <class T, class Device>
Variable<T, Device> scale_shift(const Variable<T, Device>& x, const Variable<Accumulated<T>, Device>& scale,
                                const Variable<Accumulated<T>, Device>& shift) {
  const Tensor<T, Device> y = ops::scale_shift(x.value(), scale.value(), shift.value());
  trace::note("scale_shift",
              [&](auto& operation) { operation.reads(x.value()).reads(scale.value()).reads(shift.value()).makes(y); });
  return record(y, {x, scale, shift},
                [map = x.value(), factors = scale.value()](const Tensor<T, Device>& upstream, auto& inputs) {
                  if (inputs.needed(0))
                    inputs.add(
                        0, ops::scale_shift(upstream, factors, Tensor<Accumulated<T>, Device>::zeros(factors.shape())));
                  if (inputs.needed(1)) inputs.add(1, ops::scale_shift_scale_gradient(map, upstream));
                  if (inputs.needed(2)) inputs.add(2, ops::sum_rows(upstream));
                });
}

}  // namespace mien

#ifdef MIEN_COMPILED_TEMPLATE
#define MIEN_COMPILED_TEMPLATES(T)                                                                      \
  MIEN_COMPILED_TEMPLATE Variable<T, Cpu> scale_shift(const Variable<T, Cpu>&, const Variable<T, Cpu>&, \
                                                      const Variable<T, Cpu>&);
#include "mien/autograd/for_each_compiled_type.inc"
#endif
