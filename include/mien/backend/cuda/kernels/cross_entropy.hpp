#pragma once

/// What kernels/cross_entropy.cu offers to host code; see ops/cross_entropy.hpp for the formula. T is float,
/// __nv_bfloat16 or __half. Pointers are the device's. Throws Error if a kernel cannot be started.

#include <cuda_runtime.h>

#include <cstdint>

namespace mien::kernels {

/// The labels of log-probabilities [rows, classes], and how they count.
struct CrossEntropyRows {
  std::int64_t rows, classes;
  const std::int64_t* labels;
  const float* class_weights;  ///< [classes], or null: all weigh 1
  float label_smoothing;
  bool has_ignored;
  std::int64_t ignored;  ///< a label whose rows do not count
};

/// Floats that `cross_entropy` needs for itself.
std::int64_t cross_entropy_workspace(std::int64_t rows);

/// totals = the sums over rows of the losses and of the labels' weights, loss = the one divided by the other, or 0
/// where the weight is 0. A label that is neither a class nor ignored makes the loss not-a-number.
template <class T>
void cross_entropy(const T* log_probabilities, const CrossEntropyRows& rows, float* workspace, float* totals, T* loss,
                   cudaStream_t stream);

/// The gradient for the logits, [rows, classes], given the totals; not-a-number in rows with such a label. It may be
/// written over the log-probabilities.
template <class T>
void cross_entropy_gradient(const T* log_probabilities, const CrossEntropyRows& rows, const float* totals,
                            const T* upstream, T* gradient, cudaStream_t stream);

/// The same of targets [rows, classes], a number for each class, and with the focal factor (1 - p)^gamma. Without
/// targets (null) those of the labels stand for them. Labels and what says which of them do not count are read then
/// alone; a row whose targets are all 0 does not count. The workspace is that of `cross_entropy`.
template <class T>
void soft_cross_entropy(const T* log_probabilities, const T* targets, const CrossEntropyRows& rows, float focal_gamma,
                        float* workspace, float* totals, T* loss, cudaStream_t stream);

/// Its gradient for the logits, given the totals; it may not be written over what it reads.
template <class T>
void soft_cross_entropy_gradient(const T* log_probabilities, const T* targets, const CrossEntropyRows& rows,
                                 float focal_gamma, const float* totals, const T* upstream, T* gradient,
                                 cudaStream_t stream);

/// first_wrong = the first row whose label is neither a class nor ignored, or -1.
void count_wrong_labels(const std::int64_t* labels, std::int64_t rows, std::int64_t classes, bool has_ignored,
                        std::int64_t ignored, std::int64_t* first_wrong, cudaStream_t stream);

}  // namespace mien::kernels
