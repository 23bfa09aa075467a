#pragma once

#include "mien/backend/cuda/kernels/softmax.hpp"
#include "mien/backend/cuda/number.hpp"

namespace mien::backend {

template <cuda::MapNumber T>
void softmax(const Tensor<T, Cuda>& x, Tensor<T, Cuda>& out) {
  const Index columns = out.size(-1);
  kernels::softmax(cuda::data(x), columns == 0 ? 0 : out.elements() / columns, columns, false, cuda::data(out),
                   cuda::current_stream().get());
}
template <cuda::MapNumber T>
void softmax_gradient(const Tensor<T, Cuda>& result, const Tensor<T, Cuda>& upstream, Tensor<T, Cuda>& out) {
  const Index columns = out.size(-1);
  kernels::softmax_gradient(cuda::data(result), cuda::data(upstream), columns == 0 ? 0 : out.elements() / columns,
                            columns, false, cuda::data(out), cuda::current_stream().get());
}

template <cuda::MapNumber T>
void log_softmax(const Tensor<T, Cuda>& x, Tensor<T, Cuda>& out) {
  const Index columns = out.size(-1);
  kernels::softmax(cuda::data(x), columns == 0 ? 0 : out.elements() / columns, columns, true, cuda::data(out),
                   cuda::current_stream().get());
}
template <cuda::MapNumber T>
void log_softmax_gradient(const Tensor<T, Cuda>& result, const Tensor<T, Cuda>& upstream, Tensor<T, Cuda>& out) {
  const Index columns = out.size(-1);
  kernels::softmax_gradient(cuda::data(result), cuda::data(upstream), columns == 0 ? 0 : out.elements() / columns,
                            columns, true, cuda::data(out), cuda::current_stream().get());
}

}  // namespace mien::backend
