#pragma once

#include "mien/backend/cpu/batch_norm.hpp"
#include "mien/backend/cuda/arithmetic.hpp"
#include "mien/backend/cuda/kernels/batch_norm.hpp"

namespace mien::backend {

template <cuda::MapNumber T>
void channel_moments(const Tensor<T, Cuda>& x, Tensor<Accumulated<T>, Cuda>& mean,
                     Tensor<Accumulated<T>, Cuda>& variance) {
  const Index channels = mean.elements();
  const Index rows = rows_of_channels(x.elements(), channels);
  auto workspace = cuda::workspace(kernels::batch_norm_workspace(rows, channels));
  kernels::channel_moments(cuda::data(x), rows, channels, workspace.data(), mean.data(), variance.data(),
                           cuda::current_stream().get());
}

template <cuda::Number T>
void batch_norm_factors(const Tensor<T, Cuda>& mean, const Tensor<T, Cuda>& variance, const Tensor<T, Cuda>& weight,
                        const Tensor<T, Cuda>& bias, T epsilon, Tensor<T, Cuda>& factors, Tensor<T, Cuda>& shifts) {
  kernels::batch_norm_factors(mean.data(), variance.data(), weight.data(), bias.data(), epsilon, mean.elements(),
                              factors.data(), shifts.data(), cuda::current_stream().get());
}

template <cuda::MapNumber T>
void normalise(const Tensor<T, Cuda>& x, const Tensor<Accumulated<T>, Cuda>& factors,
               const Tensor<Accumulated<T>, Cuda>& shifts, const Tensor<T, Cuda>& residual, bool relu,
               Tensor<T, Cuda>& y) {
  const Index channels = factors.elements();
  kernels::normalise(cuda::data(x), rows_of_channels(x.elements(), channels), channels, factors.data(), shifts.data(),
                     cuda::data(residual), relu, cuda::data(y), cuda::current_stream().get());
}

template <cuda::Number T>
void update_running_moments(const Tensor<T, Cuda>& mean, const Tensor<T, Cuda>& variance, Index rows, T momentum,
                            Tensor<T, Cuda>& running_mean, Tensor<T, Cuda>& running_variance) {
  kernels::update_running_moments(mean.data(), variance.data(), rows, momentum, mean.elements(), running_mean.data(),
                                  running_variance.data(), cuda::current_stream().get());
}

template <cuda::MapNumber T>
void batch_norm_gradients(const BatchNormGradientInputs<T, Cuda>& in, bool batch_statistics,
                          const BatchNormGradientTargets<T, Cuda>& out) {
  const Index channels = in.mean.elements();
  kernels::BatchNormGradientMap<cuda::KernelNumber<T>> map{.rows = rows_of_channels(in.x.elements(), channels),
                                                           .columns = channels,
                                                           .x = cuda::data(in.x),
                                                           .upstream = cuda::data(in.upstream),
                                                           .y = cuda::data(in.y),
                                                           .mean = in.mean.data(),
                                                           .variance = in.variance.data(),
                                                           .epsilon = in.epsilon,
                                                           .factors = in.factors.data(),
                                                           .shifts = in.shifts.data(),
                                                           .mask = static_cast<kernels::ReluMask>(in.mask)};
  auto workspace = cuda::workspace(kernels::batch_norm_workspace(map.rows, channels));
  Tensor<float, Cuda> input_factors({channels});
  Tensor<float, Cuda> input_shifts({channels});
  const cudaStream_t stream = cuda::current_stream().get();
  kernels::batch_norm_gradient_sums<cuda::KernelNumber<T>>(
      map, workspace.data(), cuda::data(out.masked),
      {out.bias.data(), out.weight.data(), input_factors.data(), input_shifts.data()}, stream);
  if (in.mask == BatchNormMask::output) map.upstream = cuda::data(out.masked);
  kernels::batch_norm_input_gradient(map, batch_statistics ? input_factors.data() : nullptr,
                                     batch_statistics ? input_shifts.data() : nullptr, cuda::data(out.x), stream);
}

}  // namespace mien::backend
