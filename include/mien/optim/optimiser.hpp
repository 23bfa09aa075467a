#pragma once

/// What all optimisers share: parameters in groups, learning rates, and a state that a checkpoint can hold.
///
///     optim::Adam adam({face.parameters(), reader.parameters()}, {.learning_rate = 1e-3});
///     adam.add_group(body.parameters(), {.learning_rate = 1e-4});
///     adam.zero_grad();
///     backward(loss);
///     adam.step();
///
/// Parentheses and braces mean the same: `optim::Adam adam{face.parameters(), {.learning_rate = 1e-3}};`.
///
/// The formulas, and the meaning of every setting, are PyTorch's, so that settings carry over. Results do not depend on
/// the number of threads.
///
/// On the GPU a step may be part of a `cuda::Graph`: each of its runs counts, and takes the rates of its time. The
/// graph keeps what the step works on, so that the optimiser may be moved, and may end before it.

#include <cmath>
#include <functional>
#include <initializer_list>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "mien/backend/cpu/optimiser_step.hpp"
#if defined(MIEN_WITH_CUDA)
#include "mien/backend/cuda/optimiser_step.hpp"
#endif
#include "mien/nn/module.hpp"

namespace mien {
namespace detail {

/// Throws ValueError unless the value is finite and lies in [0, limit), or in [0, infinity) without a limit.
inline void require_setting(const char* owner, const char* setting, double value,
                            double limit = std::numeric_limits<double>::infinity()) {
  if (!(value >= 0 && value < limit))
    throw ValueError(text(owner, ": ", setting, " ", value, " is not in [0, ", limit, ")"));
}

}  // namespace detail

namespace optim {

/// Where a group of parameters differs from the optimiser's own settings.
struct GroupOptions {
  std::optional<double> learning_rate = std::nullopt;
  std::optional<double> weight_decay = std::nullopt;
};

/// All that an optimiser knows beyond its construction, on the host. Parameters go by their number, as in
/// "12.first_moment".
template <class T>
struct OptimiserState {
  std::map<std::string, Tensor<T>> tensors;
  std::map<std::string, double> numbers;
};

template <class T, class Device = Cpu>
class Optimiser {
 public:
  virtual ~Optimiser() = default;
  Optimiser(const Optimiser&) = delete;
  Optimiser& operator=(const Optimiser&) = delete;

  /// More parameters, with settings of their own where given. Variables that want no gradient are left out. Throws
  /// ValueError for a parameter that the optimiser has already, or if there is nothing to train.
  void add_group(const nn::ParameterList<T, Device>& parameters, const GroupOptions& options = {}) {
    Group group{options.learning_rate, options.weight_decay.value_or(shared_->settings.weight_decay), {}};
    detail::require_setting(name_, "learning rate", options.learning_rate.value_or(0));
    detail::require_setting(name_, "weight decay", group.weight_decay);
    if (options.learning_rate && !(shared_->first_learning_rate > 0))
      throw ValueError(
          detail::text(name_, ": a group's own learning rate needs one of the optimiser to move along with"));
    std::unordered_set<const void*> known;
    for_each([&](const Group&, const Entry& entry) { known.insert(entry.parameter.node().get()); });
    for (const auto& parameter : parameters) {
      if (!parameter.requires_gradient()) continue;
      if (!known.insert(parameter.node().get()).second)
        throw ValueError(detail::text(name_, ": parameter ", parameter.shape(), " was given twice"));
      if (!parameter.value().is_contiguous())
        throw ShapeError(detail::text(name_, ": parameter ", parameter.shape(), " has gaps in memory"));
      group.entries.push_back({parameter, {}, 0});
    }
    if (group.entries.empty()) throw ValueError(detail::text(name_, ": no parameter that wants a gradient"));
    shared_->groups.push_back(std::move(group));
  }

  /// The parameters of several networks as one group.
  void add_group(std::span<const nn::ParameterList<T, Device>> lists, const GroupOptions& options = {}) {
    nn::ParameterList<T, Device> all;
    for (const auto& list : lists) all.insert(all.end(), list.begin(), list.end());
    add_group(all, options);
  }
  void add_group(std::initializer_list<nn::ParameterList<T, Device>> lists, const GroupOptions& options = {}) {
    add_group(std::span<const nn::ParameterList<T, Device>>(lists.begin(), lists.size()), options);
  }

  /// Forgets all gradients. Call it before each `backward`, whose gradients add to what is there.
  void zero_grad() {
    for_each([](const Group&, Entry& entry) { entry.parameter.zero_gradient(); });
  }

