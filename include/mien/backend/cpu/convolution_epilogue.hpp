#pragma once

/// What happens to the results of a convolution before they are stored, so that no further pass over the map has to.

#include "mien/backend/cpu/arithmetic.hpp"
#include "mien/backend/cpu/image_grid.hpp"
#include "mien/core/number.hpp"

namespace mien::backend {

/// y = relu(convolution * scale[output] + bias[output] + residual), each part where it is asked for. A NaN stays a NaN.
template <class T>
struct ConvolutionEpilogue {
  const Accumulated<T>* scale = nullptr;  ///< [outputs]
  const Accumulated<T>* bias = nullptr;   ///< [outputs]
  const T* residual = nullptr;            ///< a map that is laid out exactly as y is
  bool relu = false;

  bool is_empty() const { return scale == nullptr && bias == nullptr && residual == nullptr && !relu; }
};

/// The same for a map whose convolution has been stored already.
template <class T>
void apply_epilogue(const ConvolutionEpilogue<T>& epilogue, const ImageGrid& output, T* y) {
  if (epilogue.is_empty() || output.pixels() == 0) return;
  const Index channels = output.channels;
  parallel_for(0, output.images * output.height(), row_grain(output.width() * channels), [&](Index first, Index last) {
    for (Index row = first; row < last; ++row)
      for (Index column = 0; column < output.width(); ++column) {
        const Index place = output.offset(row / output.height(), row % output.height(), column);
        auto pixel = array(y + place, channels);
        if (epilogue.scale != nullptr) pixel *= array(epilogue.scale, channels);
        if (epilogue.bias != nullptr) pixel += array(epilogue.bias, channels);
        if (epilogue.residual != nullptr) pixel += array(epilogue.residual + place, channels);
        // A comparison with NaN fails and keeps it.
        if (epilogue.relu) pixel = (pixel < T{0}).select(T{0}, pixel);
      }
  });
}

}  // namespace mien::backend
