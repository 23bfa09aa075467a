#pragma once

/// The exponential moving average of a network's weights over the steps of training, which often does better on new
/// data than the last step's weights (Polyak and Juditsky, SIAM Journal on Control and Optimization 30 (1992), for
/// averages at all). After step n, from 0 on,
///
///     a = d a + (1 - d) w,   d = min(decay, (1 + n) / (10 + n))
///
/// The second term lets early steps, whose weights are far from the last, be forgotten sooner; the average begins as
/// the weights of the first step. Buffers, such as running statistics, are averaged in the same way: they say what the
/// averaged weights see better than those of the last batches do.
///
///     optim::MovingAverage average(network, {.decay = 0.999});
///     adam.step();
///     average.update();
///     ...
///     {
///       const decltype(average)::InPlace averaged(average);
///       evaluate(network);
///     }  // the last step's weights are back here
///
/// A `train::Trainer` does all of that by itself: see `set_moving_average`.

#include <algorithm>
#include <cstddef>
#include <functional>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "mien/ops/arithmetic.hpp"
#include "mien/optim/optimiser.hpp"

namespace mien::optim {

struct MovingAverageOptions {
  double decay = 0.999;  ///< in [0, 1): about 1 / (1 - decay) of the last steps count
  bool warm_up = true;   ///< begins with a smaller decay, as above; else with `decay`
};

/// Of one network, which must live as long as this object is used.
template <class T, class Device = Cpu>
class MovingAverage {
 public:
  /// Throws ValueError for a decay that is not in [0, 1).
  template <class Module>
  explicit MovingAverage(Module& module, const MovingAverageOptions& options = {})
      : options_(options), tensors_([&module] { return tensors_of(module); }) {
    mien::detail::require_setting("MovingAverage", "decay", options.decay, 1);
    for (const auto& [name, tensor] : tensors_()) averages_.emplace_back(name, tensor.clone());
  }
  MovingAverage(const MovingAverage&) = delete;
  MovingAverage& operator=(const MovingAverage&) = delete;

  const MovingAverageOptions& options() const { return options_; }
  Index updates() const { return updates_; }

  /// After each step of the optimiser. Throws OutOfMemory, and changes nothing then: all changes are computed before
  /// the first of them is made.
  void update() {
    const auto share = static_cast<T>(1 - next_decay());
    const auto tensors = tensors_();
    std::vector<Tensor<T, Device>> changes;
    for (std::size_t i = 0; i < tensors.size() && updates_ > 0; ++i)
      changes.push_back(ops::scale(ops::subtract(tensors[i].second, averages_[i].second), share));
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      if (updates_ == 0) {
        averages_[i].second.copy_from(tensors[i].second);
      } else {
        ops::add_into(averages_[i].second, changes[i]);
      }
    }
    ++updates_;
  }

