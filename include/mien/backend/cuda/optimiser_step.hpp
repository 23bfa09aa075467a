#pragma once

#include <cmath>
#include <span>
#include <vector>

#include "mien/backend/cuda/kernels/optimiser_step.hpp"
#include "mien/backend/cuda/number.hpp"
#include "mien/backend/optimised_parameter.hpp"
#include "mien/backend/optimiser_steps.hpp"

namespace mien::backend {

/// The table of all parameters, as one launch wants it.
class ParameterTable {
 public:
  explicit ParameterTable(std::span<OptimisedParameter<float, Cuda>> parameters) {
    std::vector<kernels::OptimisedParameter> entries;
    for (auto& on : parameters)
      entries.push_back({on.gradient.data(), on.value.data(), on.first.data(), on.second.data(), on.value.elements()});
    const std::vector<std::int64_t> first_blocks = kernels::optimiser_blocks(entries);
    const auto count = static_cast<Index>(entries.size());
    entries_ = Tensor<kernels::OptimisedParameter, Cuda>::from({count}, entries);
    first_blocks_ = Tensor<std::int64_t, Cuda>::from({count + 1}, first_blocks);
    table_ = {entries_.data(), first_blocks_.data(), count, first_blocks.back()};
  }
  const kernels::OptimisedParameters& get() const { return table_; }

 private:
  Tensor<kernels::OptimisedParameter, Cuda> entries_;
  Tensor<std::int64_t, Cuda> first_blocks_;
  kernels::OptimisedParameters table_;
};

/// On the device, what rule(step) says of each parameter's step: before each run anew in a graph.
template <class Factors, class Step, class Rule>
Tensor<Factors, Cuda> factors_of_each(Index count, const StepOfEach<Step>& steps, const Rule& rule) {
  const auto write = [steps, rule](Tensor<Factors, Cuda>& out) {
    std::vector<Factors> factors;
    for (const Step& step : steps()) factors.push_back(rule(step));
    DeviceMemory<Cuda>::copy_from_host(factors.data(), out.data(), out.elements());
  };
  const auto stream = cuda::current_stream().state();
  if (!stream->is_recording()) {
    Tensor<Factors, Cuda> out({count});
    write(out);
    return out;
  }
  auto out = cuda::tensor_for_runs<Factors>({count});
  stream->before_each_run([out, write]() mutable { write(out); });
  return out;
}

inline void sgd_step(std::span<OptimisedParameter<float, Cuda>> parameters, const StepOfEach<SgdStep>& steps) {
  const ParameterTable table(parameters);
  const auto factors =
      factors_of_each<kernels::SgdFactors>(table.get().count, steps, [](const SgdStep& step) -> kernels::SgdFactors {
        return {.rate = static_cast<float>(step.learning_rate),
                .momentum = static_cast<float>(step.momentum),
                .decay = static_cast<float>(step.weight_decay),
                .nesterov = step.nesterov};
      });
  kernels::sgd_step(table.get(), factors.data(), cuda::current_stream().get());
}

inline void adam_step(std::span<OptimisedParameter<float, Cuda>> parameters, const StepOfEach<AdamStep>& steps) {
  const ParameterTable table(parameters);
  const auto factors =
      factors_of_each<kernels::AdamFactors>(table.get().count, steps, [](const AdamStep& step) -> kernels::AdamFactors {
        return {.keep = static_cast<float>(1 - step.learning_rate * step.decoupled_decay),
                .decay = static_cast<float>(step.weight_decay),
                .beta1 = static_cast<float>(step.beta1),
                .beta2 = static_cast<float>(step.beta2),
                .share1 = static_cast<float>(1 - step.beta1),
                .share2 = static_cast<float>(1 - step.beta2),
                .rate = static_cast<float>(step.learning_rate / step.first_correction),
                .root = static_cast<float>(1 / std::sqrt(step.second_correction)),
                .epsilon = static_cast<float>(step.epsilon)};
      });
  kernels::adam_step(table.get(), factors.data(), cuda::current_stream().get());
}

inline void adamax_step(std::span<OptimisedParameter<float, Cuda>> parameters, const StepOfEach<AdamaxStep>& steps) {
  const ParameterTable table(parameters);
  const auto factors = factors_of_each<kernels::AdamaxFactors>(
      table.get().count, steps, [](const AdamaxStep& step) -> kernels::AdamaxFactors {
        return {.decay = static_cast<float>(step.weight_decay),
                .beta1 = static_cast<float>(step.beta1),
                .beta2 = static_cast<float>(step.beta2),
                .share1 = static_cast<float>(1 - step.beta1),
                .rate = static_cast<float>(step.learning_rate / step.first_correction),
                .epsilon = static_cast<float>(step.epsilon)};
      });
  kernels::adamax_step(table.get(), factors.data(), cuda::current_stream().get());
}

}  // namespace mien::backend
