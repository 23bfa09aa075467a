#pragma once

/// A guard at link time: all files of a program and the library of kernels have to be of one version, and of one mind
/// about the libraries that can be chosen (libraries.hpp). What does not match does not link, and the linker's message
/// names what was asked for.
///
/// Files that are compiled with and without MIEN_WITH_CUDA go together: it adds functions and changes none.

#include "mien/version.hpp"

#if defined(MIEN_WITH_CUDNN)
#define MIEN_CUDNN_SETTING with_cudnn
#else
#define MIEN_CUDNN_SETTING without_cudnn
#endif
#if defined(MIEN_WITH_CUBLAS)
#define MIEN_CUBLAS_SETTING with_cublas
#else
#define MIEN_CUBLAS_SETTING without_cublas
#endif
#define MIEN_JOIN_SETTINGS_(major, minor, patch, cudnn, cublas) \
  kernels_of_version_##major##_##minor##_##patch##_##cudnn##_##cublas
#define MIEN_JOIN_SETTINGS(major, minor, patch, cudnn, cublas) MIEN_JOIN_SETTINGS_(major, minor, patch, cudnn, cublas)
#define MIEN_KERNELS_OF_THESE_SETTINGS                                                               \
  MIEN_JOIN_SETTINGS(MIEN_VERSION_MAJOR, MIEN_VERSION_MINOR, MIEN_VERSION_PATCH, MIEN_CUDNN_SETTING, \
                     MIEN_CUBLAS_SETTING)

namespace mien::cuda {

/// In the library of kernels; does nothing.
void MIEN_KERNELS_OF_THESE_SETTINGS();

namespace {
/// Asks for it in every file that includes this.
[[maybe_unused]] const bool settings_match = (MIEN_KERNELS_OF_THESE_SETTINGS(), true);
}  // namespace

}  // namespace mien::cuda
