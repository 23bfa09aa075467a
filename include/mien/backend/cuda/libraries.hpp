#pragma once

/// Who computes convolutions and matrix products on the GPU: mien's own kernels, or NVIDIA's libraries where the
/// program was built with them.
///
///     cuda::set_convolution_library(cuda::ConvolutionLibrary::cudnn);
///     cuda::set_product_library(cuda::ProductLibrary::cublas);
///
/// With MIEN_CUDNN=ON and MIEN_CUBLAS=ON CMake's target mien::cuda brings what that needs: the definitions
/// MIEN_WITH_CUDNN and MIEN_WITH_CUBLAS, which have to be the same in all files of a program, and the libraries. What a
/// library does not do (`cudnn::supports`, `cublas::supports`) is left to mien's own kernels.

#include <atomic>

#include "mien/core/error.hpp"
#if defined(MIEN_WITH_CUBLAS)
#include "mien/backend/cuda/cublas.hpp"
#endif
#if defined(MIEN_WITH_CUDNN)
#include "mien/backend/cuda/cudnn.hpp"
#endif

namespace mien {
namespace cuda {

/// Of maps of all channels; channel-wise convolutions stay with mien's own kernels.
enum class ConvolutionLibrary { own, cudnn };

/// Of linear layers; recurrent ones stay with mien's own kernels.
enum class ProductLibrary { own, cublas };

#if defined(MIEN_WITH_CUDNN)
inline constexpr bool has_cudnn = true;
#else
inline constexpr bool has_cudnn = false;
#endif
#if defined(MIEN_WITH_CUBLAS)
inline constexpr bool has_cublas = true;
#else
inline constexpr bool has_cublas = false;
#endif

}  // namespace cuda

namespace detail {

inline std::atomic<cuda::ConvolutionLibrary>& program_convolution_library() {
  static std::atomic<cuda::ConvolutionLibrary> library{cuda::ConvolutionLibrary::own};
  return library;
}

inline std::atomic<cuda::ProductLibrary>& program_product_library() {
  static std::atomic<cuda::ProductLibrary> library{cuda::ProductLibrary::own};
  return library;
}

}  // namespace detail

namespace cuda {

/// The one in force, for all threads. The program starts with `own`.
inline ConvolutionLibrary convolution_library() { return mien::detail::program_convolution_library(); }
inline ProductLibrary product_library() { return mien::detail::program_product_library(); }

/// Throws ValueError if the program was built without it.
inline void set_convolution_library(ConvolutionLibrary library) {
  if (library == ConvolutionLibrary::cudnn && !has_cudnn)
    throw ValueError(
        "set_convolution_library: cuDNN is not in this program. Configure mien with -D MIEN_CUDNN=ON, or compile "
        "everything with -D MIEN_WITH_CUDNN and link with -lcudnn.");
  mien::detail::program_convolution_library() = library;
}

/// Throws ValueError if the program was built without it.
inline void set_product_library(ProductLibrary library) {
  if (library == ProductLibrary::cublas && !has_cublas)
    throw ValueError(
        "set_product_library: cuBLASLt is not in this program. Configure mien with -D MIEN_CUBLAS=ON, or compile "
        "everything with -D MIEN_WITH_CUBLAS and link with -lcublasLt.");
  mien::detail::program_product_library() = library;
}

}  // namespace cuda
}  // namespace mien
