#pragma once

/// Convolution without patch matrices, the way that convolution_algorithm.hpp chooses.

#include <algorithm>
#include <type_traits>

#include "mien/backend/cpu/bfloat16_convolution.hpp"
#include "mien/backend/cpu/compiled.hpp"
#include "mien/backend/cpu/convolution_algorithm.hpp"
#include "mien/backend/cpu/direct_convolution.hpp"
#include "mien/backend/cpu/image_grid.hpp"
#include "mien/backend/cpu/prepared_kernel.hpp"
#include "mien/backend/cpu/transpose.hpp"
#include "mien/backend/cpu/winograd.hpp"
#include "mien/core/tensor.hpp"

namespace mien::backend {

/// y = epilogue(x * weight), weight [height, width, channels / groups, outputs].
template <class T>
void convolution(const ImageGrid& input, const T* x, const T* weight, const ConvolutionWindow& window,
                 const ImageGrid& output, T* y, const ConvolutionEpilogue<T>& epilogue = {}) {
  if constexpr (std::is_same_v<T, float>) {
    const ConvolutionAlgorithm algorithm = convolution_algorithm<T>(window, input, output);
    if (is_bfloat16(algorithm)) {
      const Bfloat16Kernel kernel(weight, window, input.channels, output.channels, is_split(algorithm));
      return bfloat16_convolution(input, x, kernel, window, output, y, epilogue);
    }
    if (algorithm == ConvolutionAlgorithm::winograd)
      return winograd_convolution({input, x}, {weight, input.channels, output.channels}, window.padding_height,
                                  window.padding_width, {output, y}, epilogue);
  }
  direct_convolution(input, x, weight, window, output, y, epilogue);
}

/// The same of a kernel that many maps are convolved with.
template <class T>
void convolution(const ImageGrid& input, const T* x, const PreparedKernel<T>& kernel, const ConvolutionWindow& window,
                 const ImageGrid& output, T* y, const ConvolutionEpilogue<T>& epilogue = {}) {
  if constexpr (std::is_same_v<T, float>) {
    const ConvolutionAlgorithm algorithm = convolution_algorithm<T>(window, input, output);
    if (is_bfloat16(algorithm))
      return bfloat16_convolution(input, x, kernel.bfloat16(is_split(algorithm)), window, output, y, epilogue);
    if (algorithm == ConvolutionAlgorithm::winograd)
      return winograd_convolution({input, x}, kernel.winograd(), window.padding_height, window.padding_width,
                                  {output, y}, epilogue);
  }
  direct_convolution(input, x, kernel.packed(), window, output, y, epilogue);
}

/// Of whole maps. A kernel that was prepared before may come with its weight.
template <class T>
void convolution(const Tensor<T, Cpu>& x, const Tensor<T, Cpu>& weight, const PreparedKernel<T>* prepared,
                 const ConvolutionWindow& window, const ConvolutionEpilogue<T>& epilogue, Tensor<T, Cpu>& y) {
  if (prepared != nullptr) {
    convolution(map_grid(x.shape()), x.data(), *prepared, window, map_grid(y.shape()), y.data(), epilogue);
  } else {
    convolution(map_grid(x.shape()), x.data(), weight.data(), window, map_grid(y.shape()), y.data(), epilogue);
  }
}

/// Those taps of a kernel in reverse, inputs and outputs swapped: [taps, outputs / groups, inputs].
template <class T>
Tensor<T> reversed_kernel(const T* weight, const ConvolutionWindow& window, const PhaseTaps& rows,
                          const PhaseTaps& columns, Index inputs, Index outputs) {
  const Index group_inputs = inputs / window.groups;
  const Index group_outputs = outputs / window.groups;
  Tensor<T> out({rows.count * columns.count, group_outputs, inputs});
  parallel_for(0, rows.count * columns.count, 1, [&](Index tap, Index) {
    const Index a = rows.first + (rows.count - 1 - tap / columns.count) * window.stride_height;
    const Index b = columns.first + (columns.count - 1 - tap % columns.count) * window.stride_width;
    for (Index group = 0; group < window.groups; ++group)
      transpose(weight + (a * window.width + b) * group_inputs * outputs + group * group_outputs, group_inputs,
                group_outputs, outputs, out.data() + tap * group_outputs * inputs + group * group_inputs, inputs);
  });
  return out;
}

/// The gradient for x. Inputs that are a stride apart meet the same taps, so for each phase of the strides it is a
/// convolution of `upstream`, of stride one, by those taps.
template <class T>
void convolution_input_gradient(const ImageGrid& output, const T* upstream, const T* weight,
                                const ConvolutionWindow& window, const ImageGrid& input, T* gradient) {
  for (Index i = 0; i < std::min(window.stride_height, input.height()); ++i)
    for (Index j = 0; j < std::min(window.stride_width, input.width()); ++j) {
      const ImageGrid pixels = grid_phase(input, i, window.stride_height, j, window.stride_width);
      const PhaseTaps rows = phase_taps(i, window.height, window.stride_height, window.padding_height);
      const PhaseTaps columns = phase_taps(j, window.width, window.stride_width, window.padding_width);
      if (rows.count == 0 || columns.count == 0) {
        for (Index image = 0; image < pixels.images; ++image)
          for (Index row = 0; row < pixels.height(); ++row)
            for (Index column = 0; column < pixels.width(); ++column)
              std::fill_n(gradient + pixels.offset(image, row, column), pixels.channels, T{0});
        continue;
      }
      const Tensor<T> taps = reversed_kernel(weight, window, rows, columns, input.channels, output.channels);
      const ConvolutionWindow backwards{rows.count, columns.count, 1, 1, rows.padding, columns.padding, window.groups};
      convolution(output, upstream, taps.data(), backwards, pixels, gradient);
    }
}

/// Of whole maps.
template <class T>
void convolution_input_gradient(const Tensor<T, Cpu>& upstream, const Tensor<T, Cpu>& weight,
                                const ConvolutionWindow& window, Tensor<T, Cpu>& gradient) {
  convolution_input_gradient(map_grid(upstream.shape()), upstream.data(), weight.data(), window,
                             map_grid(gradient.shape()), gradient.data());
}

/// gradient [height, width, channels / groups, outputs] = sum over pixels of window^T upstream.
template <class T>
void convolution_weight_gradient(const ImageGrid& input, const T* x, const ImageGrid& output, const T* upstream,
                                 const ConvolutionWindow& window, T* gradient) {
  if constexpr (std::is_same_v<T, float>) {
    const ConvolutionAlgorithm algorithm =
        convolution_algorithm<T>(window, input, output, ConvolutionPass::weight_gradient);
    if (is_bfloat16(algorithm))
      return bfloat16_weight_gradient(input, x, output, upstream, window, is_split(algorithm), gradient);
    if (algorithm == ConvolutionAlgorithm::winograd)
      return winograd_weight_gradient({input, x}, {output, upstream}, window.padding_height, window.padding_width,
                                      gradient);
  }
  direct_weight_gradient(input, x, output, upstream, window, gradient);
}

/// Of whole maps.
template <class T>
void convolution_weight_gradient(const Tensor<T, Cpu>& x, const Tensor<T, Cpu>& upstream,
                                 const ConvolutionWindow& window, Tensor<T, Cpu>& gradient) {
  convolution_weight_gradient(map_grid(x.shape()), x.data(), map_grid(upstream.shape()), upstream.data(), window,
                              gradient.data());
}

}  // namespace mien::backend

