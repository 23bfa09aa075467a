#pragma once

/// The inner loops of channel-wise convolution, for every instruction set; see kernels/channel_wise.inc.

#include "mien/backend/cpu/vector.hpp"

namespace mien::backend {

/// Neighbouring pixels of some output rows that all meet the same taps: `height` x `width` of a kernel that is
/// `kernel_width` wide. The output's r-th row reads the input rows x[r stride_height], x[r stride_height + 1] and so
/// on, each given from the first pixel on that the first tap meets.
template <class T>
struct ChannelWiseSpan {
  const T* const* x;
  Index height, width, kernel_width;
  Index stride_height;
  Index channels;
  Index length;  ///< pixels times channels
};

/// What happens to sums before they are stored: relu(sum + bias[channel]), each part where it is asked for. Kernels
/// always have a bias, which is laid out as the weights of a tap are.
template <class T>
struct ChannelWiseEpilogue {
  const T* bias = nullptr;
  bool relu = false;
};

template <class T>
struct ChannelWiseKernels {
  Index lanes;
  /// For channel_wise_rows rows; weight [taps, channels + lanes], whose channels begin anew after the last.
  void (*convolve)(const ChannelWiseSpan<T>& span, const T* weight, const ChannelWiseEpilogue<T>& epilogue,
                   T* const* y);
  void (*correlate)(const ChannelWiseSpan<T>& span, Index rows, const T* const* upstream, Index period, Index taps,
                    T* sums);
};

/// Output rows that the kernels work on together.
inline constexpr Index channel_wise_rows = 4;

}  // namespace mien::backend

#define MIEN_KERNELS "mien/backend/cpu/kernels/channel_wise.inc"
#include "mien/backend/cpu/for_each_instruction_set.inc"

namespace mien::backend {

template <class T>
const ChannelWiseKernels<T>& channel_wise_kernels() {
  return for_instruction_set(portable::channel_wise_kernels<T>, avx2::channel_wise_kernels<T>,
                             avx512::channel_wise_kernels<T>);
}

}  // namespace mien::backend
