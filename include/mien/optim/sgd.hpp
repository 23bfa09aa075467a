#pragma once

/// Stochastic gradient descent.

#include <cstddef>
#include <vector>

#include "mien/optim/optimiser.hpp"

namespace mien::optim {

struct SgdOptions {
  double learning_rate = 1e-3;
  double momentum = 0;
  bool nesterov = false;
  double weight_decay = 0;  ///< added to the gradient, times the parameter
};

/// g = gradient + d w;  b = m b + g;  w -= r b, or with Nesterov's momentum w -= r (g + m b). Sutskever et al., On the
/// importance of initialization and momentum in deep learning, ICML 2013; the rate is outside of b, as in PyTorch.
///
///     optim::Sgd sgd(face.parameters(), {.learning_rate = 0.1, .momentum = 0.9});
template <class T, class Device = Cpu>
class Sgd : public Optimiser<T, Device> {
 public:
  explicit Sgd(const nn::ParameterList<T, Device>& parameters, const SgdOptions& options = {}) : Sgd(options) {
    this->add_group(parameters);
  }
  /// The parameters of several networks.
  template <std::size_t N>
  Sgd(const nn::ParameterList<T, Device> (&lists)[N], const SgdOptions& options = {}) : Sgd(options) {
    this->add_group(lists);
  }

 private:
  using typename Optimiser<T, Device>::ParameterStep;

  explicit Sgd(const SgdOptions& options)
      : Optimiser<T, Device>("optim::Sgd", {options.learning_rate, options.weight_decay, options.momentum},
                             options.momentum > 0 ? std::vector{"momentum"} : std::vector<const char*>(),
                             options.momentum > 0),
        nesterov_(options.nesterov) {
    if (options.nesterov && !(options.momentum > 0))
      throw ValueError("optim::Sgd: Nesterov's momentum needs a momentum above 0");
  }

  void update(std::span<backend::OptimisedParameter<T, Device>> parameters,
              const backend::StepOfEach<ParameterStep>& steps) const override {
    const auto rule = [nesterov = nesterov_](const ParameterStep& at) {
      const auto& [rate, decay, momentum] = at.settings;
      return backend::SgdStep{rate, momentum, decay, nesterov};
    };
    backend::sgd_step(parameters, this->template steps_by<backend::SgdStep>(steps, rule));
  }

  bool nesterov_;
};

}  // namespace mien::optim
