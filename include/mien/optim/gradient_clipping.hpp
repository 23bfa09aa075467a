#pragma once

/// Keeps gradients small. Call between `backward` and an optimiser's `step`.

#include <cmath>

#include "mien/backend/cpu/optimiser_step.hpp"
#include "mien/backend/cpu/reduction.hpp"
#include "mien/nn/module.hpp"

namespace mien::optim {

/// The Euclidean norm of all gradients as one vector. The sum is in double, and its order does not depend on threads.
template <class T>
double gradient_norm(const nn::ParameterList<T>& parameters) {
  double sum = 0;
  for (const auto& parameter : parameters)
    if (parameter.requires_gradient() && parameter.gradient().defined())
      sum += backend::sum_of_squares(parameter.gradient());
  return std::sqrt(sum);
}

/// Scales all gradients by max_norm / (norm + 1e-6) if that is below 1, and returns the norm before. A norm that is not
/// finite changes nothing; the caller sees it in the result. Pascanu et al., On the difficulty of training recurrent
/// neural networks, ICML 2013.
template <class T>
double clip_gradient_norm(const nn::ParameterList<T>& parameters, double max_norm) {
  if (!(max_norm >= 0)) throw ValueError(detail::text("clip_gradient_norm: norm ", max_norm, " is negative"));
  const double norm = gradient_norm(parameters);
  const double factor = max_norm / (norm + 1e-6);
  if (!std::isfinite(norm) || factor >= 1) return norm;
  for (auto parameter : parameters)
    if (parameter.requires_gradient() && parameter.gradient().defined())
      backend::scale_in_place(parameter.gradient(), static_cast<T>(factor));
  return norm;
}

/// Limits every entry of all gradients to [-limit, limit].
template <class T>
void clip_gradient_value(const nn::ParameterList<T>& parameters, double limit) {
  if (!(limit >= 0)) throw ValueError(detail::text("clip_gradient_value: limit ", limit, " is negative"));
  for (auto parameter : parameters)
    if (parameter.requires_gradient() && parameter.gradient().defined())
      backend::clamp_in_place(parameter.gradient(), static_cast<T>(limit));
}

}  // namespace mien::optim
