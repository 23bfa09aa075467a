#pragma once

/// The inner loops of direct convolution, for every instruction set; see kernels/direct.inc.

#include <array>

#include "mien/backend/cpu/vector.hpp"

namespace mien::backend {

/// The windows of neighbouring output pixels, `pixel_stride` numbers apart. A window consists of runs of numbers that
/// lie next to each other: its rows, or its taps. The first pixel's begin at runs[r] + offset.
template <class T>
struct DirectInput {
  const T* const* runs;
  Index run_count, length;
  Index offset, pixel_stride;
};

/// Where the sums of some pixels go, from the `first` of them on, with the parts of an epilogue.
template <class T>
struct DirectOutput {
  T* y;
  const T* residual;  ///< or null
  const T* scale;     ///< or null
  const T* bias;      ///< or null
  bool relu;
  const Index* places;  ///< of each of them in y and residual
  Index first;
  Index channels;
};

/// One run of the windows of many pixels.
template <class T>
struct DirectPixels {
  const T* const* pixels;
  Index count;
  Index offset;
};

/// Where the rows of a weight's gradient go from the `first` of them on.
template <class T>
struct DirectGradient {
  T* data;
  Index stride;
  Index first;
  Index channels;
  bool accumulate;
};

/// Loops for `lanes` or twice as many outputs, and for 2, 4 and so on up to `rows` pixels or inputs.
template <class T>
struct DirectKernels {
  using Convolve = void (*)(const DirectInput<T>& input, const T* weight, const DirectOutput<T>& output);
  using Correlate = void (*)(const DirectPixels<T>& pixels, const T* upstream, const DirectGradient<T>& gradient);

  Index lanes;
  Index rows;
  void (*pack)(const T* from, Index outputs, Index depth, T* to, Index row);
  std::array<Convolve, 7> convolve_one, convolve_two;
  std::array<Correlate, 7> correlate_one, correlate_two;

  Convolve convolve(Index pixels, Index width) const {
    return (width == lanes ? convolve_one : convolve_two)[static_cast<std::size_t>(pixels / 2 - 1)];
  }
  Correlate correlate(Index inputs, Index width) const {
    return (width == lanes ? correlate_one : correlate_two)[static_cast<std::size_t>(inputs / 2 - 1)];
  }
};

}  // namespace mien::backend

#define MIEN_KERNELS "mien/backend/cpu/kernels/direct.inc"
#include "mien/backend/cpu/for_each_instruction_set.inc"

namespace mien::backend {

template <class T>
const DirectKernels<T>& direct_kernels() {
  return for_instruction_set(portable::direct_kernels<T>, avx2::direct_kernels<T>, avx512::direct_kernels<T>);
}

}  // namespace mien::backend
