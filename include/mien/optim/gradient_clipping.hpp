#pragma once

/// Keeps gradients small. Call between `backward` and an optimiser's `step`.

#include <cmath>
#include <vector>

#include "mien/backend/cpu/gradients.hpp"
#if defined(MIEN_WITH_CUDA)
#include "mien/backend/cuda/gradients.hpp"
#endif
#include "mien/nn/module.hpp"

namespace mien::optim {

/// The gradients of those parameters that have one. Throws ShapeError for one that somebody has put there with gaps
/// between its elements, which would be changed as well.
template <class T, class Device>
std::vector<Tensor<T, Device>> gradients_of(const std::vector<Variable<T, Device>>& parameters) {
  std::vector<Tensor<T, Device>> gradients;
  for (const auto& parameter : parameters) {
    if (!parameter.requires_gradient() || !parameter.gradient().defined()) continue;
    if (!parameter.gradient().is_contiguous())
      throw ShapeError(detail::text("a gradient ", parameter.gradient().shape(), " has gaps between its elements"));
    gradients.push_back(parameter.gradient());
  }
  return gradients;
}

/// The Euclidean norm of all gradients as one vector. The order of the sum does not depend on threads; on the CPU it is
/// in double.
template <class T, class Device>
double gradient_norm(const std::vector<Variable<T, Device>>& parameters) {
  backend::require_not_recording(Device{}, "gradient_norm", "the host waits for the norm");
  return std::sqrt(backend::sum_of_squares(gradients_of(parameters)));
}

/// Scales all gradients by max_norm / (norm + 1e-6) if that is below 1, and returns the norm before, [1], where they
/// are: nothing waits for the GPU, and a `cuda::Graph` may record it. A norm that is not finite changes nothing; the
/// caller sees it in the result. Pascanu et al., On the difficulty of training recurrent neural networks, ICML 2013.
template <class T, class Device>
Tensor<double, Device> limit_gradient_norm(const std::vector<Variable<T, Device>>& parameters, double max_norm) {
  if (!(max_norm >= 0)) throw ValueError(detail::text("limit_gradient_norm: norm ", max_norm, " is negative"));
  auto gradients = gradients_of(parameters);
  return backend::limit_norm(gradients, max_norm);
}

/// The same, and the norm comes to the host, which waits for the GPU.
template <class T, class Device>
double clip_gradient_norm(const std::vector<Variable<T, Device>>& parameters, double max_norm) {
  if (!(max_norm >= 0)) throw ValueError(detail::text("clip_gradient_norm: norm ", max_norm, " is negative"));
  backend::require_not_recording(Device{}, "clip_gradient_norm",
                                 "it waits for the norm, which limit_gradient_norm does not");
  return limit_gradient_norm(parameters, max_norm).item();
}

/// Limits every entry of all gradients to [-limit, limit].
template <class T, class Device>
void clip_gradient_value(const std::vector<Variable<T, Device>>& parameters, double limit) {
  if (!(limit >= 0)) throw ValueError(detail::text("clip_gradient_value: limit ", limit, " is negative"));
  auto gradients = gradients_of(parameters);
  backend::clamp_in_place(gradients, static_cast<T>(limit));
}

}  // namespace mien::optim