  /// Changes every parameter that has a gradient; the others stay as they are, and so does what is known of them. If it
  /// throws OutOfMemory or std::bad_alloc, the step has not been made.
  void step() {
    std::vector<backend::OptimisedParameter<T, Device>> updated;
    std::vector<EntryNumber> numbers;
    for (std::size_t group = 0; group < shared_->groups.size(); ++group) {
      auto& entries = shared_->groups[group].entries;
      for (std::size_t i = 0; i < entries.size(); ++i) {
        Entry& entry = entries[i];
        const Tensor<T, Device>& gradient = entry.parameter.gradient();
        if (!gradient.defined() || !entry.parameter.requires_gradient()) continue;
        if (gradient.shape() != entry.parameter.shape())
          throw ShapeError(
              detail::text(name_, ": gradient ", gradient.shape(), " of parameter ", entry.parameter.shape()));
        while (entry.slots.size() < slots_.size())
          entry.slots.push_back(Tensor<T, Device>::zeros(entry.parameter.shape()));
        const auto slot = [&](std::size_t s) { return s < entry.slots.size() ? entry.slots[s] : Tensor<T, Device>(); };
        updated.push_back({gradient.contiguous(), entry.parameter.value(), slot(0), slot(1)});
        numbers.push_back({group, i, entry.steps});
      }
    }
    if (updated.empty()) return;
    try {
      update(updated, [shared = shared_, numbers] { return shared->count(numbers); });
    } catch (...) {
      // Steps are counted before anything is changed, and what fails in between has made none.
      shared_->count_back(numbers);
      throw;
    }
  }

  double learning_rate() const { return shared_->settings.learning_rate; }

  /// The rate of one group; 0 is the group that the optimiser was made with.
  double learning_rate(Index group) const {
    if (group < 0 || group >= groups()) throw IndexError(detail::text(name_, ": group ", group, " of ", groups()));
    return shared_->learning_rate_of(shared_->groups[static_cast<std::size_t>(group)]);
  }

  /// For all groups. Those with a rate of their own keep its ratio to the rate that the optimiser was made with.
  void set_learning_rate(double rate) {
    detail::require_setting(name_, "learning rate", rate);
    shared_->settings.learning_rate = rate;
  }

  /// The share of the past in the direction of a step: SGD's momentum, the others' beta1.
  double momentum() const { return shared_->settings.momentum; }
  void set_momentum(double momentum) {
    detail::require_setting(name_, "momentum", momentum, 1);
    if (!has_momentum_) throw ValueError(detail::text(name_, ": made without momentum, which cannot be added later"));
    shared_->settings.momentum = momentum;
  }

  Index groups() const { return static_cast<Index>(shared_->groups.size()); }

  /// All parameters, in the order they were given.
  nn::ParameterList<T, Device> parameters() const {
    nn::ParameterList<T, Device> out;
    for_each([&](const Group&, const Entry& entry) { out.push_back(entry.parameter); });
    return out;
  }

  /// A copy. Training that goes on from it gives the same bits as training that was never interrupted.
  OptimiserState<T> state() const {
    OptimiserState<T> out;
    out.numbers["learning_rate"] = shared_->settings.learning_rate;
    out.numbers["momentum"] = shared_->settings.momentum;
    Index number = 0;
    for_each([&](const Group&, const Entry& entry) {
      out.numbers[key(number, "steps")] = static_cast<double>(entry.steps);
      for (std::size_t slot = 0; entry.steps > 0 && slot < entry.slots.size(); ++slot)
        out.tensors[key(number, slots_[slot])] = entry.slots[slot].clone().template to<Cpu>();
      ++number;
    });
    return out;
  }

  /// Takes over the state of an optimiser of the same kind with parameters of the same shapes; graphs that hold a step
  /// go on from there. Throws ValueError or ShapeError, and changes nothing, if anything is missing, unexpected, or of
  /// another shape.
  void set_state(const OptimiserState<T>& state) { prepare_state(state)(); }

  /// As `set_state` in two parts: everything that can fail, and a function that then takes the state over. It can be
  /// called once, while this object stays where it is.
  std::function<void()> prepare_state(const OptimiserState<T>& state) {
    const double rate = number_of(state, "learning_rate");
    const double momentum = number_of(state, "momentum");
    detail::require_setting(name_, "learning rate", rate);
    detail::require_setting(name_, "momentum", momentum, 1);
    if (!has_momentum_ && momentum > 0)
      throw ValueError(detail::text(name_, ": the state has momentum ", momentum, ", the optimiser was made without"));
    std::vector<std::pair<Index, std::vector<Tensor<T, Device>>>> restored;
    std::size_t tensors = 0;
    for_each([&](const Group&, const Entry& entry) {
      const auto number = static_cast<Index>(restored.size());
      const double steps = number_of(state, key(number, "steps"));
      detail::require_setting(name_, "number of steps", steps, 0x1p53);
      restored.emplace_back(static_cast<Index>(steps), std::vector<Tensor<T, Device>>());
      if (steps < 1) return;
      for (const char* slot : slots_) restored.back().second.push_back(tensor_of(state, key(number, slot), entry));
      tensors += slots_.size();
    });
    if (state.tensors.size() != tensors || state.numbers.size() != restored.size() + 2)
      throw ValueError(detail::text(name_, ": the state is of ", state.numbers.size() - 2, " parameters with ",
                                    state.tensors.size(), " tensors, expected ", restored.size(), " with ", tensors));
    return [this, rate, momentum, restored = std::move(restored)]() mutable {
      shared_->settings.learning_rate = rate;
      shared_->settings.momentum = momentum;
      std::size_t next = 0;
      for_each([&](const Group&, Entry& entry) {
        auto& [steps, slots] = restored[next++];
        entry.steps = steps;
        overwrite(entry.slots, std::move(slots));
      });
    };
  }

