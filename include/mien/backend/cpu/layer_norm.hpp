#pragma once

#include <cmath>

#include "mien/backend/cpu/softmax.hpp"

namespace mien::backend {

/// `mean` and `inverse_deviation` have one entry for each run of channels.
template <class T>
void layer_norm(const Tensor<T, Cpu>& x, const Tensor<T, Cpu>& weight, const Tensor<T, Cpu>& bias, T epsilon,
                Tensor<T, Cpu>& out, Tensor<T, Cpu>& mean, Tensor<T, Cpu>& inverse_deviation) {
  for_each_row(out.elements(), out.size(-1), [&](Index offset, Index count) {
    const auto in = array(x.data() + offset, count);
    const T centre = in.mean();
    const T inverse = T{1} / std::sqrt((in - centre).square().mean() + epsilon);
    mean.data()[offset / count] = centre;
    inverse_deviation.data()[offset / count] = inverse;
    array(out.data() + offset, count) =
        (in - centre) * inverse * array(weight.data(), count) + array(bias.data(), count);
  });
}

template <class T>
void layer_norm_input_gradient(const Tensor<T, Cpu>& x, const Tensor<T, Cpu>& weight, const Tensor<T, Cpu>& mean,
                               const Tensor<T, Cpu>& inverse_deviation, const Tensor<T, Cpu>& upstream,
                               Tensor<T, Cpu>& out) {
  for_each_row(out.elements(), out.size(-1), [&](Index offset, Index count) {
    const T inverse = inverse_deviation.data()[offset / count];
    const auto normalised = (array(x.data() + offset, count) - mean.data()[offset / count]) * inverse;
    const auto up = array(upstream.data() + offset, count) * array(weight.data(), count);
    const T mean_up = up.mean();
    const T mean_product = (up * normalised).mean();
    array(out.data() + offset, count) = (up - mean_up - normalised * mean_product) * inverse;
  });
}

template <class T>
void layer_norm_weight_gradient(const Tensor<T, Cpu>& x, const Tensor<T, Cpu>& mean,
                                const Tensor<T, Cpu>& inverse_deviation, const Tensor<T, Cpu>& upstream,
                                Tensor<T, Cpu>& out) {
  const Index channels = out.elements();
  sum_terms(mean.elements(), channels, out.data(), [&](Index row) {
    const Index offset = row * channels;
    return (array(x.data() + offset, channels) - mean.data()[row]) * inverse_deviation.data()[row] *
           array(upstream.data() + offset, channels);
  });
}

}  // namespace mien::backend
