#pragma once

#include "mien/backend/cpu/prepared_kernel.hpp"
#include "mien/backend/cuda/kernels/convolution.hpp"
#include "mien/backend/cuda/libraries.hpp"
#include "mien/backend/cuda/number.hpp"
#include "mien/backend/cuda/precision.hpp"
#include "mien/backend/cuda/window.hpp"

namespace mien::backend {

/// On the GPU kernels need no preparation.
template <class T>
class PreparedKernel<T, Cuda> {
 public:
  PreparedKernel(const Tensor<T, Cuda>&, const ConvolutionWindow&, Index) {}
};

/// Of whole maps.
inline kernels::Convolution convolution_shape(const Shape& x, const Shape& y, const ConvolutionWindow& window) {
  return {.window = sliding_window(x, y, window),
          .outputs = y[-1],
          .groups = window.groups,
          .input = kernels::plain_grid(x[-3], x[-2], x[-1]),
          .output = kernels::plain_grid(y[-3], y[-2], y[-1]),
          .precision = product_precision()};
}

// Of maps and of what can be seen as such, by the library in force.

template <cuda::Number T>
void convolution(const Tensor<T, Cuda>& x, const Tensor<T, Cuda>& weight, const kernels::Convolution& shape,
                 const kernels::ConvolutionFinish<T>& finish, Tensor<T, Cuda>& y) {
#if defined(MIEN_WITH_CUDNN)
  if (cuda::convolution_library() == cuda::ConvolutionLibrary::cudnn && cudnn::supports(shape, cudnn::Pass::map))
    return cudnn::convolution(x.data(), weight.data(), shape, finish, y.data());
#endif
  kernels::convolution(x.data(), weight.data(), shape, finish, y.data(), cuda::current_stream().get());
}

template <cuda::Number T>
void convolution_input_gradient(const Tensor<T, Cuda>& upstream, const Tensor<T, Cuda>& weight,
                                const kernels::Convolution& shape, Tensor<T, Cuda>& gradient) {
#if defined(MIEN_WITH_CUDNN)
  if (cuda::convolution_library() == cuda::ConvolutionLibrary::cudnn &&
      cudnn::supports(shape, cudnn::Pass::input_gradient))
    return cudnn::convolution_input_gradient(upstream.data(), weight.data(), shape, gradient.data());
#endif
  kernels::convolution_input_gradient(upstream.data(), weight.data(), shape, gradient.data(),
                                      cuda::current_stream().get());
}

template <cuda::Number T>
void convolution_weight_gradient(const Tensor<T, Cuda>& x, const Tensor<T, Cuda>& upstream,
                                 const kernels::Convolution& shape, Tensor<T, Cuda>& gradient) {
#if defined(MIEN_WITH_CUDNN)
  if (cuda::convolution_library() == cuda::ConvolutionLibrary::cudnn &&
      cudnn::supports(shape, cudnn::Pass::weight_gradient))
    return cudnn::convolution_weight_gradient(x.data(), upstream.data(), shape, gradient.data());
#endif
  auto workspace = cuda::workspace(kernels::convolution_workspace(shape));
  kernels::convolution_weight_gradient(x.data(), upstream.data(), shape, workspace.data(), gradient.data(),
                                       cuda::current_stream().get());
}

template <cuda::Number T>
void convolution(const Tensor<T, Cuda>& x, const Tensor<T, Cuda>& weight, const PreparedKernel<T, Cuda>*,
                 const ConvolutionWindow& window, const ConvolutionEpilogue<T>& epilogue, Tensor<T, Cuda>& y) {
  convolution<T>(x, weight, convolution_shape(x.shape(), y.shape(), window),
                 {epilogue.scale, epilogue.bias, epilogue.residual, epilogue.relu}, y);
}

template <cuda::Number T>
void convolution_input_gradient(const Tensor<T, Cuda>& upstream, const Tensor<T, Cuda>& weight,
                                const ConvolutionWindow& window, Tensor<T, Cuda>& gradient) {
  convolution_input_gradient(upstream, weight, convolution_shape(gradient.shape(), upstream.shape(), window), gradient);
}

template <cuda::Number T>
void convolution_weight_gradient(const Tensor<T, Cuda>& x, const Tensor<T, Cuda>& upstream,
                                 const ConvolutionWindow& window, Tensor<T, Cuda>& gradient) {
  convolution_weight_gradient(x, upstream, convolution_shape(x.shape(), upstream.shape(), window), gradient);
}

}  // namespace mien::backend
