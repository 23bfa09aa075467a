#pragma once

#include "mien/backend/cpu/convolution.hpp"

namespace mien::backend {

/// Lines of a map that were cut out with `slice` and `select`: [B, F, L, C], with gaps between lines and pixels, but
/// none inside a pixel.
template <class T>
T* line_pixel(T* data, const Tensor<T, Cpu>& lines, Index b, Index f, Index l) {
  return data + b * lines.stride(0) + f * lines.stride(1) + l * lines.stride(2);
}
template <class T>
const T* line_pixel(const Tensor<T, Cpu>& lines, Index b, Index f, Index l) {
  return lines.data() + b * lines.stride(0) + f * lines.stride(1) + l * lines.stride(2);
}

/// Calls `pixel(b, f, l)` for every pixel of lines [B, F, L, C], a line a thread.
template <class T, class Pixel>
void for_each_line_pixel(const Tensor<T, Cpu>& lines, const Pixel& pixel) {
  const Index frames = lines.size(1);
  parallel_for(0, lines.size(0) * frames, 4, [&](Index first, Index last) {
    for (Index i = first; i < last; ++i)
      for (Index l = 0; l < lines.size(2); ++l) pixel(i / frames, i % frames, l);
  });
}

/// target [B, F, L, C] += terms.
template <class T>
void add_lines(const Tensor<T, Cpu>& terms, Tensor<T, Cpu>& target) {
  const Index channels = target.size(3);
  T* data = target.data();
  for_each_line_pixel(target, [&](Index b, Index f, Index l) {
    array(line_pixel(data, target, b, f, l), channels) += array(line_pixel(terms, b, f, l), channels);
  });
}

/// target [B, F, L, C] += terms [B, F, L, C] * factors [B, C].
template <class T>
void add_scaled_lines(const Tensor<T, Cpu>& terms, const Tensor<T, Cpu>& factors, Tensor<T, Cpu>& target) {
  const Index channels = target.size(3);
  T* data = target.data();
  for_each_line_pixel(target, [&](Index b, Index f, Index l) {
    array(line_pixel(data, target, b, f, l), channels) +=
        array(line_pixel(terms, b, f, l), channels) * array(factors.data() + b * channels, channels);
  });
}

/// out [B, F, L, C] = lines [B, F, L, C] * factors [B, C] + shifts [B, C].
template <class T>
void scale_and_shift_lines(const Tensor<T, Cpu>& lines, const Tensor<T, Cpu>& factors, const Tensor<T, Cpu>& shifts,
                           Tensor<T, Cpu>& out) {
  const Index channels = out.size(3);
  T* data = out.data();
  for_each_line_pixel(out, [&](Index b, Index f, Index l) {
    array(line_pixel(data, out, b, f, l), channels) =
        array(line_pixel(lines, b, f, l), channels) * array(factors.data() + b * channels, channels) +
        array(shifts.data() + b * channels, channels);
  });
}

/// sums [B, C] += the lines' products with others of the same shape, summed over F and L.
template <class T>
void add_line_products(const Tensor<T, Cpu>& a, const Tensor<T, Cpu>& b, Tensor<T, Cpu>& sums) {
  const Index channels = a.size(3);
  parallel_for(0, a.size(0), 1, [&](Index image, Index) {
    auto sum = array(sums.data() + image * channels, channels);
    for (Index f = 0; f < a.size(1); ++f)
      for (Index l = 0; l < a.size(2); ++l)
        sum += array(line_pixel(a, image, f, l), channels) * array(line_pixel(b, image, f, l), channels);
  });
}

/// sums [B, C] += lines summed over F and L.
template <class T>
void add_line_sums(const Tensor<T, Cpu>& lines, Tensor<T, Cpu>& sums) {
  const Index channels = lines.size(3);
  parallel_for(0, lines.size(0), 1, [&](Index image, Index) {
    auto sum = array(sums.data() + image * channels, channels);
    for (Index f = 0; f < lines.size(1); ++f)
      for (Index l = 0; l < lines.size(2); ++l) sum += array(line_pixel(lines, image, f, l), channels);
  });
}

/// One view of a clip [B, T, H, W, C] as a super image, in place: `height` is H T rows of W pixels, `width` H rows of
/// W T. Interleaved layout: a pixel's frames lie next to each other. Stacked: whole frames do.
inline ImageGrid super_image_grid(const Shape& clip, bool height_view, bool interleaved) {
  const Index frames = clip[1];
  const Index height = clip[2];
  const Index width = clip[3];
  const Index channels = clip[4];
  const Index frame_stride = height * width * channels;
  ImageGrid grid{clip[0], channels, frames * frame_stride, {}, {}};
  const auto append = [&](std::vector<Index>& offsets, Index extent, Index stride) {
    const Index outer = interleaved ? extent : frames;
    const Index inner = interleaved ? frames : extent;
    for (Index i = 0; i < outer; ++i)
      for (Index j = 0; j < inner; ++j) {
        const Index frame = interleaved ? j : i;
        const Index pixel = interleaved ? i : j;
        offsets.push_back(frame * frame_stride + pixel * stride);
      }
  };
  if (height_view) {
    append(grid.rows, height, width * channels);
    for (Index column = 0; column < width; ++column) grid.columns.push_back(column * channels);
  } else {
    for (Index row = 0; row < height; ++row) grid.rows.push_back(row * width * channels);
    append(grid.columns, width, channels);
  }
  return grid;
}

/// The three taps of a kernel [3, 3, C, O] that reach across a seam, along the line: [3, C, O].
template <class T>
Tensor<T> copy_seam_taps(const T* weight, Seam seam, Index tap_size) {
  const Index outer = seam == Seam::top || seam == Seam::left ? 0 : 2;
  Tensor<T> taps({3, tap_size});
  for (Index k = 0; k < 3; ++k) {
    const Index tap = seam == Seam::top || seam == Seam::bottom ? outer * 3 + k : k * 3 + outer;
    std::copy_n(weight + tap * tap_size, tap_size, taps.data() + k * tap_size);
  }
  return taps;
}

/// Adds [3, C, O] to those taps.
template <class T>
void add_seam_taps(const Tensor<T>& taps, Seam seam, T* weight) {
  const Index outer = seam == Seam::top || seam == Seam::left ? 0 : 2;
  const Index tap_size = taps.elements() / 3;
  for (Index k = 0; k < 3; ++k) {
    const Index tap = seam == Seam::top || seam == Seam::bottom ? outer * 3 + k : k * 3 + outer;
    array(weight + tap * tap_size, tap_size) += array(taps.data() + k * tap_size, tap_size);
  }
}

inline constexpr ConvolutionWindow frame_window{.height = 3, .width = 3, .padding_height = 1, .padding_width = 1};
inline constexpr ConvolutionWindow line_window{.width = 3, .padding_width = 1};

/// The steps of a kernel's three taps that reach across a seam, along a line: they are there already, where whole steps
/// fall upon each tap.
inline std::vector<Bfloat16Step> seam_steps(const Bfloat16Map& lines, const Bfloat16Kernel& kernel, Seam seam) {
  const Index tap_steps = kernel.row_steps() / 3;
  const Index outer = seam == Seam::top || seam == Seam::left ? 0 : 2;
  const bool along_row = seam == Seam::top || seam == Seam::bottom;
  std::vector<Bfloat16Step> steps;
  for (Index tap = 0; tap < 3; ++tap)
    for (Index k = 0; k < tap_steps; ++k)
      steps.push_back({lines.layout().run_offset(0, lines.plane_size()) + (tap * tap_steps + k) * tile_block,
                       kernel.step(along_row ? outer : tap, (along_row ? tap : outer) * tap_steps + k)});
  return steps;
}

/// `seam_convolution` on tiles.
inline void bfloat16_seam_convolution(const ImageGrid& input, const float* x, const SeamLines<const float>& lines,
                                      const float* weight, const Bfloat16Kernel& kernel, const ImageGrid& output,
                                      float* y, const SeamLines<float>& line_outputs) {
  bfloat16_convolution(input, x, kernel, frame_window, output, y);
  for (const Seam seam : seams) {
    const auto& from = lines[static_cast<std::size_t>(seam)];
    const auto& to = line_outputs[static_cast<std::size_t>(seam)];
    if (from.batch == 0) continue;
    if (input.channels % tile_block == 0) {
      const Bfloat16Map map(from.grid(), from.data, line_window, to.grid(), kernel.is_split());
      bfloat16_products(map, kernel, seam_steps(map, kernel, seam), to.grid(), {}, to.data);
    } else {
      const Tensor<float> taps = copy_seam_taps(weight, seam, input.channels * output.channels);
      const Bfloat16Kernel line_kernel(taps.data(), line_window, input.channels, output.channels, kernel.is_split());
      bfloat16_convolution(from.grid(), from.data, line_kernel, line_window, to.grid(), to.data);
    }
  }
}

/// The 3x3 convolution, stride 1 and padding 1, of a map of frames, and those of the lines beyond their seams. A kernel
/// that was prepared before may come with its weight.
template <class T>
void seam_convolution(const ImageGrid& input, const T* x, const SeamLines<const T>& lines, const T* weight,
                      const ImageGrid& output, T* y, const SeamLines<T>& line_outputs,
                      const PreparedKernel<T>* prepared = nullptr) {
  if constexpr (std::is_same_v<T, float>) {
    const ConvolutionAlgorithm algorithm = convolution_algorithm<T>(frame_window, input, output);
    if (is_bfloat16(algorithm)) {
      if (prepared != nullptr)
        return bfloat16_seam_convolution(input, x, lines, weight, prepared->bfloat16(is_split(algorithm)), output, y,
                                         line_outputs);
      const Bfloat16Kernel kernel(weight, frame_window, input.channels, output.channels, is_split(algorithm));
      return bfloat16_seam_convolution(input, x, lines, weight, kernel, output, y, line_outputs);
    }
    if (algorithm == ConvolutionAlgorithm::winograd) {
      const WinogradKernel kernel = prepared != nullptr ? prepared->winograd()
                                                        : WinogradKernel{weight, input.channels, output.channels};
      return winograd_convolution({input, x, lines}, kernel, 1, 1, {output, y, line_outputs});
    }
  }
  direct_convolution(input, x, weight, frame_window, output, y);
  for (const Seam seam : seams) {
    const auto& from = lines[static_cast<std::size_t>(seam)];
    const auto& to = line_outputs[static_cast<std::size_t>(seam)];
    if (from.batch == 0) continue;
    const Tensor<T> taps = copy_seam_taps(weight, seam, input.channels * output.channels);
    direct_convolution(from.grid(), from.data, taps.data(), line_window, to.grid(), to.data);
  }
}

/// The gradient [3, 3, C, O] for the kernel of both.
template <class T>
void seam_weight_gradient(const ImageGrid& input, const T* x, const SeamLines<const T>& lines, const ImageGrid& output,
                          const T* upstream, const SeamLines<const T>& upstream_lines, T* gradient) {
  const ConvolutionAlgorithm algorithm =
      convolution_algorithm<T>(frame_window, input, output, ConvolutionPass::weight_gradient);
  if constexpr (std::is_same_v<T, float>)
    if (algorithm == ConvolutionAlgorithm::winograd)
      return winograd_weight_gradient({input, x, lines}, {output, upstream, upstream_lines}, 1, 1, gradient);
  const auto weight_gradient = [&](const ImageGrid& from, const T* data, const ImageGrid& to, const T* up,
                                   const ConvolutionWindow& window, T* out) {
    if constexpr (std::is_same_v<T, float>)
      if (is_bfloat16(algorithm))
        return bfloat16_weight_gradient(from, data, to, up, window, is_split(algorithm), out);
    direct_weight_gradient(from, data, to, up, window, out);
  };
  weight_gradient(input, x, output, upstream, frame_window, gradient);
  for (const Seam seam : seams) {
    const auto& from = lines[static_cast<std::size_t>(seam)];
    const auto& up = upstream_lines[static_cast<std::size_t>(seam)];
    if (from.batch == 0) continue;
    Tensor<T> taps({3, input.channels * output.channels});
    weight_gradient(from.grid(), from.data, up.grid(), up.data, line_window, taps.data());
    add_seam_taps(taps, seam, gradient);
  }
}

}  // namespace mien::backend