 protected:
  /// What may differ from step to step and from group to group.
  struct Settings {
    double learning_rate;
    double weight_decay;
    double momentum;
  };

  /// The step that a parameter makes, the first of which is 1.
  struct ParameterStep {
    Settings settings;
    Index number;
  };

  /// `slots` names the tensors that are kept for each parameter, which start at zero.
  Optimiser(const char* name, const Settings& settings, std::vector<const char*> slots, bool has_momentum = true)
      : name_(name),
        shared_(std::make_shared<Shared>(Shared{settings, settings.learning_rate, {}})),
        slots_(std::move(slots)),
        has_momentum_(has_momentum) {
    detail::require_setting(name, "learning rate", settings.learning_rate);
    detail::require_setting(name, "weight decay", settings.weight_decay);
    detail::require_setting(name, "momentum", settings.momentum, 1);
  }
  Optimiser(Optimiser&&) noexcept = default;
  Optimiser& operator=(Optimiser&&) noexcept = default;

  /// Makes a step of all parameters, the one that `steps` says of each.
  virtual void update(std::span<backend::OptimisedParameter<T, Device>> parameters,
                      const backend::StepOfEach<ParameterStep>& steps) const = 0;

  /// rule(step) for each.
  template <class Step, class Rule>
  static backend::StepOfEach<Step> steps_by(const backend::StepOfEach<ParameterStep>& steps, const Rule& rule) {
    return [steps, rule] {
      std::vector<Step> out;
      for (const ParameterStep& step : steps()) out.push_back(rule(step));
      return out;
    };
  }

 private:
  struct Entry {
    Variable<T, Device> parameter;
    std::vector<Tensor<T, Device>> slots;
    Index steps;
  };
  struct Group {
    std::optional<double> learning_rate;
    double weight_decay;
    std::vector<Entry> entries;
  };

  struct EntryNumber {
    std::size_t group, entry;
    Index steps;  ///< until now
  };

  /// All that a step reads and counts beside the settings that never change.
  struct Shared {
    Settings settings;
    double first_learning_rate;
    std::vector<Group> groups;

    double learning_rate_of(const Group& group) const {
      if (!group.learning_rate) return settings.learning_rate;
      return *group.learning_rate * (settings.learning_rate / first_learning_rate);
    }

    /// One step more of these entries.
    std::vector<ParameterStep> count(const std::vector<EntryNumber>& numbers) {
      std::vector<ParameterStep> out;
      for (const auto& number : numbers) {
        Group& group = groups[number.group];
        out.push_back(
            {{learning_rate_of(group), group.weight_decay, settings.momentum}, ++group.entries[number.entry].steps});
      }
      return out;
    }

    void count_back(const std::vector<EntryNumber>& numbers) {
      for (const auto& number : numbers) groups[number.group].entries[number.entry].steps = number.steps;
    }
  };

  /// In place, since a graph may have their addresses; without new ones they are zero.
  static void overwrite(std::vector<Tensor<T, Device>>& slots, std::vector<Tensor<T, Device>> by) {
    if (slots.empty()) {
      slots = std::move(by);
    } else if (by.empty()) {
      for (auto& slot : slots) slot.fill(T{0});
    } else {
      for (std::size_t i = 0; i < slots.size(); ++i) slots[i].copy_from(by[i]);
    }
  }

  template <class Call>
  void for_each(const Call& call) {
    for (Group& group : shared_->groups)
      for (Entry& entry : group.entries) call(group, entry);
  }
  template <class Call>
  void for_each(const Call& call) const {
    for (const Group& group : std::as_const(shared_->groups))
      for (const Entry& entry : group.entries) call(group, entry);
  }

  static std::string key(Index number, const char* what) { return detail::text(number, ".", what); }

  double number_of(const OptimiserState<T>& state, const std::string& key) const {
    const auto found = state.numbers.find(key);
    if (found == state.numbers.end()) throw ValueError(detail::text(name_, ": the state has no number ", key));
    return found->second;
  }

  Tensor<T, Device> tensor_of(const OptimiserState<T>& state, const std::string& key, const Entry& entry) const {
    const auto found = state.tensors.find(key);
    if (found == state.tensors.end()) throw ValueError(detail::text(name_, ": the state has no tensor ", key));
    if (found->second.shape() != entry.parameter.shape())
      throw ShapeError(detail::text(name_, ": tensor ", key, " of the state has shape ", found->second.shape(),
                                    ", its parameter ", entry.parameter.shape()));
    return found->second.clone().template to<Device>();
  }

  const char* name_;
  std::shared_ptr<Shared> shared_;
  std::vector<const char*> slots_;
  bool has_momentum_;
};

}  // namespace optim
}  // namespace mien
