#pragma once

/// Learning rates that change in the course of training. Each schedule is a small value; PyTorch's definitions.
///
///     optim::Sgd sgd(model.parameters(), {.learning_rate = 0.05, .momentum = 0.9});
///     optim::CosineAnnealing schedule(sgd.learning_rate(), {.steps = epochs});
///     for (Index epoch = 0; epoch < epochs; ++epoch) {
///       schedule.apply_to(sgd);
///       ...
///       schedule.step();
///     }
///
/// `state` and `set_state` hold what a checkpoint needs to go on with the same bits; the options are not part of it.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <map>
#include <numbers>
#include <string>
#include <vector>

#include "mien/optim/optimiser.hpp"

namespace mien {
namespace detail {

/// A number of a schedule's state. Throws ValueError if it is missing.
inline double number_of(const std::map<std::string, double>& state, const char* key) {
  const auto found = state.find(key);
  if (found == state.end()) throw ValueError(text("schedule: the state has no number ", key));
  return found->second;
}

/// A number that counts something. Throws ValueError if it is missing or counts nothing.
inline Index count_of(const std::map<std::string, double>& state, const char* key) {
  const double count = number_of(state, key);
  require_setting("schedule", key, count, 0x1p53);
  return static_cast<Index>(count);
}

}  // namespace detail

namespace optim {

using ScheduleState = std::map<std::string, double>;

/// The number of steps taken so far, which most schedules are a function of.
class StepCounter {
 public:
  Index steps() const { return steps_; }
  ScheduleState state() const { return {{"steps", static_cast<double>(steps_)}}; }
  void set_state(const ScheduleState& state) { steps_ = detail::count_of(state, "steps"); }

 protected:
  Index steps_ = 0;
};

struct StepDecayOptions {
  Index every = 1;      ///< steps between two changes
  double factor = 0.1;  ///< of the rate at each change
};

/// rate = first_rate * factor^floor(t / every).
class StepDecay : public StepCounter {
 public:
  StepDecay(double first_rate, const StepDecayOptions& options) : first_rate_(first_rate), options_(options) {
    detail::require_setting("optim::StepDecay", "learning rate", first_rate);
    detail::require_setting("optim::StepDecay", "factor", options.factor);
    if (options.every < 1) throw ValueError(detail::text("optim::StepDecay: every ", options.every, " steps"));
  }

  void step() { ++steps_; }
  double learning_rate() const {
    return first_rate_ * std::pow(options_.factor, static_cast<double>(steps_ / options_.every));
  }

  template <class T, class Device>
  void apply_to(Optimiser<T, Device>& optimiser) const {
    optimiser.set_learning_rate(learning_rate());
  }

 private:
  double first_rate_;
  StepDecayOptions options_;
};

struct CosineAnnealingOptions {
  Index steps = 1;  ///< until the lowest rate; after that it rises again
  double last_rate = 0;
};

/// rate = last_rate + (first_rate - last_rate) (1 + cos(pi t / steps)) / 2. Loshchilov and Hutter, SGDR, ICLR 2017,
/// without restarts.
class CosineAnnealing : public StepCounter {
 public:
  CosineAnnealing(double first_rate, const CosineAnnealingOptions& options)
      : first_rate_(first_rate), options_(options) {
    detail::require_setting("optim::CosineAnnealing", "learning rate", first_rate);
    detail::require_setting("optim::CosineAnnealing", "last rate", options.last_rate);
    if (options.steps < 1) throw ValueError(detail::text("optim::CosineAnnealing: ", options.steps, " steps"));
  }

  void step() { ++steps_; }
  double learning_rate() const {
    const double turned = std::numbers::pi * static_cast<double>(steps_) / static_cast<double>(options_.steps);
    return options_.last_rate + (first_rate_ - options_.last_rate) * (1 + std::cos(turned)) / 2;
  }

  template <class T, class Device>
  void apply_to(Optimiser<T, Device>& optimiser) const {
    optimiser.set_learning_rate(learning_rate());
  }

