#pragma once

/// How parameters start: drawn on the host, so that they are the same on every device.

#include <algorithm>
#include <cmath>

#include "mien/autograd/variable.hpp"
#include "mien/core/random.hpp"

namespace mien::nn {

/// A parameter drawn from U[-bound, bound].
template <class T, class Device = Cpu>
Variable<T, Device> uniform_parameter(const Shape& shape, double bound, Generator& generator = default_generator()) {
  Tensor<T> values(shape);
  generator.fill_uniform(values, -bound, bound);
  return Variable<T, Device>(values.template to<Device>(), true);
}

/// A parameter drawn from N(0, deviation^2).
template <class T, class Device = Cpu>
Variable<T, Device> normal_parameter(const Shape& shape, double deviation, Generator& generator = default_generator()) {
  Tensor<T> values(shape);
  generator.fill_normal(values, 0, deviation);
  return Variable<T, Device>(values.template to<Device>(), true);
}

template <class T, class Device = Cpu>
Variable<T, Device> constant_parameter(const Shape& shape, double value) {
  return Variable<T, Device>(Tensor<T, Device>(shape, static_cast<T>(value)), true);
}

/// Glorot uniform: U[-a, a], a = sqrt(6 / (inputs + outputs)). Glorot and Bengio, AISTATS 2010.
inline double glorot_bound(Index inputs, Index outputs) {
  return std::sqrt(6.0 / static_cast<double>(inputs + outputs));
}

/// Kaiming normal for ReLU, by outputs: N(0, 2 / outputs of one position). He et al., ICCV 2015.
template <class T, class Device = Cpu>
Variable<T, Device> kaiming_parameter(const Shape& shape, Index outputs, Generator& generator = default_generator()) {
  return normal_parameter<T, Device>(shape, std::sqrt(2.0 / static_cast<double>(outputs)), generator);
}

/// PyTorch's bound for linear and convolution layers: U[-1 / sqrt(inputs), 1 / sqrt(inputs)].
inline double fan_in_bound(Index inputs) { return 1 / std::sqrt(static_cast<double>(std::max<Index>(1, inputs))); }

}  // namespace mien::nn
