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
    cuda::require_not_recording("an optimiser's step");
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

inline void sgd_step(std::span<OptimisedParameter<float, Cuda>> parameters, const SgdStep& step) {
  const ParameterTable table(parameters);
  kernels::sgd_step(table.get(),
                    {.rate = static_cast<float>(step.learning_rate),
                     .momentum = static_cast<float>(step.momentum),
                     .decay = static_cast<float>(step.weight_decay),
                     .nesterov = step.nesterov},
                    cuda::current_stream().get());
}

inline void adam_step(std::span<OptimisedParameter<float, Cuda>> parameters, const AdamStep& step) {
  const ParameterTable table(parameters);
  kernels::adam_step(table.get(),
                     {.keep = static_cast<float>(1 - step.learning_rate * step.decoupled_decay),
                      .decay = static_cast<float>(step.weight_decay),
                      .beta1 = static_cast<float>(step.beta1),
                      .beta2 = static_cast<float>(step.beta2),
                      .share1 = static_cast<float>(1 - step.beta1),
                      .share2 = static_cast<float>(1 - step.beta2),
                      .rate = static_cast<float>(step.learning_rate / step.first_correction),
                      .root = static_cast<float>(1 / std::sqrt(step.second_correction)),
                      .epsilon = static_cast<float>(step.epsilon)},
                     cuda::current_stream().get());
}

inline void adamax_step(std::span<OptimisedParameter<float, Cuda>> parameters, const AdamaxStep& step) {
  const ParameterTable table(parameters);
  kernels::adamax_step(table.get(),
                       {.decay = static_cast<float>(step.weight_decay),
                        .beta1 = static_cast<float>(step.beta1),
                        .beta2 = static_cast<float>(step.beta2),
                        .share1 = static_cast<float>(1 - step.beta1),
                        .rate = static_cast<float>(step.learning_rate / step.first_correction),
                        .epsilon = static_cast<float>(step.epsilon)},
                       cuda::current_stream().get());
}

}  // namespace mien::backend
