#pragma once

/// Loss scaling: the gradients of maps of type `float16` would be rounded to zero, so the loss is multiplied before
/// `backward` and the parameters' gradients, which are float, are divided after it (Micikevicius et al., Mixed
/// Precision Training, ICLR 2018). Maps of bfloat16 have the range of float and need none. The host looks at the
/// gradients and decides about the step and the next factor, so that a `cuda::Graph` cannot record it: ValueError.
///
///     optim::LossScale scale;
///     adam.zero_grad();
///     scale.backward(cross_entropy(model(cast<float16>(frames)).logits, labels));
///     if (scale.unscale(adam.parameters())) adam.step();

#include <cmath>

#include "mien/optim/gradient_clipping.hpp"
#include "mien/optim/schedules.hpp"

namespace mien::optim {

/// The factor follows the gradients: it grows while they are finite, and shrinks when one is not. PyTorch's defaults.
struct LossScaleOptions {
  double initial = 65536;
  double growth = 2;
  double backoff = 0.5;
  Index growth_interval = 2000;  ///< finite steps in a row after which it grows
};

class LossScale {
 public:
  /// Throws ValueError for factors that are not positive, that do not grow or do not shrink.
  explicit LossScale(const LossScaleOptions& options = {}) : options_(options), value_(options.initial) {
    if (!(options.initial > 0 && std::isfinite(options.initial)) || !(options.growth >= 1) ||
        !(options.backoff > 0 && options.backoff < 1) || options.growth_interval < 1)
      throw ValueError(detail::text("LossScale: initial ", options.initial, ", growth ", options.growth, ", backoff ",
                                    options.backoff, ", growth interval ", options.growth_interval,
                                    "; expected above 0, at least 1, in (0, 1) and at least 1"));
  }

  double value() const { return value_; }

  /// `mien::backward` of the loss times the factor.
  template <class T, class Device>
  void backward(const Variable<T, Device>& loss, const BackwardOptions& options = {}) const {
    require_host<Device>();
    if (loss.value().elements() != 1)
      throw ShapeError(detail::text("LossScale::backward: loss ", loss.shape(), " does not have exactly one element"));
    mien::backward(loss, Tensor<T, Device>(loss.shape(), static_cast<T>(value_)), options);
  }

  /// Takes the factor off all gradients, and says whether they are finite: if not, this step must be left out, and the
  /// factor is smaller from now on. Waits for the GPU.
  template <class T, class Device>
  bool unscale(const std::vector<Variable<T, Device>>& parameters) {
    require_host<Device>();
    auto gradients = gradients_of(parameters);
    const bool finite = std::isfinite(backend::sum_of_squares(gradients));
    if (finite) backend::scale_in_place(gradients, static_cast<T>(1 / value_));
    adapt(finite);
    return finite;
  }

  /// For checkpoints.
  ScheduleState state() const { return {{"scale", value_}, {"finite_steps", static_cast<double>(finite_steps_)}}; }
  /// Throws ValueError, and changes nothing, if a number is missing or makes no sense.
  void set_state(const ScheduleState& state) {
    const double value = detail::number_of(state, "scale");
    if (!(value > 0 && std::isfinite(value))) throw ValueError(detail::text("LossScale: a scale of ", value));
    finite_steps_ = detail::count_of(state, "finite_steps");
    value_ = value;
  }

 private:
  template <class Device>
  static void require_host() {
    backend::require_not_recording(Device{}, "optim::LossScale", "the host decides about its factor after each step");
  }

  void adapt(bool finite) {
    if (!finite) {
      // Its inverse has to stay a number that a gradient can be multiplied by.
      if (value_ * options_.backoff >= 0x1p-100) value_ *= options_.backoff;
      finite_steps_ = 0;
    } else if (++finite_steps_ >= options_.growth_interval) {
      // The factor itself has to stay a number that the loss's gradient can be.
      if (value_ * options_.growth <= 0x1p100) value_ *= options_.growth;
      finite_steps_ = 0;
    }
  }

  LossScaleOptions options_;
  double value_;
  Index finite_steps_ = 0;
};

}  // namespace mien::optim
