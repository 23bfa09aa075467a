// Super images as copies, for the plain way of a convolution over them.
//
//     height, stacked:       [B, T, H, W, C] as it is         height, interleaved: [B, H, T, W, C]
//     width, stacked:        [B, H, T, W, C]                  width, interleaved:  [B, H, W, T, C]
//
// Each is a swap of two axes: runs of neighbouring numbers, [batch, rows, columns, run], become
// [batch, columns, rows, run].
//
// Launch: a thread a word of up to 16 bytes of the result, 256 a block, so that writes take whole lines; reads do where
// runs are a line long, and otherwise find the rest of a line in the nearest cache.
// Bytes: 2 B T H W C sizeof(T); no flops: bound by memory.

#include "mien/backend/cuda/kernels/super_image.hpp"
#include "portable.hpp"

namespace mien::kernels {
namespace {

constexpr int swap_threads = 256;

/// [batch, rows, columns, run], whose rows and columns change places.
struct SwappedAxes {
  Index batch, rows, columns, run;

  __host__ __device__ Index elements() const { return batch * rows * columns * run; }
};

template <class Word>
__global__ void __launch_bounds__(swap_threads, 1) copy_swapped(const Word* from, SwappedAxes axes, Word* to) {
  const Index i = static_cast<Index>(blockIdx.x) * swap_threads + threadIdx.x;
  if (i >= axes.elements()) return;
  const Index run = i / axes.run;
  const Index line = run / axes.rows;
  const Index row = run - line * axes.rows;
  const Index entry = line / axes.columns;
  const Index column = line - entry * axes.columns;
  to[i] = from[((entry * axes.rows + row) * axes.columns + column) * axes.run + (i - run * axes.run)];
}

/// Copies in words of that type if they begin and end where runs do.
template <class Word, class T>
bool copy_in_words(const T* from, const SwappedAxes& axes, T* to, cudaStream_t stream) {
  constexpr auto size = static_cast<Index>(sizeof(Word));
  const Index bytes = axes.run * static_cast<Index>(sizeof(T));
  const auto places = reinterpret_cast<std::uintptr_t>(from) | reinterpret_cast<std::uintptr_t>(to);
  if (bytes % size != 0 || places % sizeof(Word) != 0) return false;
  const SwappedAxes words{axes.batch, axes.rows, axes.columns, bytes / size};
  launch("super_image", copy_swapped<Word>, groups(words.elements(), swap_threads), swap_threads, stream,
         reinterpret_cast<const Word*>(from), words, reinterpret_cast<Word*>(to));
  return true;
}

template <class T>
void copy_runs(const T* from, const SwappedAxes& axes, T* to, cudaStream_t stream) {
  if (!copy_in_words<int4>(from, axes, to, stream) && !copy_in_words<int2>(from, axes, to, stream) &&
      !copy_in_words<int>(from, axes, to, stream))
    copy_in_words<short>(from, axes, to, stream);
}

/// Frames are the rows, and what they are laid between the columns.
SwappedAxes axes_of(const ClipSizes& sizes, bool height_view, SuperImageLayout layout) {
  const Index pixels = sizes.height * sizes.width;
  if (height_view && layout == SuperImageLayout::stacked)
    return {sizes.batch, 1, 1, sizes.frames * pixels * sizes.channels};
  if (!height_view && layout == SuperImageLayout::interleaved)
    return {sizes.batch, sizes.frames, pixels, sizes.channels};
  return {sizes.batch, sizes.frames, sizes.height, sizes.width * sizes.channels};
}

}  // namespace

template <class T>
void to_super_image(const T* x, const ClipSizes& sizes, bool height_view, SuperImageLayout layout, T* image,
                    cudaStream_t stream) {
  copy_runs(x, axes_of(sizes, height_view, layout), image, stream);
}

template <class T>
void from_super_image(const T* image, const ClipSizes& sizes, bool height_view, SuperImageLayout layout, T* x,
                      cudaStream_t stream) {
  const SwappedAxes axes = axes_of(sizes, height_view, layout);
  copy_runs(image, {axes.batch, axes.columns, axes.rows, axes.run}, x, stream);
}

#define MIEN_FOR(T)                                                                                      \
  template void to_super_image<T>(const T*, const ClipSizes&, bool, SuperImageLayout, T*, cudaStream_t); \
  template void from_super_image<T>(const T*, const ClipSizes&, bool, SuperImageLayout, T*, cudaStream_t);
MIEN_FOR(float)
MIEN_FOR(__nv_bfloat16)
MIEN_FOR(__half)
#undef MIEN_FOR

}  // namespace mien::kernels
