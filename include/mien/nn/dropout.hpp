#pragma once

#include "mien/autograd/dropout.hpp"
#include "mien/nn/module.hpp"

namespace mien::nn {

/// In training sets elements to 0 by chance and scales the others up, drawing from `default_generator`; passes its
/// input on in evaluation.
template <class T, class Device = Cpu>
class Dropout : public Module<Dropout<T, Device>, T, Device> {
 public:
  /// Throws ValueError unless `probability` is in [0, 1).
  explicit Dropout(double probability = 0.5) : probability_(probability) {
    ops::require_dropout_probability(probability);
  }

  template <MapOf<T> Map>
  Variable<Map, Device> operator()(const Variable<Map, Device>& x) const {
    return this->is_training() && probability_ > 0 ? dropout(x, probability_) : x;
  }

  void visit(auto&&) {}

 private:
  double probability_;
};

}  // namespace mien::nn
