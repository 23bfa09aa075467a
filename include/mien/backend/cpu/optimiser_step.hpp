#pragma once

/// One step of an optimiser on one parameter. Every pass over memory does all that the formula asks of an element, in
/// blocks that stay in the first cache between the lines of the formula.

#include <algorithm>
#include <cmath>

#include "mien/backend/cpu/eigen.hpp"

namespace mien::backend {

/// Calls `block(first, count)` for all of [0, elements), on all threads.
template <class Block>
void for_each_block(Index elements, const Block& block) {
  constexpr Index block_elements = 1024;
  parallel_for(0, elements, elementwise_grain, [&](Index first, Index last) {
    for (Index i = first; i < last; i += block_elements) block(i, std::min(block_elements, last - i));
  });
}

struct SgdStep {
  double learning_rate;
  double momentum;
  double weight_decay;
  bool nesterov;
};

/// g = gradient + d w;  b = m b + g;  w -= r b, or with Nesterov's momentum w -= r (g + m b).
/// Without momentum `buffer` is undefined and b is g.
template <class T>
void sgd_step(const Tensor<T, Cpu>& gradient, const SgdStep& step, Tensor<T, Cpu>& value, Tensor<T, Cpu>& buffer) {
  const auto rate = static_cast<T>(step.learning_rate);
  const auto momentum = static_cast<T>(step.momentum);
  const auto decay = static_cast<T>(step.weight_decay);
  for_each_block(value.elements(), [&](Index first, Index count) {
    const auto g = array(gradient.data() + first, count);
    auto w = array(value.data() + first, count);
    if (!buffer.defined()) {
      w -= rate * (g + decay * w);
      return;
    }
    auto b = array(buffer.data() + first, count);
    b = momentum * b + (g + decay * w);
    if (step.nesterov) {
      w -= rate * ((g + decay * w) + momentum * b);
    } else {
      w -= rate * b;
    }
  });
}

struct AdamStep {
  double learning_rate;
  double beta1;
  double beta2;
  double epsilon;
  double weight_decay;       ///< added to the gradient
  double decoupled_decay;    ///< shrinks the value itself: w *= 1 - r d, before all else
  double first_correction;   ///< 1 - beta1^t
  double second_correction;  ///< 1 - beta2^t
};

/// g = gradient + d w;  m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;
/// w -= r / (1 - b1^t) m / (sqrt(v) / sqrt(1 - b2^t) + e).
template <class T>
void adam_step(const Tensor<T, Cpu>& gradient, const AdamStep& step, Tensor<T, Cpu>& value,
               Tensor<T, Cpu>& first_moment, Tensor<T, Cpu>& second_moment) {
  const auto keep = static_cast<T>(1 - step.learning_rate * step.decoupled_decay);
  const auto decay = static_cast<T>(step.weight_decay);
  const auto beta1 = static_cast<T>(step.beta1);
  const auto beta2 = static_cast<T>(step.beta2);
  const auto share1 = static_cast<T>(1 - step.beta1);
  const auto share2 = static_cast<T>(1 - step.beta2);
  const auto rate = static_cast<T>(step.learning_rate / step.first_correction);
  const auto root = static_cast<T>(std::sqrt(step.second_correction));
  const auto epsilon = static_cast<T>(step.epsilon);
  for_each_block(value.elements(), [&](Index first, Index count) {
    const auto g = array(gradient.data() + first, count);
    auto w = array(value.data() + first, count);
    auto m = array(first_moment.data() + first, count);
    auto v = array(second_moment.data() + first, count);
    w *= keep;
    m = beta1 * m + share1 * (g + decay * w);
    v = beta2 * v + share2 * (g + decay * w).square();
    w -= rate * m / (v.sqrt() / root + epsilon);
  });
}

struct AdamaxStep {
  double learning_rate;
  double beta1;
  double beta2;
  double epsilon;
  double weight_decay;
  double first_correction;  ///< 1 - beta1^t
};

/// g = gradient + d w;  m = b1 m + (1 - b1) g;  u = max(b2 u, |g| + e);  w -= r / (1 - b1^t) m / u.
template <class T>
void adamax_step(const Tensor<T, Cpu>& gradient, const AdamaxStep& step, Tensor<T, Cpu>& value,
                 Tensor<T, Cpu>& first_moment, Tensor<T, Cpu>& infinity_norm) {
  const auto decay = static_cast<T>(step.weight_decay);
  const auto beta1 = static_cast<T>(step.beta1);
  const auto beta2 = static_cast<T>(step.beta2);
  const auto share1 = static_cast<T>(1 - step.beta1);
  const auto rate = static_cast<T>(step.learning_rate / step.first_correction);
  const auto epsilon = static_cast<T>(step.epsilon);
  for_each_block(value.elements(), [&](Index first, Index count) {
    const auto g = array(gradient.data() + first, count);
    auto w = array(value.data() + first, count);
    auto m = array(first_moment.data() + first, count);
    auto u = array(infinity_norm.data() + first, count);
    m = beta1 * m + share1 * (g + decay * w);
    u = (beta2 * u).max((g + decay * w).abs() + epsilon);
    w -= rate * m / u;
  });
}

/// x *= factor.
template <class T>
void scale_in_place(Tensor<T, Cpu>& x, T factor) {
  for_each_block(x.elements(), [&](Index first, Index count) { array(x.data() + first, count) *= factor; });
}

/// x = min(max(x, -limit), limit).
template <class T>
void clamp_in_place(Tensor<T, Cpu>& x, T limit) {
  for_each_block(x.elements(), [&](Index first, Index count) {
    array(x.data() + first, count) = array(x.data() + first, count).max(-limit).min(limit);
  });
}

}  // namespace mien::backend
