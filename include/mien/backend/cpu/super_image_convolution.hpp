#pragma once

#include <array>

#include "mien/backend/cpu/compiled.hpp"
#include "mien/backend/cpu/convolution.hpp"
#include "mien/backend/super_image.hpp"

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
      const WinogradKernel kernel =
          prepared != nullptr ? prepared->winograd() : WinogradKernel{weight, input.channels, output.channels};
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
      if (is_bfloat16(algorithm)) return bfloat16_weight_gradient(from, data, to, up, window, is_split(algorithm), out);
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

inline bool is_row_seam(Seam seam) { return seam == Seam::top || seam == Seam::bottom; }

/// The lines of a map [B, T, H, W, C] that a seam writes to: [B, T - 1, line, C], a view. The top and the left of every
/// frame but the first, the bottom and the right of every frame but the last.
template <class T>
Tensor<T> seam_target(const Tensor<T, Cpu>& map, Seam seam) {
  const bool after = seam == Seam::top || seam == Seam::left;
  const Tensor<T> frames = map.slice(1, after ? 1 : 0, map.size(1) - (after ? 0 : 1));
  if (is_row_seam(seam)) return frames.select(2, after ? 0 : map.size(2) - 1);
  return frames.select(3, after ? 0 : map.size(3) - 1);
}

/// The lines of a map that a seam reads: those across the border from its targets.
template <class T>
Tensor<T> seam_source(const Tensor<T, Cpu>& map, Seam seam) {
  const bool from_before = seam == Seam::top || seam == Seam::left;
  const Tensor<T> frames = map.slice(1, from_before ? 0 : 1, map.size(1) - (from_before ? 1 : 0));
  if (is_row_seam(seam)) return frames.select(2, from_before ? map.size(2) - 1 : 0);
  return frames.select(3, from_before ? map.size(3) - 1 : 0);
}

/// The seam on the other side.
inline Seam opposite(Seam seam) {
  switch (seam) {
    case Seam::top:
      return Seam::bottom;
    case Seam::bottom:
      return Seam::top;
    case Seam::left:
      return Seam::right;
    default:
      return Seam::left;
  }
}

/// A tensor for each seam, in the order of `seams`; undefined for clips of one frame.
template <class T>
using SeamTensors = std::array<Tensor<T>, 4>;

/// The lines that all seams of a map read, views.
template <class T>
SeamTensors<T> seam_sources(const Tensor<T, Cpu>& map) {
  SeamTensors<T> lines;
  for (const Seam seam : seams)
    if (map.size(1) > 1) lines[static_cast<std::size_t>(seam)] = seam_source(map, seam);
  return lines;
}

/// The parts of `lines` that belong to each seam of a map of that shape, views.
template <class T>
SeamTensors<T> split_lines(const Tensor<T, Cpu>& lines, const Shape& map) {
  SeamTensors<T> out;
  if (map[1] == 1) return out;
  Index begin = 0;
  for (const Seam seam : seams) {
    const Shape shape{map[0], map[1] - 1, is_row_seam(seam) ? map[3] : map[2], map[4]};
    out[static_cast<std::size_t>(seam)] = lines.slice(0, begin, begin + shape.elements()).view(shape);
    begin += shape.elements();
  }
  return out;
}

template <class T, class U>
SeamLines<T> as_seam_lines(std::array<Tensor<U>, 4>& tensors) {
  SeamLines<T> out;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    Tensor<U>& lines = tensors[i];
    if (lines.defined())
      out[i] = {lines.data(),  lines.size(0),   lines.size(1),   lines.size(2),
                lines.size(3), lines.stride(0), lines.stride(1), lines.stride(2)};
  }
  return out;
}

/// S and the lines of a clip.
template <class T>
void seam_convolution(const Tensor<T, Cpu>& clip, const Tensor<T, Cpu>& weight, const PreparedKernel<T>* prepared,
                      Tensor<T, Cpu>& frames, Tensor<T, Cpu>& lines) {
  SeamTensors<T> sources = seam_sources(clip);
  SeamTensors<T> targets = split_lines(lines, frames.shape());
  seam_convolution(map_grid(clip.shape()), clip.data(), as_seam_lines<const T>(sources), weight.data(),
                   map_grid(frames.shape()), frames.data(), as_seam_lines<T>(targets), prepared);
}

