#pragma once

/// Which learning rate to begin with (Smith, Cyclical Learning Rates for Training Neural Networks, WACV 2017): a few
/// steps of training at rates that rise from step to step by the same factor. Where the loss falls fastest the rate is
/// good, where it rises again it is too high. Everything is as before afterwards.
///
///     const auto curve = train::find_learning_rate(adam, loader, step, {.batches = 100}, network);
///     if (curve.suggestion) adam.set_learning_rate(*curve.suggestion);

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "mien/core/random.hpp"
#include "mien/optim/optimiser.hpp"

namespace mien::train {

struct LearningRateFinderOptions {
  double lowest = 1e-6;
  double highest = 1;
  Index batches = 100;     ///< steps from the lowest to the highest rate; the data are taken again where they end
  double smoothing = 0.9;  ///< of the losses: the share of the past in their moving mean
  double divergence = 4;   ///< ends where the smoothed loss is so many times its least
};

struct LearningRateCurve {
  struct Point {
    double rate = 0;
    double loss = 0;      ///< of the batch, before the step of that rate
    double smoothed = 0;  ///< its moving mean, without the bias of the first steps
  };
  std::vector<Point> points = {};
  bool diverged = false;  ///< ended before the highest rate
  /// Where the smoothed loss fell fastest over the logarithm of the rate; none if it never fell.
  std::optional<double> suggestion = std::nullopt;
};

namespace detail {

/// Undoes all that training does: of parameters, buffers, an optimiser and random numbers.
template <class T, class Device>
class TrainingUndo {
 public:
  template <class... Modules>
  explicit TrainingUndo(optim::Optimiser<T, Device>& optimiser, Modules&... modules)
      : optimiser_(optimiser),
        restore_optimiser_(optimiser.prepare_state(optimiser.state())),
        random_(default_generator().state()) {
    for (const auto& parameter : optimiser.parameters()) keep(parameter.value());
    (keep_all(modules), ...);
  }
  TrainingUndo(const TrainingUndo&) = delete;
  TrainingUndo& operator=(const TrainingUndo&) = delete;

  /// Needs no more memory than names of parts do.
  ~TrainingUndo() {
    for (auto& [tensor, before] : tensors_) tensor.copy_from(before);
    optimiser_.zero_grad();
    restore_optimiser_();
    default_generator().set_state(random_);
    for (const auto& restore : modes_) restore();
  }

 private:
  void keep(const Tensor<T, Device>& tensor) { tensors_.emplace_back(tensor, tensor.clone()); }

  template <class Module>
  void keep_all(Module& module) {
    keep_modes(module);
    for (const auto& parameter : module.parameters()) keep(parameter.value());
    for (const auto& buffer : module.named_buffers()) keep(buffer.tensor);
  }

  /// Of a module first, and then of the modules in it, since `train` reaches those too.
  template <class Module>
  void keep_modes(Module& module) {
    modes_.push_back([&module, training = module.is_training()] { module.train(training); });
    module.visit([this]<class Child>(const auto&, Child& child, nn::ParameterLayout = nn::ParameterLayout::plain) {
      if constexpr (requires { child.is_training(); }) keep_modes(child);
    });
  }

  optim::Optimiser<T, Device>& optimiser_;
  std::function<void()> restore_optimiser_;
  Generator::State random_;
  std::vector<std::pair<Tensor<T, Device>, Tensor<T, Device>>> tensors_;
  std::vector<std::function<void()>> modes_;
};

/// The rate of the steepest descent, up to the least smoothed loss.
inline std::optional<double> steepest_descent(const std::vector<LearningRateCurve::Point>& points) {
  std::optional<double> out;
  double steepest = 0;
  std::size_t least = 0;
  for (std::size_t i = 0; i < points.size(); ++i)
    if (points[i].smoothed < points[least].smoothed) least = i;
  for (std::size_t i = 1; i + 1 < points.size() && i <= least; ++i) {
    const double slope = (points[i + 1].smoothed - points[i - 1].smoothed) /
                         (std::log(points[i + 1].rate) - std::log(points[i - 1].rate));
    if (slope >= steepest) continue;
    steepest = slope;
    out = points[i].rate;
  }
  return out;
}

inline void check_options(const LearningRateFinderOptions& options) {
  if (!(options.lowest > 0 && options.highest > options.lowest && std::isfinite(options.highest)) ||
      options.batches < 3 || !(options.smoothing >= 0 && options.smoothing < 1) || !(options.divergence > 1))
    throw ValueError(mien::detail::text("find_learning_rate: rates ", options.lowest, " to ", options.highest, ", ",
                                        options.batches, " batches, smoothing ", options.smoothing, ", divergence ",
                                        options.divergence,
                                        "; expected 0 < lowest < highest, 3 batches or more, smoothing in [0, 1), "
                                        "divergence above 1"));
}

}  // namespace detail

/// Trains by `step`, as `Trainer::fit` does, on batches of `loader` and puts everything back: parameters, the modules'
/// buffers, the optimiser and its rate, the random numbers; also if it throws. Modules are whatever else `step` changes
/// or needs in training. It ends early where the loss diverges. Throws ValueError for options that make no sense or a
/// loader without batches.
template <class T, class Device, class Loader, class Step, class... Modules>
LearningRateCurve find_learning_rate(optim::Optimiser<T, Device>& optimiser, const Loader& loader, const Step& step,
                                     const LearningRateFinderOptions& options, Modules&... modules) {
  detail::check_options(options);
  if (loader.batches() < 1) throw ValueError("find_learning_rate: no batches");
  const detail::TrainingUndo<T, Device> undo(optimiser, modules...);
  (modules.train(), ...);
  LearningRateCurve out;
  double mean = 0;
  double share = 1;  // of the moving mean's beginning, which is 0
  std::optional<double> least;
  // False where it is to end.
  const auto take = [&](const auto& batch) {
    const auto number = static_cast<Index>(out.points.size());
    const double part = static_cast<double>(number) / static_cast<double>(options.batches - 1);
    const double rate = options.lowest * std::pow(options.highest / options.lowest, part);
    optimiser.set_learning_rate(rate);
    optimiser.zero_grad();
    const auto loss = step(batch).loss;
    const auto value = static_cast<double>(loss.item());
    mean = options.smoothing * mean + (1 - options.smoothing) * value;
    share *= options.smoothing;
    const double smoothed = mean / (1 - share);
    out.diverged = !std::isfinite(value) || (least && smoothed > options.divergence * *least);
    if (std::isfinite(value)) out.points.push_back({rate, value, smoothed});
    if (out.diverged) return false;
    least = least ? std::min(*least, smoothed) : smoothed;
    backward(loss);
    optimiser.step();
    return static_cast<Index>(out.points.size()) < options.batches;
  };
  bool goes_on = true;
  for (Index epoch = 0; goes_on; ++epoch)
    for (const auto& batch : loader.epoch(epoch, 0)) {
      goes_on = take(batch);
      if (!goes_on) break;
    }
  out.suggestion = detail::steepest_descent(out.points);
  return out;
}

}  // namespace mien::train