 private:
  double first_rate_;
  CosineAnnealingOptions options_;
};

/// The way from one rate to the next.
enum class Annealing { cosine, linear };

struct OneCycleOptions {
  double max_learning_rate = 0.1;
  Index total_steps = 1;
  double rising_share = 0.3;  ///< of all steps, in [0, 1]
  double first_divisor = 25;  ///< first rate = max_learning_rate / first_divisor
  double last_divisor = 1e4;  ///< last rate = first rate / last_divisor
  Annealing annealing = Annealing::cosine;
  bool three_phases = false;   ///< down to the first rate as slowly as up, and only then to the last
  bool cycle_momentum = true;  ///< momentum (or beta1) falls while the rate rises, and rises while it falls
  double min_momentum = 0.85;
  double max_momentum = 0.95;
};

/// The rate rises from low to high and falls to next to nothing. Smith and Topin, Super-Convergence, 2018.
class OneCycle : public StepCounter {
 public:
  explicit OneCycle(const OneCycleOptions& options) : options_(options) {
    constexpr const char* name = "optim::OneCycle";
    detail::require_setting(name, "learning rate", options.max_learning_rate);
    detail::require_setting(name, "momentum", options.min_momentum, 1);
    detail::require_setting(name, "momentum", options.max_momentum, 1);
    if (options.total_steps < 1) throw ValueError(detail::text(name, ": ", options.total_steps, " steps in all"));
    if (!(options.rising_share >= 0 && options.rising_share <= 1))
      throw ValueError(detail::text(name, ": rising share ", options.rising_share, " is not in [0, 1]"));
    if (!(options.first_divisor > 0 && options.last_divisor > 0))
      throw ValueError(detail::text(name, ": divisors ", options.first_divisor, " and ", options.last_divisor,
                                    " are not both positive"));
    const double first = options.max_learning_rate / options.first_divisor;
    const double last = first / options.last_divisor;
    const double rising = options.rising_share * static_cast<double>(options.total_steps) - 1;
    const auto end = static_cast<double>(options.total_steps - 1);
    phases_.push_back({rising, first, options.max_learning_rate, options.max_momentum, options.min_momentum});
    if (options.three_phases) {
      phases_.push_back({2 * rising, options.max_learning_rate, first, options.min_momentum, options.max_momentum});
      phases_.push_back({end, first, last, options.max_momentum, options.max_momentum});
    } else {
      phases_.push_back({end, options.max_learning_rate, last, options.min_momentum, options.max_momentum});
    }
  }

  /// The last of `total_steps` calls leaves the rate where it is; one more throws ValueError.
  void step() {
    if (steps_ >= options_.total_steps)
      throw ValueError(detail::text("optim::OneCycle: all ", options_.total_steps, " steps are taken"));
    ++steps_;
  }

  double learning_rate() const {
    return value([](const Phase& phase) { return phase.first_rate; },
                 [](const Phase& phase) { return phase.last_rate; });
  }
  double momentum() const {
    return value([](const Phase& phase) { return phase.first_momentum; },
                 [](const Phase& phase) { return phase.last_momentum; });
  }

  /// Sets the momentum as well, if it cycles; then the optimiser must have one.
  template <class T, class Device>
  void apply_to(Optimiser<T, Device>& optimiser) const {
    if (options_.cycle_momentum) optimiser.set_momentum(momentum());
    optimiser.set_learning_rate(learning_rate());
  }

 private:
  struct Phase {
    double end;  ///< the step at which it is over, not always a whole number
    double first_rate;
    double last_rate;
    double first_momentum;
    double last_momentum;
  };

  template <class First, class Last>
  double value(const First& first, const Last& last) const {
    const auto now = static_cast<double>(std::min(steps_, options_.total_steps - 1));
    double begin = 0;
    std::size_t i = 0;
    while (i + 1 < phases_.size() && now > phases_[i].end) begin = phases_[i++].end;
    const Phase& phase = phases_[i];
    const double share = phase.end == begin ? 1 : (now - begin) / (phase.end - begin);
    if (options_.annealing == Annealing::linear) return first(phase) + (last(phase) - first(phase)) * share;
    return last(phase) + (first(phase) - last(phase)) * (1 + std::cos(std::numbers::pi * share)) / 2;
  }

