#pragma once

/// Everything at once. Each header below can also be included alone, which compiles faster.
///
/// The first part needs the C++ library and Eigen. The second part reads files with the help of nlohmann-json, zlib and
/// stb_image; it is included if the compiler finds all three. In CMake, `mien::io` finds and links them.
///
/// This list is written by `cmake -D WRITE=ON -P tests/consumer/umbrella.cmake`.

#include "mien/autograd/activation.hpp"
#include "mien/autograd/arithmetic.hpp"
#include "mien/autograd/convolution.hpp"
#include "mien/autograd/gradient_check.hpp"
#include "mien/autograd/linear.hpp"
#include "mien/autograd/super_image_convolution.hpp"
#include "mien/autograd/variable.hpp"
#include "mien/backend/cpu/activation.hpp"
#include "mien/backend/cpu/arithmetic.hpp"
#include "mien/backend/cpu/convolution.hpp"
#include "mien/backend/cpu/eigen.hpp"
#include "mien/backend/cpu/matrix_product.hpp"
#include "mien/backend/cpu/super_image_convolution.hpp"
#include "mien/core/device.hpp"
#include "mien/core/error.hpp"
#include "mien/core/memory.hpp"
#include "mien/core/random.hpp"
#include "mien/core/shape.hpp"
#include "mien/core/tensor.hpp"
#include "mien/core/threads.hpp"
#include "mien/data/clip.hpp"
#include "mien/data/loader.hpp"
#include "mien/data/sampling.hpp"
#include "mien/data/splits.hpp"
#include "mien/gesture/augmentation.hpp"
#include "mien/gesture/joint_groups.hpp"
#include "mien/gesture/joint_sequence.hpp"
#include "mien/gesture/representation.hpp"
#include "mien/io/csv.hpp"
#include "mien/io/element_type.hpp"
#include "mien/io/file.hpp"
#include "mien/nn/convolution.hpp"
#include "mien/nn/initialisation.hpp"
#include "mien/nn/linear.hpp"
#include "mien/nn/module.hpp"
#include "mien/nn/super_image_convolution.hpp"
#include "mien/ops/activation.hpp"
#include "mien/ops/arithmetic.hpp"
#include "mien/ops/convolution.hpp"
#include "mien/ops/linear.hpp"
#include "mien/ops/super_image_convolution.hpp"
#include "mien/version.hpp"

#if __has_include(<nlohmann/json.hpp>) && __has_include(<zlib.h>) && \
    (__has_include(<stb_image.h>) || __has_include(<stb/stb_image.h>))
#include "mien/io/gzip.hpp"
#include "mien/io/image.hpp"
#include "mien/io/joint_table.hpp"
#include "mien/io/json.hpp"
#include "mien/io/npy.hpp"
#include "mien/io/openpose.hpp"
#include "mien/io/safetensors.hpp"
#endif
