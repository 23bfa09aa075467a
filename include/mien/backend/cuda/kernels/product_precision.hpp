#pragma once

/// How products of floats are taken, by matrix products and convolutions alike.

namespace mien::kernels {

/// How factors that are float are rounded before they are multiplied: not at all, to 10 or to 7 bits after the first,
/// for tensor cores. Sums are float always; bfloat16 and half factors are multiplied as they are.
enum class ProductPrecision { float32, tf32, bfloat16 };

}  // namespace mien::kernels
