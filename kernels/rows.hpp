#pragma once

/// Work on the pixels of a map [images, rows, columns, channels], a thread a number: neighbouring threads take
/// neighbouring numbers of a row of pixels, so that loads take whole lines whatever the number of channels.

#include "portable.hpp"

namespace mien::kernels {

inline constexpr int threads_per_block = 256;

/// Rows of pixels in parts of a block's threads, and in strips of some rows.
struct RowParts {
  Index images, rows, row_elements, strip;

  __host__ __device__ Index parts() const { return groups(row_elements, threads_per_block); }
  __host__ __device__ Index strips() const { return groups(rows, strip); }
  Index blocks() const { return images * strips() * parts(); }
};

/// What a thread takes: one channel of one column, and the rows of a strip from `row` on.
struct RowPart {
  Index image, row, element, column, channel;

  __device__ RowPart(const RowParts& all, Index channels) {
    const Index block = blockIdx.x;
    element = block % all.parts() * threads_per_block + threadIdx.x;
    row = block / all.parts() % all.strips() * all.strip;
    image = block / all.parts() / all.strips();
    column = element / channels;
    channel = element - column * channels;
  }
};

/// Where a part's number is in its map, whose rows of pixels those of `all` are.
__device__ inline Index place_of(const RowParts& all, const RowPart& part) {
  return (part.image * all.rows + part.row) * all.row_elements + part.element;
}

}  // namespace mien::kernels
