#pragma once

/// The settings of one step of each optimiser, for every device. In the formulas g is the gradient, w the value.

#include <functional>
#include <vector>

namespace mien::backend {

/// The step of each parameter that is stepped, which counts it: asked for once for each time that the step is made. A
/// graph of the GPU keeps it and asks before each run.
template <class Step>
using StepOfEach = std::function<std::vector<Step>()>;

/// g = gradient + d w;  b = m b + g in `first`;  w -= r b, or with Nesterov's momentum w -= r (g + m b).
/// Where `first` is undefined b is g.
struct SgdStep {
  double learning_rate;
  double momentum;
  double weight_decay;
  bool nesterov;
};

/// g = gradient + d w;  m = b1 m + (1 - b1) g in `first`;  v = b2 v + (1 - b2) g^2 in `second`;
/// w -= r / (1 - b1^t) m / (sqrt(v) / sqrt(1 - b2^t) + e).
struct AdamStep {
  double learning_rate;
  double beta1;
  double beta2;
  double epsilon;
  double weight_decay;       ///< added to the gradient
  double decoupled_decay;    ///< shrinks the value itself: w *= 1 - r d, before all else
  double first_correction;   ///< 1 - beta1^t
  double second_correction;  ///< 1 - beta2^t
};

/// g = gradient + d w;  m = b1 m + (1 - b1) g in `first`;  u = max(b2 u, |g| + e) in `second`;
/// w -= r / (1 - b1^t) m / u.
struct AdamaxStep {
  double learning_rate;
  double beta1;
  double beta2;
  double epsilon;
  double weight_decay;
  double first_correction;  ///< 1 - beta1^t
};

}  // namespace mien::backend
