// Dropout: each number is 0 with some probability, and else scaled; the random numbers are those of the CPU.
//
// Launch: a thread takes two packs of 16 bytes, or eight numbers where a pointer is not aligned; 256 threads a block
// (packs.hpp). No mask is stored: number i has part i % 4 of what Philox gives for counter i / 4.
// Bytes: x is read and out written once, 2 count sizeof(T). Some 30 integer operations a number: bound by memory, of
// 16-bit numbers by both alike.

#include <cmath>

#include "mien/backend/cuda/kernels/dropout.hpp"
#include "packs.hpp"

namespace mien::kernels {
namespace {

constexpr int numbers_per_counter = 4;

__device__ inline RandomPlace resolved(const RandomPlace& place) {
  if (place.origin == nullptr) return place;
  return {place.origin[0], place.origin[2] + place.counter, place.origin[1]};
}

/// Four 32-bit numbers for the counter that comes so many after: detail::philox of mien/core/random.hpp, which device
/// code cannot call.
__device__ inline uint4 philox(const RandomPlace& place, Index after) {
  const std::uint64_t counter = place.counter + static_cast<std::uint64_t>(after);
  uint4 x = {static_cast<std::uint32_t>(counter), static_cast<std::uint32_t>(counter >> 32),
             static_cast<std::uint32_t>(place.stream), static_cast<std::uint32_t>(place.stream >> 32)};
  auto key0 = static_cast<std::uint32_t>(place.seed);
  auto key1 = static_cast<std::uint32_t>(place.seed >> 32);
  MIEN_UNROLL(10)
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t product0 = std::uint64_t{0xD2511F53} * x.x;
    const std::uint64_t product1 = std::uint64_t{0xCD9E8D57} * x.z;
    x = {static_cast<std::uint32_t>(product1 >> 32) ^ x.y ^ key0, static_cast<std::uint32_t>(product1),
         static_cast<std::uint32_t>(product0 >> 32) ^ x.w ^ key1, static_cast<std::uint32_t>(product0)};
    key0 += 0x9E3779B9;
    key1 += 0xBB67AE85;
  }
  return x;
}

__device__ inline std::uint32_t part_of(const uint4& four, int part) {
  if (part == 0) return four.x;
  if (part == 1) return four.y;
  return part == 2 ? four.z : four.w;
}

/// The least of the 24-bit numbers that are kept, bits 2^-24 >= probability: both sides are exact, times 2^24 too.
std::uint32_t least_kept(double probability) { return static_cast<std::uint32_t>(std::ceil(probability * 0x1p24)); }

__device__ inline bool is_kept(std::uint32_t bits, std::uint32_t least) { return bits >> 8 >= least; }

template <class T, int pack_width>
struct Drop {
  static constexpr int width = pack_width;
  using Inputs = Pack<T, width>;
  RandomPlace place;
  std::uint32_t least;
  float factor;
  const T* x;
  T* out;

  __device__ Inputs load(Index i, Index left) const { return load_pack<width>(x + i, left); }
  __device__ void store(Index i, Index left, const Inputs& numbers) const {
    // A pack begins with the first number of a counter, unless it is a number alone.
    const int first_part = width == 1 ? static_cast<int>(i % numbers_per_counter) : 0;
    Pack<T, width> results;
    uint4 drawn = {};
    const RandomPlace begin = resolved(place);
    MIEN_UNROLL(width)
    for (int k = 0; k < width; ++k) {
      if (k % numbers_per_counter == 0) drawn = philox(begin, (i + k) / numbers_per_counter);
      const std::uint32_t bits = part_of(drawn, first_part + k % numbers_per_counter);
      results.numbers[k] = from_float<T>(is_kept(bits, least) ? to_float(numbers.numbers[k]) * factor : 0);
    }
    store_pack(results, out + i, left);
  }
};

}  // namespace

template <class T>
void dropout(const T* x, double probability, const RandomPlace& place, Index count, T* out, cudaStream_t stream) {
  constexpr int width = widest_pack<T>;
  const std::uint32_t least = least_kept(probability);
  const auto factor = static_cast<float>(1 / (1 - probability));
  if (holds_packs<width>(x) && holds_packs<width>(out)) {
    visit_all_packs("dropout", Drop<T, width>{place, least, factor, x, out}, count, stream);
  } else {
    visit_all_packs("dropout", Drop<T, 1>{place, least, factor, x, out}, count, stream);
  }
}

#define MIEN_FOR(T) template void dropout<T>(const T*, double, const RandomPlace&, Index, T*, cudaStream_t);
MIEN_FOR(float)
MIEN_FOR(__nv_bfloat16)
MIEN_FOR(__half)
#undef MIEN_FOR

}  // namespace mien::kernels
