#pragma once

/// One step of an optimiser on one parameter, in one pass over all that belongs to it.

#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include "mien/backend/cpu/arithmetic.hpp"
#include "mien/backend/cpu/compiled.hpp"
#include "mien/backend/optimised_parameter.hpp"
#include "mien/backend/optimiser_steps.hpp"

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
  return for_instruction_set(portable::optimiser_kernels<T>, avx2::optimiser_kernels<T>, avx512::optimiser_kernels<T>);
}

/// Runs a kernel over whole parameters, on all threads.
template <class T, class Factors>
void step_elements(void (*kernel)(Index, const Factors&, const OptimisedNumbers<T>&), const Factors& factors,
                   std::span<OptimisedParameter<T>> parameters) {
  for (OptimisedParameter<T>& on : parameters)
    parallel_for(0, on.value.elements(), elementwise_grain, [&](Index begin, Index end) {
      kernel(
          end - begin, factors,
          {on.gradient.data() + begin, on.value.data() + begin, on.first.defined() ? on.first.data() + begin : nullptr,
           on.second.defined() ? on.second.data() + begin : nullptr});
    });
}

/// All parameters have a buffer, or none.
template <class T>
void sgd_step(std::span<OptimisedParameter<T>> parameters, const SgdStep& step) {
  if (parameters.empty()) return;
  const bool has_buffer = parameters.front().first.defined();
  const SgdForm form = !has_buffer ? SgdForm::plain : step.nesterov ? SgdForm::nesterov : SgdForm::momentum;
  const SgdFactors<T> factors{.rate = static_cast<T>(step.learning_rate),
                              .momentum = static_cast<T>(step.momentum),
                              .decay = static_cast<T>(step.weight_decay)};
  step_elements(optimiser_kernels<T>().sgd[static_cast<std::size_t>(form)], factors, parameters);
}

template <class T>
void adam_step(std::span<OptimisedParameter<T>> parameters, const AdamStep& step) {
  const AdamFactors<T> factors{.keep = static_cast<T>(1 - step.learning_rate * step.decoupled_decay),
                               .decay = static_cast<T>(step.weight_decay),
                               .beta1 = static_cast<T>(step.beta1),
                               .beta2 = static_cast<T>(step.beta2),
                               .share1 = static_cast<T>(1 - step.beta1),
                               .share2 = static_cast<T>(1 - step.beta2),
                               .rate = static_cast<T>(step.learning_rate / step.first_correction),
                               .root = static_cast<T>(1 / std::sqrt(step.second_correction)),
                               .epsilon = static_cast<T>(step.epsilon)};
  step_elements(optimiser_kernels<T>().adam, factors, parameters);
}

template <class T>
void adamax_step(std::span<OptimisedParameter<T>> parameters, const AdamaxStep& step) {
  const AdamaxFactors<T> factors{.decay = static_cast<T>(step.weight_decay),
                                 .beta1 = static_cast<T>(step.beta1),
                                 .beta2 = static_cast<T>(step.beta2),
                                 .share1 = static_cast<T>(1 - step.beta1),
                                 .rate = static_cast<T>(step.learning_rate / step.first_correction),
                                 .epsilon = static_cast<T>(step.epsilon)};
  step_elements(optimiser_kernels<T>().adamax, factors, parameters);
}

/// make(parameter, step) for each of them.
template <class T, class Step, class Make>
void step_each(std::span<OptimisedParameter<T>> parameters, const StepOfEach<Step>& steps, const Make& make) {
  const std::vector<Step> all = steps();
  for (std::size_t i = 0; i < parameters.size(); ++i) make(parameters.subspan(i, 1), all[i]);
}

template <class T>
void sgd_step(std::span<OptimisedParameter<T>> parameters, const StepOfEach<SgdStep>& steps) {
  step_each(parameters, steps, [](auto one, const SgdStep& step) { sgd_step<T>(one, step); });
}
template <class T>
void adam_step(std::span<OptimisedParameter<T>> parameters, const StepOfEach<AdamStep>& steps) {
  step_each(parameters, steps, [](auto one, const AdamStep& step) { adam_step<T>(one, step); });
}
template <class T>
void adamax_step(std::span<OptimisedParameter<T>> parameters, const StepOfEach<AdamaxStep>& steps) {
  step_each(parameters, steps, [](auto one, const AdamaxStep& step) { adamax_step<T>(one, step); });
}

}  // namespace mien::backend

#ifdef MIEN_COMPILED_TEMPLATE
#define MIEN_COMPILED_TEMPLATES(T) MIEN_COMPILED_TEMPLATE const OptimiserKernels<T>& optimiser_kernels<T>();
#include "mien/backend/cpu/for_each_compiled_type.inc"
#endif
