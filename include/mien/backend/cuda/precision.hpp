#pragma once

#include "mien/backend/cuda/kernels/product_precision.hpp"
#include "mien/core/precision.hpp"

namespace mien::backend {

/// What the precision in force on this thread means for products of float factors on the GPU.
inline kernels::ProductPrecision product_precision() {
  switch (precision()) {
    case Precision::highest:
      return kernels::ProductPrecision::float32;
    case Precision::high:
      return kernels::ProductPrecision::tf32;
    case Precision::medium:
      break;
  }
  return kernels::ProductPrecision::bfloat16;
}

}  // namespace mien::backend