/// The means of both views over all frames and positions, [B, 2 O], height first.
template <class T>
void super_image_means(const Tensor<T, Cpu>& frames, const Tensor<T, Cpu>& lines, Tensor<T, Cpu>& means) {
  const Shape shape = frames.shape();
  Tensor<T> own({shape[0], shape[4]});
  mean_of_positions(frames, own);
  const SeamTensors<T> all = split_lines(lines, shape);
  for (const bool rows : {true, false}) {
    auto sums = Tensor<T>::zeros(own.shape());
    for (const Seam seam : seams)
      if (const Tensor<T>& part = all[static_cast<std::size_t>(seam)]; part.defined() && is_row_seam(seam) == rows)
        add_line_sums(part, sums);
    scale(sums, T{1} / static_cast<T>(shape[1] * shape[2] * shape[3]), sums);
    add(own, sums, sums);
    means.slice(1, rows ? 0 : shape[4], rows ? shape[4] : 2 * shape[4]).copy_from(sums);
  }
}

/// y, which is S, becomes alpha.frames S + alpha_h (tops and bottoms) + alpha_w (lefts and rights).
template <class T>
void super_image_mix(const Tensor<T, Cpu>& lines, const SuperImageWeights<T>& alpha, Tensor<T, Cpu>& y) {
  if (alpha.frames != T{1}) scale(y, alpha.frames, y);
  const SeamTensors<T> all = split_lines(lines, y.shape());
  for (const Seam seam : seams) {
    const Tensor<T>& part = all[static_cast<std::size_t>(seam)];
    if (!part.defined()) continue;
    Tensor<T> target = seam_target(y, seam);
    add_scaled_lines(part, is_row_seam(seam) ? alpha.height : alpha.width, target);
  }
}

/// The gradients for alpha_h and alpha_w, but for the part through S.
template <class T>
void super_image_alpha_gradient(const Tensor<T, Cpu>& upstream, const Tensor<T, Cpu>& lines, Tensor<T, Cpu>& height,
                                Tensor<T, Cpu>& width) {
  height.fill(T{0});
  width.fill(T{0});
  const SeamTensors<T> all = split_lines(lines, upstream.shape());
  for (const Seam seam : seams) {
    const Tensor<T>& part = all[static_cast<std::size_t>(seam)];
    if (part.defined()) add_line_products(part, seam_target(upstream, seam), is_row_seam(seam) ? height : width);
  }
}

/// `shifts` [B, 2, O] are added to the gradient of each view's every number, if they are defined.
template <class T>
SuperImageMixGradient<T> super_image_mix_gradient(const Tensor<T, Cpu>& upstream, const SuperImageWeights<T>& alpha,
                                                  const Tensor<T, Cpu>& shifts) {
  const Shape shape = upstream.shape();
  const Shape views{shape[0], shape[4]};
  SuperImageMixGradient<T> out{upstream, Tensor<T>({seam_elements(shape)})};
  if (alpha.frames != T{1}) {
    out.frames = Tensor<T>(shape);
    scale(upstream, alpha.frames, out.frames);
  }
  auto height = shifts.defined() ? shifts.select(1, 0).contiguous() : Tensor<T>::zeros(views);
  auto width = shifts.defined() ? shifts.select(1, 1).contiguous() : Tensor<T>::zeros(views);
  if (shifts.defined()) {
    Tensor<T> both(views);
    add(height, width, both);
    Tensor<T> spread(shape);
    spread_over_positions(both, T{1}, spread);
    add(out.frames, spread, spread);
    out.frames = spread;
  }
  SeamTensors<T> all = split_lines(out.lines, shape);
  for (const Seam seam : seams) {
    Tensor<T>& part = all[static_cast<std::size_t>(seam)];
    const bool rows = is_row_seam(seam);
    if (part.defined())
      scale_and_shift_lines(seam_target(upstream, seam), rows ? alpha.height : alpha.width, rows ? height : width,
                            part);
  }
  return out;
}

