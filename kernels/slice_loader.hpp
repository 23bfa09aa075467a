#pragma once

/// How the threads of a block bring the factors of a product to shared memory, a slice of the depth after the other;
/// see tiled_product.hpp.

#include <cstring>

#include "tile_fragments.hpp"

namespace mien::kernels {

/// Writes to shared memory at once; the compiler cuts some into four.
__device__ inline void store_shared(uint4* to, const uint4& words) {
#if defined(__CUDA_ARCH__)
  asm volatile("st.shared.v4.u32 [%0], {%1, %2, %3, %4};" ::"r"(static_cast<unsigned>(__cvta_generic_to_shared(to))),
               "r"(words.x), "r"(words.y), "r"(words.z), "r"(words.w)
               : "memory");
#else
  *to = words;
#endif
}

/// Neighbours that are read and written 16 bytes at a time.
template <class Number, int length>
struct Run {
  static constexpr int parts = length * static_cast<int>(sizeof(Number)) / 16;
  Number numbers[length];

  __device__ void read(const Number* from) {
    uint4 words[parts];
    MIEN_UNROLL(parts)
    for (int i = 0; i < parts; ++i) words[i] = reinterpret_cast<const uint4*>(from)[i];
    std::memcpy(numbers, words, sizeof(words));
  }
  /// Zeros from nowhere.
  __device__ void read_or_clear(const Number* from) {
    if (from != nullptr) return read(from);
    MIEN_UNROLL(length)
    for (int e = 0; e < length; ++e) numbers[e] = from_float<Number>(0);
  }
  /// To shared memory.
  __device__ void write(Number* to) const {
    uint4 words[parts];
    std::memcpy(words, numbers, sizeof(words));
    MIEN_UNROLL(parts)
    for (int i = 0; i < parts; ++i) store_shared(reinterpret_cast<uint4*>(to) + i, words[i]);
  }
};

/// Shared memory, in which fragments begin at a multiple of 32 bytes.
struct alignas(32) SharedLine {
  unsigned char bytes[32];
};

/// Brings slices of one side of a product to shared memory, which are `extent` positions wide and `depth` deep. There
/// they lie as in memory: lines along the depth, one for each position, or along positions, one for each depth. Lines
/// are padded so that fragments of neighbouring ones are in different banks. Tables in shared memory say where the
/// tile's positions are, and a slice's depths.
template <class Side, class AnyStored, int extent, int depth, int length, int threads>
class SliceLoader {
 public:
  using Stored = AnyStored;
  using Number = typename Side::Number;
  using Position = typename Side::Position;
  using Depth = typename Side::Depth;
  static constexpr bool depth_adjacent = Side::depth_adjacent;
  static constexpr int slice = depth;
  static constexpr int pitch = depth_adjacent ? depth + 16 / static_cast<int>(sizeof(Stored)) : extent + 8;
  static constexpr int bytes = (depth_adjacent ? extent : depth) * pitch * static_cast<int>(sizeof(Stored));
  static constexpr int lines = bytes / static_cast<int>(sizeof(SharedLine));  ///< of a slice
  static_assert(bytes % sizeof(SharedLine) == 0);

  /// Fills the table of positions.
  __device__ SliceLoader(const Side& side, Position* positions, int first_position, int all_positions)
      : side_(side), positions_(positions), count_(all_positions - first_position) {
    for (int i = static_cast<int>(threadIdx.x); i < extent && i < count_; i += threads)
      positions[i] = side.position(first_position + i);
  }

  /// Where a number of a slice is in shared memory.
  __device__ static constexpr int offset(int position, int k) {
    return depth_adjacent ? position * pitch + k : k * pitch + position;
  }

  /// Reads the thread's runs of the slice from `first` on into registers.
  __device__ void load(const Depth* depths, int first, int last) {
    if (side_.run() == 0) return;
    if constexpr (depth_adjacent) {
      const int k = first + in_line();
      if (k >= run_end_ && k < last) enter_runs(depths, k);
      MIEN_UNROLL(count)
      for (int i = 0; i < count; ++i)
        loaded_[i].read_or_clear(k < last && from_[i] != nullptr ? from_[i] + (k - entered_) : nullptr);
    } else {
      const Position own = own_entry(in_line(), depths);
      MIEN_UNROLL(count)
      for (int i = 0; i < count; ++i) loaded_[i].read_or_clear(at(line_of(i), in_line(), own, depths, last - first));
    }
  }

  /// Writes that slice to shared memory, as it is multiplied. Where there are no runs it is read only now, neighbours
  /// by neighbouring threads.
  template <class Factor>
  __device__ void store(Stored* to, const Depth* depths, int first, int last) const {
    if (side_.run() > 0) {
      MIEN_UNROLL(count)
      for (int i = 0; i < count; ++i) {
        Run<Stored, length> run;
        MIEN_UNROLL(length)
        for (int e = 0; e < length; ++e) run.numbers[e] = rounded_factor<Factor>(loaded_[i].numbers[e]);
        run.write(to + line_of(i) * pitch + in_line());
      }
      return;
    }
    gather<Factor>(to, depths, last - first);
  }

