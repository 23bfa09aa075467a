#pragma once

/// Which way a convolution goes. The choice depends on its shape, on the precision that is asked for and on the
/// processor, and on nothing that happens at run time: the same call computes the same bits every time.

#include <string_view>
#include <type_traits>

#include "mien/backend/cpu/image_grid.hpp"
#include "mien/backend/cpu/instruction_set.hpp"
#include "mien/core/precision.hpp"
#include "mien/core/threads.hpp"

namespace mien::backend {

enum class ConvolutionAlgorithm {
  direct,          ///< sums of products, output by output
  winograd,        ///< F(4x4, 3x3) in float
  split_bfloat16,  ///< tiles of bfloat16 numbers, each factor the sum of two
  bfloat16         ///< tiles of bfloat16 numbers
};

inline std::string_view name_of(ConvolutionAlgorithm algorithm) {
  switch (algorithm) {
    case ConvolutionAlgorithm::direct:
      return "direct";
    case ConvolutionAlgorithm::winograd:
      return "winograd";
    case ConvolutionAlgorithm::split_bfloat16:
      return "split_bfloat16";
    case ConvolutionAlgorithm::bfloat16:
      break;
  }
  return "bfloat16";
}

inline bool is_bfloat16(ConvolutionAlgorithm algorithm) {
  return algorithm == ConvolutionAlgorithm::bfloat16 || algorithm == ConvolutionAlgorithm::split_bfloat16;
}
inline bool is_split(ConvolutionAlgorithm algorithm) { return algorithm == ConvolutionAlgorithm::split_bfloat16; }

/// Whether Winograd's way pays: 3x3 windows of stride one, enough channels to fill vectors, and maps that do not leave
/// most of a 4x4 tile empty.
inline bool suits_winograd(const ConvolutionWindow& window, const ImageGrid& input, const ImageGrid& output) {
  if (window.height != 3 || window.width != 3 || window.groups != 1) return false;
  if (window.stride_height != 1 || window.stride_width != 1 || input.channels < 8 || output.channels < 8) return false;
  // Products for each pair of channels: 36 for a tile, 9 for a pixel.
  const Index tiles = chunk_count(output.height(), 4) * chunk_count(output.width(), 4);
  return 36 * tiles < 8 * output.height() * output.width();
}

/// Whether tiles of 32 numbers by 16 outputs would not be mostly empty.
inline bool suits_tiles(const ConvolutionWindow& window, const ImageGrid& input, const ImageGrid& output) {
  return window.groups == 1 && window.width * input.channels >= 16 && output.channels >= 16;
}

/// What a convolution is computed for: a map (of outputs, or of its input's gradient), or its weight's gradient.
enum class ConvolutionPass { map, weight_gradient };

/// Whether three products on tiles take less time than Winograd's way, where both suit. For maps, unless much of them
/// is the margin. For weight gradients only where there are so few tiles of 4x4 outputs that Winograd's way is mostly
/// transforming kernels.
inline bool beats_winograd(const ImageGrid& output, ConvolutionPass pass) {
  if (pass == ConvolutionPass::map)
    return 3 * (output.height() + 1) * (output.width() + 1) < 4 * output.height() * output.width();
  return output.images * chunk_count(output.height(), 4) * chunk_count(output.width(), 4) < 128;
}

/// The way of a convolution of elements T, in the setting of this thread or another.
template <class T>
ConvolutionAlgorithm convolution_algorithm(const ConvolutionWindow& window, const ImageGrid& input,
                                           const ImageGrid& output, ConvolutionPass pass = ConvolutionPass::map,
                                           Precision allowed = precision()) {
  if constexpr (std::is_same_v<T, float>) {
    const bool tiles = instruction_set() == InstructionSet::amx && suits_tiles(window, input, output);
    const bool winograd = suits_winograd(window, input, output);
    if (allowed == Precision::medium && tiles) return ConvolutionAlgorithm::bfloat16;
    if (allowed == Precision::high && tiles && (!winograd || beats_winograd(output, pass)))
      return ConvolutionAlgorithm::split_bfloat16;
    if (winograd) return ConvolutionAlgorithm::winograd;
  }
  return ConvolutionAlgorithm::direct;
}

}  // namespace mien::backend
