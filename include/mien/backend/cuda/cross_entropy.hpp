#pragma once

#include "mien/backend/cpu/cross_entropy.hpp"
#include "mien/backend/cuda/kernels/cross_entropy.hpp"
#include "mien/backend/cuda/number.hpp"

namespace mien::backend {

template <cuda::Number T>
kernels::CrossEntropyRows cross_entropy_rows(const Tensor<T, Cuda>& log_probabilities,
                                             const Tensor<std::int64_t, Cuda>& labels,
                                             const CrossEntropyTerms<T, Cuda>& terms) {
  return {.rows = log_probabilities.elements() / log_probabilities.size(-1),
          .classes = log_probabilities.size(-1),
          .labels = labels.data(),
          .class_weights = terms.class_weights.data(),
          .label_smoothing = static_cast<float>(terms.label_smoothing),
          .has_ignored = terms.ignore_index.has_value(),
          .ignored = terms.ignore_index.value_or(0)};
}

/// [2]: what the rows' losses and the labels' weights add up to.
template <cuda::Number T>
Tensor<float, Cuda> cross_entropy_totals(const Tensor<T, Cuda>& log_probabilities,
                                         const kernels::CrossEntropyRows& rows, Tensor<T, Cuda>& loss) {
  auto workspace = cuda::workspace(kernels::cross_entropy_workspace(rows.rows));
  Tensor<float, Cuda> totals({2});
  kernels::cross_entropy(log_probabilities.data(), rows, workspace.data(), totals.data(), loss.data(),
                         cuda::current_stream().get());
  return totals;
}

/// Targets may be undefined, then labels stand for them; and the other way round.
template <cuda::Number T>
Tensor<float, Cuda> soft_cross_entropy_totals(const Tensor<T, Cuda>& log_probabilities, const Tensor<T, Cuda>& targets,
                                              const kernels::CrossEntropyRows& rows, double focal_gamma,
                                              Tensor<T, Cuda>& loss) {
  auto workspace = cuda::workspace(kernels::cross_entropy_workspace(rows.rows));
  Tensor<float, Cuda> totals({2});
  kernels::soft_cross_entropy(log_probabilities.data(), targets.data(), rows, static_cast<float>(focal_gamma),
                              workspace.data(), totals.data(), loss.data(), cuda::current_stream().get());
  return totals;
}

template <cuda::Number T>
void soft_cross_entropy(const Tensor<T, Cuda>& log_probabilities, const Tensor<T, Cuda>& targets,
                        const Tensor<std::int64_t, Cuda>& labels, const CrossEntropyTerms<T, Cuda>& terms,
                        Tensor<T, Cuda>& loss) {
  soft_cross_entropy_totals(log_probabilities, targets, cross_entropy_rows(log_probabilities, labels, terms),
                            terms.focal_gamma, loss);
}

template <cuda::Number T>
void soft_cross_entropy_gradient(const Tensor<T, Cuda>& log_probabilities, const Tensor<T, Cuda>& targets,
                                 const Tensor<std::int64_t, Cuda>& labels, const CrossEntropyTerms<T, Cuda>& terms,
                                 const Tensor<T, Cuda>& upstream, Tensor<T, Cuda>& out) {
  const auto rows = cross_entropy_rows(log_probabilities, labels, terms);
  Tensor<T, Cuda> loss({1});
  const auto totals = soft_cross_entropy_totals(log_probabilities, targets, rows, terms.focal_gamma, loss);
  kernels::soft_cross_entropy_gradient(log_probabilities.data(), targets.data(), rows,
                                       static_cast<float>(terms.focal_gamma), totals.data(), upstream.data(),
                                       out.data(), cuda::current_stream().get());
}

template <cuda::Number T>
void cross_entropy(const Tensor<T, Cuda>& log_probabilities, const Tensor<std::int64_t, Cuda>& labels,
                   const CrossEntropyTerms<T, Cuda>& terms, Tensor<T, Cuda>& loss) {
  cross_entropy_totals(log_probabilities, cross_entropy_rows(log_probabilities, labels, terms), loss);
}

template <cuda::Number T>
void cross_entropy_gradient(const Tensor<T, Cuda>& log_probabilities, const Tensor<std::int64_t, Cuda>& labels,
                            const CrossEntropyTerms<T, Cuda>& terms, const Tensor<T, Cuda>& upstream,
                            Tensor<T, Cuda>& out) {
  const auto rows = cross_entropy_rows(log_probabilities, labels, terms);
  Tensor<T, Cuda> loss({1});
  const auto totals = cross_entropy_totals(log_probabilities, rows, loss);
  kernels::cross_entropy_gradient(log_probabilities.data(), rows, totals.data(), upstream.data(), out.data(),
                                  cuda::current_stream().get());
}

}  // namespace mien::backend