 private:
  static constexpr int line_length = depth_adjacent ? depth : extent;
  static constexpr int line_count = depth_adjacent ? extent : depth;
  static constexpr int runs_of_line = line_length / length;
  static constexpr int lines_at_once = threads / runs_of_line;
  static constexpr int count = line_count / lines_at_once;
  static_assert(threads % line_length == 0 && count * lines_at_once * runs_of_line * length == extent * depth);

  /// Of the thread's run i: its line, and where in that it begins.
  __device__ static int line_of(int i) { return static_cast<int>(threadIdx.x) / runs_of_line + i * lines_at_once; }
  __device__ static int in_line() { return static_cast<int>(threadIdx.x) % runs_of_line * length; }

  /// The entry for where in its lines a thread is.
  __device__ auto own_entry(int i, const Depth* depths) const {
    if constexpr (depth_adjacent) {
      return depths[i];
    } else {
      return positions_[i];
    }
  }
  /// The number of a line that has an entry; null for zero, as beyond the positions and the depths that are left.
  template <class Entry>
  __device__ const Number* at(int line, int i, const Entry& entry, const Depth* depths, int depths_left) const {
    const int position = depth_adjacent ? line : i;
    const int k = depth_adjacent ? i : line;
    if (k >= depths_left || position >= count_) return nullptr;
    if constexpr (depth_adjacent) {
      return side_.at(positions_[line], entry);
    } else {
      return side_.at(entry, depths[line]);
    }
  }

  /// Numbers by themselves, neighbours by neighbouring threads.
  template <class Factor>
  __device__ void gather(Stored* to, const Depth* depths, int depths_left) const {
    const int i = static_cast<int>(threadIdx.x) % line_length;
    const auto entry = own_entry(i, depths);
    MIEN_UNROLL(2)
    for (int line = static_cast<int>(threadIdx.x) / line_length; line < line_count; line += threads / line_length) {
      const Number* const from = at(line, i, entry, depths, depths_left);
      to[line * pitch + i] = rounded_factor<Factor>(from != nullptr ? *from : from_float<Number>(0));
    }
  }

  /// Runs along the depth are looked up once, where they are entered.
  __device__ void enter_runs(const Depth* depths, int k) {
    entered_ = k;
    run_end_ = k - k % side_.run() + side_.run();
    const Depth own = own_entry(in_line(), depths);
    MIEN_UNROLL(count)
    for (int i = 0; i < count; ++i) from_[i] = at(line_of(i), in_line(), own, depths, slice);
  }

  Side side_;
  const Position* positions_;
  int count_;
  int entered_ = 0;
  int run_end_ = 0;
  const Number* from_[depth_adjacent ? count : 1];
  Run<Number, length> loaded_[count];
};

/// Calls `body(left, right)` for all slices of a part's depth, which are in shared memory then. There is room for two
/// slices of each factor and the depths of two.
template <class Factor, class Problem, class Part, class Left, class Right, class Body>
__device__ inline void for_slices(const Problem& problem, const Part& part, Left& left, Right& right,
                                  SharedLine* left_slices, SharedLine* right_slices, typename Problem::Depth* depths,
                                  const Body& body) {
  using Stored = typename Left::Stored;
  constexpr int slice = Left::slice;
  const int thread = static_cast<int>(threadIdx.x);
  const auto slice_in = [](SharedLine* memory) { return reinterpret_cast<Stored*>(memory); };
  int buffer = 1;
  if (thread < slice && part.first + thread < part.last) depths[thread] = problem.depth(part.first + thread);
  __syncthreads();
  for (int start = part.first; start < part.last + slice; start += slice) {
    const bool is_slice = start < part.last;
    const auto* const slice_depths = depths + (1 - buffer) * slice;
    if (is_slice) {
      left.load(slice_depths, start, part.last);
      right.load(slice_depths, start, part.last);
    }
    if (start > part.first)
      body(slice_in(left_slices + buffer * Left::lines), slice_in(right_slices + buffer * Right::lines));
    if (!is_slice) break;
    left.template store<Factor>(slice_in(left_slices + (1 - buffer) * Left::lines), slice_depths, start, part.last);
    right.template store<Factor>(slice_in(right_slices + (1 - buffer) * Right::lines), slice_depths, start, part.last);
    if (thread < slice && start + slice + thread < part.last)
      depths[buffer * slice + thread] = problem.depth(start + slice + thread);
    buffer = 1 - buffer;
    __syncthreads();
  }
}

}  // namespace mien::kernels
