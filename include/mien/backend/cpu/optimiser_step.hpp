#pragma once

/// One step of an optimiser on one parameter, in one pass over all that belongs to it.

#include <cmath>

#include "mien/backend/cpu/arithmetic.hpp"

namespace mien::backend {

/// What a step reads and writes: g, w, and what the optimiser keeps for each number of a parameter.
template <class T>
struct OptimisedNumbers {
  const T* gradient;
  T* value;
  T* first;
  T* second;
};

enum class SgdForm { plain, momentum, nesterov };

template <class T>
struct SgdFactors {
  T rate, momentum, decay;
};

/// w *= keep;  g = gradient + decay w;  m = beta1 m + share1 g;  v = beta2 v + share2 g^2;
/// w -= rate m / (root sqrt(v) + epsilon).
template <class T>
struct AdamFactors {
  T keep, decay, beta1, beta2, share1, share2, rate, root, epsilon;
};

template <class T>
struct AdamaxFactors {
  T decay, beta1, beta2, share1, rate, epsilon;
};

/// The inner loops for one instruction set; see kernels/optimiser_step.inc.
template <class T>
struct OptimiserKernels {
  void (*sgd[3])(Index elements, const SgdFactors<T>& by, const OptimisedNumbers<T>& on);  ///< [form]
  void (*adam)(Index elements, const AdamFactors<T>& by, const OptimisedNumbers<T>& on);
  void (*adamax)(Index elements, const AdamaxFactors<T>& by, const OptimisedNumbers<T>& on);
};

}  // namespace mien::backend

#define MIEN_KERNELS "mien/backend/cpu/kernels/optimiser_step.inc"
#include "mien/backend/cpu/for_each_instruction_set.inc"

namespace mien::backend {

template <class T>
const OptimiserKernels<T>& optimiser_kernels() {
  return for_instruction_set(portable::optimiser_kernels<T>, avx2::optimiser_kernels<T>,
                             avx512::optimiser_kernels<T>);
}

/// Runs a kernel over a whole parameter, on all threads; what the optimiser does not keep is undefined.
template <class T, class Factors>
void step_elements(void (*kernel)(Index, const Factors&, const OptimisedNumbers<T>&), const Factors& factors,
                   const Tensor<T, Cpu>& gradient, Tensor<T, Cpu>& value, Tensor<T, Cpu> first, Tensor<T, Cpu> second) {
  parallel_for(0, value.elements(), elementwise_grain, [&](Index begin, Index end) {
    kernel(end - begin, factors,
           {gradient.data() + begin, value.data() + begin, first.defined() ? first.data() + begin : nullptr,
            second.defined() ? second.data() + begin : nullptr});
  });
}

struct SgdStep {
  double learning_rate;
  double momentum;
  double weight_decay;
  bool nesterov;
};

/// g = gradient + d w;  b = m b + g;  w -= r b, or with Nesterov's momentum w -= r (g + m b).
/// Without momentum `buffer` is undefined and b is g.
template <class T>
void sgd_step(const Tensor<T, Cpu>& gradient, const SgdStep& step, Tensor<T, Cpu>& value, Tensor<T, Cpu>& buffer) {
  const SgdForm form = !buffer.defined() ? SgdForm::plain : step.nesterov ? SgdForm::nesterov : SgdForm::momentum;
  const SgdFactors<T> factors{.rate = static_cast<T>(step.learning_rate),
                              .momentum = static_cast<T>(step.momentum),
                              .decay = static_cast<T>(step.weight_decay)};
  step_elements(optimiser_kernels<T>().sgd[static_cast<std::size_t>(form)], factors, gradient, value, buffer, {});
}

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

/// g = gradient + d w;  m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;
/// w -= r / (1 - b1^t) m / (sqrt(v) / sqrt(1 - b2^t) + e).
template <class T>
void adam_step(const Tensor<T, Cpu>& gradient, const AdamStep& step, Tensor<T, Cpu>& value,
               Tensor<T, Cpu>& first_moment, Tensor<T, Cpu>& second_moment) {
  const AdamFactors<T> factors{.keep = static_cast<T>(1 - step.learning_rate * step.decoupled_decay),
                               .decay = static_cast<T>(step.weight_decay),
                               .beta1 = static_cast<T>(step.beta1),
                               .beta2 = static_cast<T>(step.beta2),
                               .share1 = static_cast<T>(1 - step.beta1),
                               .share2 = static_cast<T>(1 - step.beta2),
                               .rate = static_cast<T>(step.learning_rate / step.first_correction),
                               .root = static_cast<T>(1 / std::sqrt(step.second_correction)),
                               .epsilon = static_cast<T>(step.epsilon)};
  step_elements(optimiser_kernels<T>().adam, factors, gradient, value, first_moment, second_moment);
}

struct AdamaxStep {
  double learning_rate;
  double beta1;
  double beta2;
  double epsilon;
  double weight_decay;
  double first_correction;  ///< 1 - beta1^t
};

/// g = gradient + d w;  m = b1 m + (1 - b1) g;  u = max(b2 u, |g| + e);  w -= r / (1 - b1^t) m / u.
template <class T>
void adamax_step(const Tensor<T, Cpu>& gradient, const AdamaxStep& step, Tensor<T, Cpu>& value,
                 Tensor<T, Cpu>& first_moment, Tensor<T, Cpu>& infinity_norm) {
  const AdamaxFactors<T> factors{.decay = static_cast<T>(step.weight_decay),
                                 .beta1 = static_cast<T>(step.beta1),
                                 .beta2 = static_cast<T>(step.beta2),
                                 .share1 = static_cast<T>(1 - step.beta1),
                                 .rate = static_cast<T>(step.learning_rate / step.first_correction),
                                 .epsilon = static_cast<T>(step.epsilon)};
  step_elements(optimiser_kernels<T>().adamax, factors, gradient, value, first_moment, infinity_norm);
}

/// x *= factor.
template <class T>
void scale_in_place(Tensor<T, Cpu>& x, T factor) {
  scale(x, factor, x);
}

/// x = min(max(x, -limit), limit).
template <class T>
void clamp_in_place(Tensor<T, Cpu>& x, T limit) {
  const ElementwiseKernels<T>& kernels = elementwise_kernels<T>();
  parallel_for(0, x.elements(), elementwise_grain, [&](Index first, Index last) {
    kernels.at_least(last - first, x.data() + first, -limit, x.data() + first);
    kernels.at_most(last - first, x.data() + first, limit, x.data() + first);
  });
}

}  // namespace mien::backend
