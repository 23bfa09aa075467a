#pragma once

/// What is done to all gradients of a network before a step. Gradients have no gaps in memory.

#include <cmath>
#include <vector>

#include "mien/backend/cpu/arithmetic.hpp"
#include "mien/backend/cpu/reduction.hpp"

namespace mien::backend {

/// The sum of all squares, added in double.
template <class T>
double sum_of_squares(const std::vector<Tensor<T, Cpu>>& gradients) {
  double sum = 0;
  for (const Tensor<T, Cpu>& gradient : gradients)
    sum += sum_of_chunks(gradient.elements(), elementwise_grain, [&](Index first, Index last) {
      return array(gradient.data() + first, last - first).template cast<double>().square().sum();
    });
  return sum;
}

/// x *= factor.
template <class T>
void scale_in_place(std::vector<Tensor<T, Cpu>>& gradients, T factor) {
  for (Tensor<T, Cpu>& gradient : gradients) scale(gradient, factor, gradient);
}

/// Scales all gradients by max_norm / (norm + 1e-6) if the norm is finite and that is below 1: the norm before, [1].
template <class T>
Tensor<double> limit_norm(std::vector<Tensor<T, Cpu>>& gradients, double max_norm) {
  const double norm = std::sqrt(sum_of_squares(gradients));
  const double factor = max_norm / (norm + 1e-6);
  if (std::isfinite(norm) && factor < 1) scale_in_place(gradients, static_cast<T>(factor));
  return Tensor<double>({1}, norm);
}

/// Here nothing is ever recorded: what the host decides may be done at any time.
inline void require_not_recording(Cpu, const char*, const char*) {}

/// x = min(max(x, -limit), limit).
template <class T>
void clamp_in_place(Tensor<T, Cpu>& x, T limit) {
  const ElementwiseKernels<T>& kernels = elementwise_kernels<T>();
  parallel_for(0, x.elements(), elementwise_grain, [&](Index first, Index last) {
    kernels.at_least(last - first, x.data() + first, -limit, x.data() + first);
    kernels.at_most(last - first, x.data() + first, limit, x.data() + first);
  });
}
template <class T>
void clamp_in_place(std::vector<Tensor<T, Cpu>>& gradients, T limit) {
  for (Tensor<T, Cpu>& gradient : gradients) clamp_in_place(gradient, limit);
}

}  // namespace mien::backend
