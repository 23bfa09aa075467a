#pragma once

/// What kernels/elementwise.cu offers to host code. T is float, __nv_bfloat16 or __half; arrays have `count` numbers,
/// and `out` may be one of the inputs. Pointers are the device's. Throws Error if a kernel cannot be started.

#include <cuda_runtime.h>

#include <cstdint>

namespace mien::kernels {

/// a + b.
template <class T>
void add(const T* a, const T* b, std::int64_t count, T* out, cudaStream_t stream);

/// a - b.
template <class T>
void subtract(const T* a, const T* b, std::int64_t count, T* out, cudaStream_t stream);

/// a b.
template <class T>
void multiply(const T* a, const T* b, std::int64_t count, T* out, cudaStream_t stream);

/// a / b.
template <class T>
void divide(const T* a, const T* b, std::int64_t count, T* out, cudaStream_t stream);

/// x factor.
template <class T>
void scale(const T* x, float factor, std::int64_t count, T* out, cudaStream_t stream);

/// x factor times, with a factor in device memory, which must not be in `out`.
template <class T>
void scale_by(const T* x, const T* factor, float times, std::int64_t count, T* out, cudaStream_t stream);

/// min(max(x, -limit), limit); a NaN stays.
template <class T>
void clamp(const T* x, float limit, std::int64_t count, T* out, cudaStream_t stream);

/// max(x, 0); a NaN stays.
template <class T>
void relu(const T* x, std::int64_t count, T* out, cudaStream_t stream);

/// 1 / (1 + exp(-x)).
template <class T>
void sigmoid(const T* x, std::int64_t count, T* out, cudaStream_t stream);

template <class T>
void tanh(const T* x, std::int64_t count, T* out, cudaStream_t stream);

/// x times the standard normal's distribution function at x.
template <class T>
void gelu(const T* x, std::int64_t count, T* out, cudaStream_t stream);

/// e^x.
template <class T>
void exponential(const T* x, std::int64_t count, T* out, cudaStream_t stream);

/// The natural logarithm.
template <class T>
void logarithm(const T* x, std::int64_t count, T* out, cudaStream_t stream);

template <class T>
void square_root(const T* x, std::int64_t count, T* out, cudaStream_t stream);

/// upstream where y > 0, else 0.
template <class T>
void relu_gradient(const T* y, const T* upstream, std::int64_t count, T* out, cudaStream_t stream);

/// upstream y (1 - y).
template <class T>
void sigmoid_gradient(const T* y, const T* upstream, std::int64_t count, T* out, cudaStream_t stream);

/// upstream (1 - y^2).
template <class T>
void tanh_gradient(const T* y, const T* upstream, std::int64_t count, T* out, cudaStream_t stream);

/// Of the input x, not the result.
template <class T>
void gelu_gradient(const T* x, const T* upstream, std::int64_t count, T* out, cudaStream_t stream);

}  // namespace mien::kernels