#ifdef MIEN_COMPILED_TEMPLATE
#define MIEN_COMPILED_TEMPLATES(T)                                                                                   \
  MIEN_COMPILED_TEMPLATE void convolution(const Tensor<T, Cpu>&, const Tensor<T, Cpu>&, const PreparedKernel<T>*,    \
                                          const ConvolutionWindow&, const ConvolutionEpilogue<T>&, Tensor<T, Cpu>&); \
  MIEN_COMPILED_TEMPLATE void convolution(const ImageGrid&, const T*, const T*, const ConvolutionWindow&,            \
                                          const ImageGrid&, T*, const ConvolutionEpilogue<T>&);                      \
  MIEN_COMPILED_TEMPLATE void convolution(const ImageGrid&, const T*, const PreparedKernel<T>&,                      \
                                          const ConvolutionWindow&, const ImageGrid&, T*,                            \
                                          const ConvolutionEpilogue<T>&);                                            \
  MIEN_COMPILED_TEMPLATE void convolution_input_gradient(const ImageGrid&, const T*, const T*,                       \
                                                         const ConvolutionWindow&, const ImageGrid&, T*);            \
  MIEN_COMPILED_TEMPLATE void convolution_weight_gradient(const ImageGrid&, const T*, const ImageGrid&, const T*,    \
                                                          const ConvolutionWindow&, T*);
#include "mien/backend/cpu/for_each_compiled_type.inc"
#endif