/// The gradient for the clip. Backwards a seam is the one on the other side: what the top of a frame read from the
/// bottom before it, that bottom gets from the top.
template <class T>
void seam_input_gradient(const SuperImageMixGradient<T>& mixed, const Tensor<T, Cpu>& weight,
                         Tensor<T, Cpu>& gradient) {
  const Shape& shape = mixed.frames.shape();
  const PhaseTaps all_taps = phase_taps(0, 3, 1, 1);
  const Tensor<T> kernel = reversed_kernel(weight.data(), frame_window, all_taps, all_taps, gradient.size(4), shape[4]);
  SeamTensors<T> lines = split_lines(mixed.lines, shape);
  SeamTensors<T> sources;
  for (const Seam seam : seams)
    sources[static_cast<std::size_t>(opposite(seam))] = lines[static_cast<std::size_t>(seam)];
  const Tensor<T> term_memory({seam_elements(gradient.shape())});
  SeamTensors<T> terms = split_lines(term_memory, gradient.shape());
  seam_convolution(map_grid(shape), mixed.frames.data(), as_seam_lines<const T>(sources), kernel.data(),
                   map_grid(gradient.shape()), gradient.data(), as_seam_lines<T>(terms));
  for (const Seam seam : seams) {
    const Tensor<T>& term = terms[static_cast<std::size_t>(opposite(seam))];
    if (!term.defined()) continue;
    Tensor<T> destination = seam_source(gradient, seam);
    add_lines(term, destination);
  }
}

template <class T>
void seam_weight_gradient(const Tensor<T, Cpu>& clip, const SuperImageMixGradient<T>& mixed, Tensor<T, Cpu>& gradient) {
  SeamTensors<T> sources = seam_sources(clip);
  SeamTensors<T> lines = split_lines(mixed.lines, mixed.frames.shape());
  seam_weight_gradient(map_grid(clip.shape()), clip.data(), as_seam_lines<const T>(sources),
                       map_grid(mixed.frames.shape()), mixed.frames.data(), as_seam_lines<const T>(lines),
                       gradient.data());
}

/// The convolution of one view of an interleaved super image, read and written where the frames lie.
template <class T>
void interleaved_convolution(const Tensor<T, Cpu>& clip, const Tensor<T, Cpu>& weight,
                             const PreparedKernel<T>* prepared, bool height_view, Tensor<T, Cpu>& y) {
  const ImageGrid from = super_image_grid(clip.shape(), height_view, true);
  const ImageGrid to = super_image_grid(y.shape(), height_view, true);
  if (prepared != nullptr) {
    convolution(from, clip.data(), *prepared, frame_window, to, y.data());
  } else {
    convolution(from, clip.data(), weight.data(), frame_window, to, y.data());
  }
}
template <class T>
void interleaved_input_gradient(const Tensor<T, Cpu>& upstream, const Tensor<T, Cpu>& weight, bool height_view,
                                Tensor<T, Cpu>& gradient) {
  convolution_input_gradient(super_image_grid(upstream.shape(), height_view, true), upstream.data(), weight.data(),
                             frame_window, super_image_grid(gradient.shape(), height_view, true), gradient.data());
}
template <class T>
void interleaved_weight_gradient(const Tensor<T, Cpu>& clip, const Tensor<T, Cpu>& upstream, bool height_view,
                                 Tensor<T, Cpu>& gradient) {
  convolution_weight_gradient(super_image_grid(clip.shape(), height_view, true), clip.data(),
                              super_image_grid(upstream.shape(), height_view, true), upstream.data(), frame_window,
                              gradient.data());
}

}  // namespace mien::backend

#ifdef MIEN_COMPILED_TEMPLATE
#define MIEN_COMPILED_TEMPLATES(T)                                                                                     \
  MIEN_COMPILED_TEMPLATE void seam_convolution(const Tensor<T, Cpu>&, const Tensor<T, Cpu>&, const PreparedKernel<T>*, \
                                               Tensor<T, Cpu>&, Tensor<T, Cpu>&);                                      \
  MIEN_COMPILED_TEMPLATE SuperImageMixGradient<T> super_image_mix_gradient(                                            \
      const Tensor<T, Cpu>&, const SuperImageWeights<T>&, const Tensor<T, Cpu>&);                                      \
  MIEN_COMPILED_TEMPLATE void seam_input_gradient(const SuperImageMixGradient<T>&, const Tensor<T, Cpu>&,              \
                                                  Tensor<T, Cpu>&);                                                    \
  MIEN_COMPILED_TEMPLATE void seam_weight_gradient(const Tensor<T, Cpu>&, const SuperImageMixGradient<T>&,             \
                                                   Tensor<T, Cpu>&);
#include "mien/backend/cpu/for_each_compiled_type.inc"
#endif
