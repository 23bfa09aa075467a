#pragma once

/// Adam: Kingma and Ba, Adam: A Method for Stochastic Optimization, ICLR 2015. AdamW: Loshchilov and Hutter, Decoupled
/// Weight Decay Regularization, ICLR 2019.

#include <cmath>
#include <cstddef>

#include "mien/optim/optimiser.hpp"

namespace mien::optim {

struct AdamOptions {
  double learning_rate = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0;  ///< added to the gradient, times the parameter
};

struct AdamWOptions {
  double learning_rate = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 1e-2;  ///< shrinks the parameter by learning_rate * weight_decay at each step
};

/// m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;  w -= r / (1 - b1^t) m / (sqrt(v / (1 - b2^t)) + e), with
/// g = gradient + d w.
///
///     optim::Adam adam(face.parameters(), {.learning_rate = 1e-3});
///     optim::Adam both({face.parameters(), body.parameters()}, {.learning_rate = 1e-3, .beta1 = 0.8});
template <class T, class Device = Cpu>
class Adam : public Optimiser<T, Device> {
 public:
  explicit Adam(const nn::ParameterList<T, Device>& parameters, const AdamOptions& options = {})
      : Adam("optim::Adam", options, false) {
    this->add_group(parameters);
  }
  /// The parameters of several networks.
  template <std::size_t N>
  Adam(const nn::ParameterList<T, Device> (&lists)[N], const AdamOptions& options = {})
      : Adam("optim::Adam", options, false) {
    this->add_group(lists);
  }

 protected:
  using typename Optimiser<T, Device>::ParameterStep;

  Adam(const char* name, const AdamOptions& options, bool decoupled)
      : Optimiser<T, Device>(name, {options.learning_rate, options.weight_decay, options.beta1},
                             {"first_moment", "second_moment"}),
        beta2_(options.beta2),
        epsilon_(options.epsilon),
        decoupled_(decoupled) {
    detail::require_setting(name, "beta2", options.beta2, 1);
    detail::require_setting(name, "epsilon", options.epsilon);
  }

  void update(std::span<backend::OptimisedParameter<T, Device>> parameters,
              const backend::StepOfEach<ParameterStep>& steps) const override {
    const auto rule = [beta2 = beta2_, epsilon = epsilon_, decoupled = decoupled_](const ParameterStep& at) {
      const auto& [rate, decay, beta1] = at.settings;
      const auto t = static_cast<double>(at.number);
      return backend::AdamStep{.learning_rate = rate,
                               .beta1 = beta1,
                               .beta2 = beta2,
                               .epsilon = epsilon,
                               .weight_decay = decoupled ? 0 : decay,
                               .decoupled_decay = decoupled ? decay : 0,
                               .first_correction = 1 - std::pow(beta1, t),
                               .second_correction = 1 - std::pow(beta2, t)};
    };
    backend::adam_step(parameters, this->template steps_by<backend::AdamStep>(steps, rule));
  }

 private:
  double beta2_;
  double epsilon_;
  bool decoupled_;
};

/// Adam whose weight decay shrinks the parameter itself, w *= 1 - r d, and stays out of the moments.
///
///     optim::AdamW adam(face.parameters(), {.learning_rate = 1e-3, .weight_decay = 0.05});
template <class T, class Device = Cpu>
class AdamW : public Adam<T, Device> {
 public:
  explicit AdamW(const nn::ParameterList<T, Device>& parameters, const AdamWOptions& options = {}) : AdamW(options) {
    this->add_group(parameters);
  }
  /// The parameters of several networks.
  template <std::size_t N>
  AdamW(const nn::ParameterList<T, Device> (&lists)[N], const AdamWOptions& options = {}) : AdamW(options) {
    this->add_group(lists);
  }

 private:
  explicit AdamW(const AdamWOptions& options)
      : Adam<T, Device>("optim::AdamW",
                        {options.learning_rate, options.beta1, options.beta2, options.epsilon, options.weight_decay},
                        true) {}
};

}  // namespace mien::optim