  OneCycleOptions options_;
  std::vector<Phase> phases_;
};

struct ReduceOnPlateauOptions {
  enum class Better { lower, higher };
  Better better = Better::lower;    ///< lower for a loss, higher for an accuracy
  double factor = 0.1;              ///< of the rate at each reduction
  Index patience = 10;              ///< steps without improvement that are borne; the next one reduces the rate
  double threshold = 1e-4;          ///< what counts as improvement: this share of the best value, as in PyTorch
  bool absolute_threshold = false;  ///< a difference, not a share: for measures that may be negative, as a CCC
  Index cooldown = 0;               ///< steps after a reduction during which nothing is counted
  double min_learning_rate = 0;
  double smallest_change = 1e-8;  ///< a reduction by less is not made
};

/// Lowers the rate when a measure has stopped improving.
class ReduceOnPlateau {
 public:
  explicit ReduceOnPlateau(double first_rate, const ReduceOnPlateauOptions& options = {})
      : options_(options), rate_(first_rate), best_(lower_is_better() ? infinity : -infinity) {
    constexpr const char* name = "optim::ReduceOnPlateau";
    detail::require_setting(name, "learning rate", first_rate);
    detail::require_setting(name, "factor", options.factor, 1);
    detail::require_setting(name, "threshold", options.threshold);
    detail::require_setting(name, "lowest learning rate", options.min_learning_rate);
    detail::require_setting(name, "patience", static_cast<double>(options.patience));
    detail::require_setting(name, "cooldown", static_cast<double>(options.cooldown));
  }

  /// `measure` is the value to watch, such as the validation loss. Not-a-number is no improvement.
  void step(double measure) {
    if (improves(measure)) {
      best_ = measure;
      bad_steps_ = 0;
    } else {
      ++bad_steps_;
    }
    if (cooldown_left_ > 0) {
      --cooldown_left_;
      bad_steps_ = 0;
    }
    if (bad_steps_ <= options_.patience) return;
    const double reduced = std::max(rate_ * options_.factor, options_.min_learning_rate);
    if (rate_ - reduced > options_.smallest_change) rate_ = reduced;
    cooldown_left_ = options_.cooldown;
    bad_steps_ = 0;
  }

  double learning_rate() const { return rate_; }
  double best() const { return best_; }

  template <class T, class Device>
  void apply_to(Optimiser<T, Device>& optimiser) const {
    optimiser.set_learning_rate(learning_rate());
  }

  ScheduleState state() const {
    return {{"learning_rate", rate_},
            {"best", best_},
            {"bad_steps", static_cast<double>(bad_steps_)},
            {"cooldown_left", static_cast<double>(cooldown_left_)}};
  }
  void set_state(const ScheduleState& state) {
    const double rate = detail::number_of(state, "learning_rate");
    const double best = detail::number_of(state, "best");
    const Index bad_steps = detail::count_of(state, "bad_steps");
    cooldown_left_ = detail::count_of(state, "cooldown_left");
    bad_steps_ = bad_steps;
    best_ = best;
    rate_ = rate;
  }

 private:
  static constexpr double infinity = std::numeric_limits<double>::infinity();

  bool lower_is_better() const { return options_.better == ReduceOnPlateauOptions::Better::lower; }

  bool improves(double measure) const {
    if (options_.absolute_threshold)
      return lower_is_better() ? measure < best_ - options_.threshold : measure > best_ + options_.threshold;
    return lower_is_better() ? measure < best_ * (1 - options_.threshold) : measure > best_ * (1 + options_.threshold);
  }

  ReduceOnPlateauOptions options_;
  double rate_;
  double best_;
  Index bad_steps_ = 0;
  Index cooldown_left_ = 0;
};

}  // namespace optim
}  // namespace mien
