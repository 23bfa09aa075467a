#pragma once

/// Work on all numbers of arrays, 16 bytes a load: neighbouring threads take neighbouring packs of numbers. A thread
/// reads all of its packs before it writes one, so that the loads are under way together and results may go where
/// inputs came from.

#include "portable.hpp"

namespace mien::kernels {

/// Numbers that are loaded and stored at once.
template <class T, int width>
struct alignas(sizeof(T) * width) Pack {
  T numbers[width];
};

/// How many of them are 16 bytes.
template <class T>
inline constexpr int widest_pack = 16 / static_cast<int>(sizeof(T));

/// Whether packs may begin there.
template <int width, class T>
bool holds_packs(const T* data) {
  return reinterpret_cast<std::uintptr_t>(data) % sizeof(Pack<T, width>) == 0;
}

/// The pack at `from`, where the array has `left` numbers left; zeros beyond.
template <int width, class T>
__device__ inline Pack<T, width> load_pack(const T* from, Index left) {
  if (left >= width) return *reinterpret_cast<const Pack<T, width>*>(from);
  Pack<T, width> pack = {};
  MIEN_UNROLL(width)
  for (int i = 0; i < width; ++i)
    if (i < left) pack.numbers[i] = from[i];
  return pack;
}

template <int width, class T>
__device__ inline void store_pack(const Pack<T, width>& pack, T* to, Index left) {
  if (left >= width) {
    *reinterpret_cast<Pack<T, width>*>(to) = pack;
    return;
  }
  MIEN_UNROLL(width)
  for (int i = 0; i < width; ++i)
    if (i < left) to[i] = pack.numbers[i];
}

/// How a grid is laid over an array.
template <int width>
struct PackGrid {
  static constexpr int threads = 256;
  static constexpr int packs = width > 1 ? 2 : 8;  // of a thread
  static constexpr int step = threads * width;     // between them

  Index count;

  Index blocks() const { return groups(count, static_cast<Index>(packs) * step); }
};

template <class Body>
__global__ void __launch_bounds__(PackGrid<Body::width>::threads, 1)
    visit_packs(Body body, PackGrid<Body::width> grid) {
  using Grid = PackGrid<Body::width>;
  constexpr int packs = Grid::packs;
  const Index first = static_cast<Index>(blockIdx.x) * packs * Grid::step + threadIdx.x * Body::width;
  typename Body::Inputs inputs[packs];
  MIEN_UNROLL(packs)
  for (int p = 0; p < packs; ++p) {
    const Index i = first + p * Grid::step;
    if (i < grid.count) inputs[p] = body.load(i, grid.count - i);
  }
  MIEN_UNROLL(packs)
  for (int p = 0; p < packs; ++p) {
    const Index i = first + p * Grid::step;
    if (i < grid.count) body.store(i, grid.count - i, inputs[p]);
  }
}

/// For every pack of `Body::width` numbers from number i on, `left` to the end: `body.store(i, left, body.load(i,
/// left))`, where `load` gives Body::Inputs.
template <class Body>
void visit_all_packs(const char* name, const Body& body, Index count, cudaStream_t stream) {
  const PackGrid<Body::width> grid{count};
  launch(name, visit_packs<Body>, grid.blocks(), grid.threads, stream, body, grid);
}

}  // namespace mien::kernels
