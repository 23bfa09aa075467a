#pragma once

#include "mien/backend/cpu/prepared_kernel.hpp"
#include "mien/backend/cuda/kernels/convolution.hpp"
#include "mien/backend/cuda/libraries.hpp"
#include "mien/backend/cuda/number.hpp"
#include "mien/backend/cuda/precision.hpp"
#include "mien/backend/cuda/window.hpp"

namespace mien::backend {

/// A kernel in 16 bits, too, for maps of 16 bits.
template <>
class PreparedKernel<float, Cuda> {
 public:
  PreparedKernel(const Tensor<float, Cuda>& weight, const ConvolutionWindow&, Index)
      : bfloat16_(weight.cast<bfloat16>()), float16_(weight.cast<float16>()) {}

  const Tensor<bfloat16, Cuda>& as(bfloat16) const { return bfloat16_; }
  const Tensor<float16, Cuda>& as(float16) const { return float16_; }

 private:
  Tensor<bfloat16, Cuda> bfloat16_;
  Tensor<float16, Cuda> float16_;
};

/// A weight for maps of type T.
template <cuda::MapNumber T>
Tensor<T, Cuda> kernel_for(const Tensor<float, Cuda>& weight, const PreparedKernel<float, Cuda>* prepared = nullptr) {
  if constexpr (!std::same_as<T, float>)
    if (prepared != nullptr) return prepared->as(T{});
  return cuda::parameter_for<T>(weight);
}

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

template <cuda::MapNumber T>
void convolution(const Tensor<T, Cuda>& x, const Tensor<T, Cuda>& weight, const kernels::Convolution& shape,
                 const kernels::ConvolutionFinish<cuda::KernelNumber<T>>& finish, Tensor<T, Cuda>& y) {
#if defined(MIEN_WITH_CUDNN)
  if (cuda::convolution_library() == cuda::ConvolutionLibrary::cudnn && cudnn::supports<T>(shape, cudnn::Pass::map))
    return cudnn::convolution(x.data(), weight.data(), shape, finish, y.data());
#endif
  kernels::convolution(cuda::data(x), cuda::data(weight), shape, finish, cuda::data(y), cuda::current_stream().get());
}

template <cuda::MapNumber T>
void convolution_input_gradient(const Tensor<T, Cuda>& upstream, const Tensor<T, Cuda>& weight,
                                const kernels::Convolution& shape, Tensor<T, Cuda>& gradient) {
#if defined(MIEN_WITH_CUDNN)
  if (cuda::convolution_library() == cuda::ConvolutionLibrary::cudnn &&
      cudnn::supports<T>(shape, cudnn::Pass::input_gradient))
    return cudnn::convolution_input_gradient(upstream.data(), weight.data(), shape, gradient.data());
#endif
  kernels::convolution_input_gradient(cuda::data(upstream), cuda::data(weight), shape, cuda::data(gradient),
                                      cuda::current_stream().get());
}

template <cuda::MapNumber T>
void convolution_weight_gradient(const Tensor<T, Cuda>& x, const Tensor<T, Cuda>& upstream,
                                 const kernels::Convolution& shape, Tensor<Accumulated<T>, Cuda>& gradient) {
#if defined(MIEN_WITH_CUDNN)
  if (cuda::convolution_library() == cuda::ConvolutionLibrary::cudnn &&
      cudnn::supports<T>(shape, cudnn::Pass::weight_gradient))
    return cudnn::convolution_weight_gradient(x.data(), upstream.data(), shape, gradient.data());
#endif
  auto workspace = cuda::workspace(kernels::convolution_workspace(shape));
  kernels::convolution_weight_gradient(cuda::data(x), cuda::data(upstream), shape, workspace.data(), gradient.data(),
                                       cuda::current_stream().get());
}

// Of whole maps.

template <cuda::MapNumber T>
void convolution(const Tensor<T, Cuda>& x, const Tensor<Accumulated<T>, Cuda>& weight,
                 const PreparedKernel<Accumulated<T>, Cuda>* prepared, const ConvolutionWindow& window,
                 const ConvolutionEpilogue<T>& epilogue, Tensor<T, Cuda>& y) {
  const auto* const residual = reinterpret_cast<const cuda::KernelNumber<T>*>(epilogue.residual);
  convolution<T>(x, kernel_for<T>(weight, prepared), convolution_shape(x.shape(), y.shape(), window),
                 {epilogue.scale, epilogue.bias, residual, epilogue.relu}, y);
}

template <cuda::MapNumber T>
void convolution_input_gradient(const Tensor<T, Cuda>& upstream, const Tensor<Accumulated<T>, Cuda>& weight,
                                const ConvolutionWindow& window, Tensor<T, Cuda>& gradient) {
  convolution_input_gradient(upstream, kernel_for<T>(weight),
                             convolution_shape(gradient.shape(), upstream.shape(), window), gradient);
}

template <cuda::MapNumber T>
void convolution_weight_gradient(const Tensor<T, Cuda>& x, const Tensor<T, Cuda>& upstream,
                                 const ConvolutionWindow& window, Tensor<Accumulated<T>, Cuda>& gradient) {
  convolution_weight_gradient(x, upstream, convolution_shape(x.shape(), upstream.shape(), window), gradient);
}

}  // namespace mien::backend