  /// Exchanges the averages and the network's own weights and buffers; a second call puts them back. Throws
  /// OutOfMemory, and changes nothing then.
  void swap() {
    auto tensors = tensors_();
    const std::vector<Tensor<T, Device>> own = copies_of(tensors);
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      tensors[i].second.copy_from(averages_[i].second);
      averages_[i].second.copy_from(own[i]);
    }
  }

  /// The network has the averages as long as this lives, and what changes in it meanwhile changes in them. The
  /// constructor throws OutOfMemory, and changes nothing then.
  class InPlace {
   public:
    explicit InPlace(MovingAverage& average)
        : average_(average), tensors_(average.tensors_()), own_(copies_of(tensors_)) {
      for (std::size_t i = 0; i < tensors_.size(); ++i) tensors_[i].second.copy_from(average_.averages_[i].second);
    }
    InPlace(const InPlace&) = delete;
    InPlace& operator=(const InPlace&) = delete;
    /// Needs no memory, so that a network gets its weights back whatever happened.
    ~InPlace() {
      // In two turns, since one tensor may have two names.
      for (std::size_t i = 0; i < tensors_.size(); ++i) average_.averages_[i].second.copy_from(tensors_[i].second);
      for (std::size_t i = 0; i < tensors_.size(); ++i) tensors_[i].second.copy_from(own_[i]);
      try {
        average_.tensors_();  // ends the frozen form of a network that was frozen meanwhile, which has the averages
      } catch (const std::bad_alloc&) {
        // Not even room for a name: the frozen form stays until the next `train` or `evaluate`.
      }
    }

   private:
    MovingAverage& average_;
    std::vector<std::pair<std::string, Tensor<T, Device>>> tensors_;
    std::vector<Tensor<T, Device>> own_;
  };

  /// A copy. Training that goes on from it gives the same bits as training that was never interrupted.
  OptimiserState<T> state() const {
    OptimiserState<T> out;
    out.numbers["updates"] = static_cast<double>(updates_);
    for (const auto& [name, average] : averages_) out.tensors[name] = average.clone().template to<Cpu>();
    return out;
  }

  /// Takes over the state of an average of the same kind of network. Throws ValueError or ShapeError, and changes
  /// nothing, if anything is missing, unexpected, or of another shape.
  void set_state(const OptimiserState<T>& state) { prepare_state(state)(); }

  /// As `set_state` in two parts: everything that can fail, and a function that then takes the state over. It can be
  /// called once, while this object lives.
  std::function<void()> prepare_state(const OptimiserState<T>& state) {
    const auto updates = state.numbers.find("updates");
    if (updates == state.numbers.end() || state.numbers.size() != 1 || state.tensors.size() != averages_.size())
      throw ValueError(mien::detail::text("MovingAverage: the state has ", state.tensors.size(), " tensors and ",
                                          state.numbers.size(), " numbers, expected ", averages_.size(), " and 1"));
    mien::detail::require_setting("MovingAverage", "number of updates", updates->second, 0x1p53);
    std::vector<Tensor<T, Device>> restored;
    for (const auto& [name, average] : averages_) {
      const auto found = state.tensors.find(name);
      if (found == state.tensors.end())
        throw ValueError(mien::detail::text("MovingAverage: the state has no tensor ", name));
      if (found->second.shape() != average.shape())
        throw ShapeError(mien::detail::text("MovingAverage: tensor ", name, " of the state has shape ",
                                            found->second.shape(), ", the network's ", average.shape()));
      restored.push_back(found->second.clone().template to<Device>());
    }
    return [this, count = static_cast<Index>(updates->second), restored = std::move(restored)] {
      updates_ = count;
      for (std::size_t i = 0; i < restored.size(); ++i) averages_[i].second = restored[i];
    };
  }

 private:
  using NamedTensors = std::vector<std::pair<std::string, Tensor<T, Device>>>;

  /// Handles to what the module holds; looking for them ends a frozen form.
  template <class Module>
  static NamedTensors tensors_of(Module& module) {
    NamedTensors out;
    for (auto& parameter : module.named_parameters()) out.emplace_back(parameter.name, parameter.variable.value());
    for (auto& buffer : module.named_buffers()) out.emplace_back(buffer.name, buffer.tensor);
    return out;
  }

  static std::vector<Tensor<T, Device>> copies_of(const NamedTensors& tensors) {
    std::vector<Tensor<T, Device>> out;
    for (const auto& [name, tensor] : tensors) out.push_back(tensor.clone());
    return out;
  }

  double next_decay() const {
    const auto steps = static_cast<double>(updates_);
    return options_.warm_up ? std::min(options_.decay, (1 + steps) / (10 + steps)) : options_.decay;
  }

  MovingAverageOptions options_;
  std::function<NamedTensors()> tensors_;
  NamedTensors averages_;
  Index updates_ = 0;
};

template <class Module>
MovingAverage(Module&) -> MovingAverage<typename Module::Element, typename Module::Device>;
template <class Module>
MovingAverage(Module&, const MovingAverageOptions&) -> MovingAverage<typename Module::Element, typename Module::Device>;

}  // namespace mien::optim
