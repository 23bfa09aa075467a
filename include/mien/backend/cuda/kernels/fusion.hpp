#pragma once

/// What kernels/fusion.cu offers to host code: weights of the two views of super images, and probabilities of several
/// modalities put together. T is float, __nv_bfloat16 or __half. Pointers are the device's. Throws Error if a kernel
/// cannot be started.

#include <cuda_runtime.h>

#include <cstdint>

namespace mien::kernels {

/// alpha [batch, 2, channels] = exp(z_v) / sum over both views, of logits z of that shape, those of the height first.
/// One pair of weights for all channels is one channel here.
template <class T>
void softmax_over_views(const T* logits, std::int64_t batch, std::int64_t channels, float* alpha, cudaStream_t stream);

/// The gradient [batch, 2, granules] for the logits from those for the weights of height and width, [batch, channels]
/// each. Granules, those of alpha, are as many as channels, or 1: then channels are summed.
template <class T>
void softmax_over_views_gradient(const float* alpha, const float* height, const float* width, std::int64_t batch,
                                 std::int64_t granules, std::int64_t channels, T* gradient, cudaStream_t stream);

/// How class probabilities of modalities become one score a class; see models/fusion.hpp.
enum class DecisionRule { maximum, average, product, weighted, top_k };

/// What one modality says of all samples.
template <class T>
struct ModalityProbabilities {
  const T* probabilities;       ///< [samples, classes]
  const std::uint8_t* present;  ///< [samples], or null: in all of them
  double weight;                ///< for `weighted`
};

/// Modalities that are missing altogether are not listed.
template <class T>
struct DecisionFusion {
  static constexpr int most_modalities = 8;

  std::int64_t samples, classes;
  DecisionRule rule;
  std::int64_t k;  ///< for `top_k`
  int modalities;
  ModalityProbabilities<T> of[most_modalities];
};

/// scores [samples, classes], each row adding up to 1, of the modalities that are present in its sample; not-a-number
/// in a row where none is, or where one says anything negative, infinite or not-a-number. Throws Error for more than
/// `most_modalities`.
template <class T>
void fuse_decisions(const DecisionFusion<T>& fusion, T* scores, cudaStream_t stream);

}  // namespace mien::kernels
