#pragma once

/// Adamax: Adam with the infinity norm. Kingma and Ba, Adam: A Method for Stochastic Optimization, ICLR 2015,
/// section 7.

#include <cmath>
#include <cstddef>

#include "mien/optim/optimiser.hpp"

namespace mien::optim {

struct AdamaxOptions {
  double learning_rate = 2e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0;  ///< added to the gradient, times the parameter
};

/// m = b1 m + (1 - b1) g;  u = max(b2 u, |g| + e);  w -= r / (1 - b1^t) m / u, with g = gradient + d w.
///
///     optim::Adamax adamax(face.parameters(), {.learning_rate = 1e-3});
template <class T, class Device = Cpu>
class Adamax : public Optimiser<T, Device> {
 public:
  explicit Adamax(const nn::ParameterList<T, Device>& parameters, const AdamaxOptions& options = {}) : Adamax(options) {
    this->add_group(parameters);
  }
  /// The parameters of several networks.
  template <std::size_t N>
  Adamax(const nn::ParameterList<T, Device> (&lists)[N], const AdamaxOptions& options = {}) : Adamax(options) {
    this->add_group(lists);
  }

 private:
  using typename Optimiser<T, Device>::ParameterStep;

  explicit Adamax(const AdamaxOptions& options)
      : Optimiser<T, Device>("optim::Adamax", {options.learning_rate, options.weight_decay, options.beta1},
                             {"first_moment", "infinity_norm"}),
        beta2_(options.beta2),
        epsilon_(options.epsilon) {
    detail::require_setting("optim::Adamax", "beta2", options.beta2, 1);
    detail::require_setting("optim::Adamax", "epsilon", options.epsilon);
  }

  void update(std::span<backend::OptimisedParameter<T, Device>> parameters,
              const backend::StepOfEach<ParameterStep>& steps) const override {
    const auto rule = [beta2 = beta2_, epsilon = epsilon_](const ParameterStep& at) {
      const auto& [rate, decay, beta1] = at.settings;
      return backend::AdamaxStep{.learning_rate = rate,
                                 .beta1 = beta1,
                                 .beta2 = beta2,
                                 .epsilon = epsilon,
                                 .weight_decay = decay,
                                 .first_correction = 1 - std::pow(beta1, static_cast<double>(at.number))};
    };
    backend::adamax_step(parameters, this->template steps_by<backend::AdamaxStep>(steps, rule));
  }

  double beta2_;
  double epsilon_;
};

}  // namespace mien::optim
