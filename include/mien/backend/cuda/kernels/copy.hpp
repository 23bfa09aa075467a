#pragma once

/// What kernels/copy.cu offers to host code: elements moved as they are, whatever they mean, and numbers made into
/// another type. Pointers are the device's unless it is said otherwise. Throws Error if a kernel cannot be started or
/// elements are not of 1, 2, 4 or 8 bytes.

#include <cuda_runtime.h>

#include <cstdint>

namespace mien::kernels {

/// Where the elements of an array are, `rank` axes of it; strides count elements.
struct StridedShape {
  static constexpr int max_rank = 8;

  int rank;
  std::int64_t extents[max_rank];
  std::int64_t from_strides[max_rank];
  std::int64_t to_strides[max_rank];
};

/// All elements of `from`, to where `to` has them, aligned as their size asks. The two must not share memory, and no
/// two elements of `to` the same; an element of `from` may be read many times.
void copy_strided(const void* from, void* to, const StridedShape& shape, int element_bytes, cudaStream_t stream);

/// `count` elements like the one at `value`, in host memory.
void fill(const void* value, void* to, std::int64_t count, int element_bytes, cudaStream_t stream);

/// The same for the elements of a shape; its from_strides are not looked at.
void fill_strided(const void* value, void* to, const StridedShape& shape, int element_bytes, cudaStream_t stream);

/// The same numbers as another type, rounded to the nearest. From and To are float, __nv_bfloat16 or __half; From is
/// also std::uint8_t.
template <class From, class To>
void cast(const From* from, std::int64_t count, To* to, cudaStream_t stream);

}  // namespace mien::kernels
