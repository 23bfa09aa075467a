// Pictures as a network's input frames: one affine bilinear resampling, brightness and contrast, normalisation.
//
//     (x, y) = origin + u per_column + v per_row                  a place in the picture for one in the frame
//     frame[v, u, c] = (clamp(mean of samples about (x, y) * contrast + offset) - mean_c) / deviation_c
//
// Launch: a block of 128 threads takes 512 pixels of a frame, four a thread, 128 apart; they pass through shared
// memory so that writes take whole lines, whatever the number of channels.
// Bytes: each picture's once, neighbours from the nearest cache, and frames once. Flops: 10 a sample and channel, and
// some 40 a sample in double: bound by memory and by the four loads a sample and channel on devices that compute
// doubles at half the rate of floats, by doubles on others.
//
// Places are worked out in double and rounded after each step, as the CPU does it: with black bars a sample at the
// border counts or does not count.

#include "mien/backend/cuda/kernels/clip_preparation.hpp"
#include "portable.hpp"

namespace mien::kernels {
namespace {

constexpr int picture_threads = 128;
constexpr int pixels_per_block = 4 * picture_threads;
constexpr int most_channels = 3;

/// a + b c. A compiler would leave out the rounding of b c where it can.
__device__ inline double add_product(double a, double b, double c) {
#if defined(__CUDA_ARCH__)
  return __dadd_rn(a, __dmul_rn(b, c));
#else
  return a + b * c;
#endif
}

template <class Number>
__device__ inline Number clamp(Number value, Number low, Number high) {
  if (value < low) return low;
  return value > high ? high : value;
}

/// Adds one bilinear sample, times `weight`, to the sums of all channels.
template <int stored>
__device__ inline void add_sample(const std::uint8_t* pixels, const PreparedPicture& picture, double x, double y,
                                  bool black_outside, float weight, float (&sums)[stored]) {
  const double right = picture.width - 1;
  const double bottom = picture.height - 1;
  if (black_outside && (x < -0.5 || y < -0.5 || x > right + 0.5 || y > bottom + 0.5)) return;
  x = clamp(x, 0.0, right);
  y = clamp(y, 0.0, bottom);
  const auto column = static_cast<int>(x);
  const auto row = static_cast<int>(y);
  const auto part_x = static_cast<float>(x - column);
  const auto part_y = static_cast<float>(y - row);
  const Index line = static_cast<Index>(picture.width) * stored;
  const std::uint8_t* upper = pixels + row * line + column * stored;
  const std::uint8_t* lower = row + 1 < picture.height ? upper + line : upper;
  const int next = column + 1 < picture.width ? stored : 0;
  MIEN_UNROLL(3)
  for (int c = 0; c < stored; ++c) {
    const float above = (1 - part_x) * static_cast<float>(upper[c]) + part_x * static_cast<float>(upper[c + next]);
    const float below = (1 - part_x) * static_cast<float>(lower[c]) + part_x * static_cast<float>(lower[c + next]);
    sums[c] += weight * ((1 - part_y) * above + part_y * below);
  }
}

/// Where the i-th of some samples in a pixel lies, in pixels of the frame.
__device__ inline double sample_place(int pixel, int i, int samples) { return pixel + (i + 0.5) / samples - 0.5; }

/// The mean of the samples about a pixel of the frame, 0..1.
template <int stored>
__device__ inline void sample_pixel(const std::uint8_t* pixels, const PreparedPicture& picture, bool black_outside,
                                    int row, int column, float (&colour)[stored]) {
  const float weight = 1.0F / 255.0F / static_cast<float>(static_cast<Index>(picture.across) * picture.down);
  for (int i = 0; i < picture.down; ++i)
    for (int j = 0; j < picture.across; ++j) {
      const double v = sample_place(row, i, picture.down);
      const double u = sample_place(column, j, picture.across);
      const double x = add_product(add_product(picture.origin[0], u, picture.per_column[0]), v, picture.per_row[0]);
      const double y = add_product(add_product(picture.origin[1], u, picture.per_column[1]), v, picture.per_row[1]);
      add_sample(pixels, picture, x, y, black_outside, weight, colour);
    }
}

/// A pixel of a picture as `channels` numbers of the frame.
template <int stored>
__device__ inline void normalise_pixel(const ClipPreparation& preparation, const PreparedPicture& picture,
                                       const float (&colour)[stored], float* out) {
  const bool to_grey = stored == 3 && preparation.channels == 1;
  const float grey = 0.299F * colour[0] + 0.587F * colour[1 % stored] + 0.114F * colour[2 % stored];
  MIEN_UNROLL(3)
  for (int c = 0; c < most_channels; ++c)
    if (c < preparation.channels) {
      const float value = (to_grey ? grey : colour[c % stored]) * picture.contrast + picture.offset;
      out[c] = (clamp(value, 0.0F, 1.0F) - preparation.mean[c]) / preparation.deviation[c];
    }
}

template <class T, int stored>
__global__ void __launch_bounds__(picture_threads, 1)
    prepare_frames(const std::uint8_t* pixels, const PreparedPicture* pictures, ClipPreparation preparation,
                   T* frames) {
  MIEN_SHARED(float, numbers, pixels_per_block* most_channels);
  const int side = static_cast<int>(preparation.side);
  const int frame_pixels = side * side;
  const int blocks_per_frame = (frame_pixels + pixels_per_block - 1) / pixels_per_block;
  const int which = static_cast<int>(blockIdx.x) / blocks_per_frame;
  const int first = static_cast<int>(blockIdx.x) % blocks_per_frame * pixels_per_block;
  const int left = frame_pixels - first;
  const int count = left < pixels_per_block ? left : pixels_per_block;
  const PreparedPicture picture = pictures[which];
  for (int i = static_cast<int>(threadIdx.x); i < count; i += picture_threads) {
    const int row = (first + i) / side;
    float colour[stored] = {};
    sample_pixel(pixels + picture.first, picture, preparation.black_outside, row, first + i - row * side, colour);
    normalise_pixel(preparation, picture, colour, numbers + i * preparation.channels);
  }
  __syncthreads();
  frames += (static_cast<Index>(which) * frame_pixels + first) * preparation.channels;
  for (int i = static_cast<int>(threadIdx.x); i < count * preparation.channels; i += picture_threads)
    frames[i] = from_float<T>(numbers[i]);
}

}  // namespace

template <class T>
void prepare_clips(const std::uint8_t* pixels, const PreparedPicture* pictures, const ClipPreparation& preparation,
                   T* frames, cudaStream_t stream) {
  constexpr Index most = 32768;
  if (preparation.side > most)
    throw Error(detail::text("CUDA kernel prepare_clips: frames of side ", preparation.side, ", at most ", most));
  const Index blocks = preparation.pictures * groups(preparation.side * preparation.side, pixels_per_block);
  launch("prepare_clips", preparation.stored == 1 ? prepare_frames<T, 1> : prepare_frames<T, 3>, blocks,
         picture_threads, stream, pixels, pictures, preparation, frames);
}

#define MIEN_FOR(T) \
  template void prepare_clips<T>(const std::uint8_t*, const PreparedPicture*, const ClipPreparation&, T*, cudaStream_t);
MIEN_FOR(float)
MIEN_FOR(__nv_bfloat16)
MIEN_FOR(__half)
#undef MIEN_FOR

}  // namespace mien::kernels
