// Copies between arrays of any strides, one element repeated, and numbers of one type as another.
//
// Launch: three ways to copy, after axes that lie one in the other on both sides are taken as one, and neighbouring
// elements as one of up to 16 bytes:
// - all in one piece: the driver's copy;
// - the same axis nearest on both sides: a thread takes four elements, neighbouring threads neighbours of `to`;
// - another one, as from channels first to channels last: tiles through shared memory, which are read along the one
//   axis and written along the other.
// `fill` and `cast` go through arrays by packs (packs.hpp).
// Bytes: all elements once read and once written; for `fill`, written. No flops: bound by memory.
//
// Kernels count in 32 bits, where a division is a product (divisor.hpp); what has more elements is copied in parts.

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "divisor.hpp"
#include "mien/backend/cuda/kernels/copy.hpp"
#include "packs.hpp"
#include "parts.hpp"

namespace mien::kernels {
namespace {

constexpr int copy_threads = 256;
constexpr Index most_elements = Index{1} << 30;  // that a Divisor counts

/// The axes of a shape, the nearest last, as kernels go through them.
struct Axes {
  struct Axis {
    Divisor extent = Divisor(1);
    Index from_stride = 0;
    Index to_stride = 0;
  };
  int rank = 0;
  Axis axes[StridedShape::max_rank];

  /// Where element i is.
  __device__ Offsets offsets(int i) const {
    Offsets sum = {0, 0};
    for (int a = rank - 1; a >= 0; --a) {
      const Axis& axis = axes[a];
      const Division place = axis.extent.divide(i);
      sum.from += place.remainder * axis.from_stride;
      sum.to += place.remainder * axis.to_stride;
      i = place.quotient;
    }
    return sum;
  }
};

constexpr int elements_per_thread = 4;
constexpr int elements_per_block = elements_per_thread * copy_threads;

__device__ inline int first_element() { return static_cast<int>(blockIdx.x * elements_per_block + threadIdx.x); }

template <class Unit>
__global__ void __launch_bounds__(copy_threads, 1)
    copy_elements(const Unit* __restrict__ from, Unit* __restrict__ to, Axes axes, int count) {
  const int first = first_element();
  Unit units[elements_per_thread];
  Index places[elements_per_thread];
  MIEN_UNROLL(elements_per_thread)
  for (int k = 0; k < elements_per_thread; ++k) {
    const int i = first + k * copy_threads;
    if (i >= count) break;
    const Offsets offsets = axes.offsets(i);
    units[k] = from[offsets.from];
    places[k] = offsets.to;
  }
  MIEN_UNROLL(elements_per_thread)
  for (int k = 0; k < elements_per_thread; ++k) {
    if (first + k * copy_threads >= count) break;
    to[places[k]] = units[k];
  }
}

template <class Unit>
__global__ void __launch_bounds__(copy_threads, 1) fill_elements(Unit value, Unit* to, Axes axes, int count) {
  const int first = first_element();
  for (int k = 0; k < elements_per_thread; ++k) {
    const int i = first + k * copy_threads;
    if (i >= count) break;
    to[axes.offsets(i).to] = value;
  }
}

/// Two axes in tiles of powers of two: `near_from`, nearest in `from`, and `near_to`, nearest in `to`. The others go
/// from block to block.
struct Tiles {
  struct Axis {
    int extent;
    int bits;  ///< of places in a tile
    Divisor tiles;
    Index from_stride, to_stride;
  };
  Axis near_from, near_to;
  Axes others;
  Index blocks;
};

template <class Unit>
inline constexpr int tile_bits = sizeof(Unit) <= 2 ? 12 : 10;

template <class Unit>
__global__ void __launch_bounds__(copy_threads, 1)
    copy_tiles(const Unit* __restrict__ from, Unit* __restrict__ to, Tiles tiles) {
  constexpr int count = 1 << tile_bits<Unit>;
  MIEN_SHARED(Unit, tile, count + count / 2);
  const Tiles::Axis& near_from = tiles.near_from;
  const Tiles::Axis& near_to = tiles.near_to;
  const Division along_to = near_to.tiles.divide(static_cast<int>(blockIdx.x));
  const Division along_from = near_from.tiles.divide(along_to.quotient);
  const int first_from = along_from.remainder << near_from.bits;
  const int first_to = along_to.remainder << near_to.bits;
  const Offsets others = tiles.others.offsets(along_from.quotient);
  from += others.from + first_from * near_from.from_stride + first_to * near_to.from_stride;
  to += others.to + first_from * near_from.to_stride + first_to * near_to.to_stride;
  const int pitch = (1 << near_from.bits) + 1;  // neighbours along the other axis in different banks

  MIEN_UNROLL(4)
  for (int k = 0; k < count / copy_threads; ++k) {
    const int i = static_cast<int>(threadIdx.x) + k * copy_threads;
    const int b = i >> near_from.bits;
    const int a = i - (b << near_from.bits);
    if (first_from + a < near_from.extent && first_to + b < near_to.extent)
      tile[b * pitch + a] = from[a * near_from.from_stride + b * near_to.from_stride];
  }
  __syncthreads();
  MIEN_UNROLL(4)
  for (int k = 0; k < count / copy_threads; ++k) {
    const int i = static_cast<int>(threadIdx.x) + k * copy_threads;
    const int a = i >> near_to.bits;
    const int b = i - (a << near_to.bits);
    if (first_from + a < near_from.extent && first_to + b < near_to.extent)
      to[a * near_from.to_stride + b * near_to.to_stride] = tile[b * pitch + a];
  }
}

Index size_of(Index stride) { return stride < 0 ? -stride : stride; }

void swap_axes(StridedShape& shape, int a, int b) {
  std::swap(shape.extents[a], shape.extents[b]);
  std::swap(shape.from_strides[a], shape.from_strides[b]);
  std::swap(shape.to_strides[a], shape.to_strides[b]);
}

/// The same places with as few axes as there can be, the nearest in `to` last.
StridedShape simplified(const StridedShape& shape) {
  StridedShape sorted = shape;
  for (int last = 1; last < sorted.rank; ++last)
    for (int axis = last; axis > 0 && size_of(sorted.to_strides[axis]) > size_of(sorted.to_strides[axis - 1]); --axis)
      swap_axes(sorted, axis, axis - 1);
  StridedShape out = {};
  for (int axis = 0; axis < sorted.rank; ++axis) {
    const Index extent = sorted.extents[axis];
    if (extent == 1) continue;
    const Index from_stride = sorted.from_strides[axis];
    const Index to_stride = sorted.to_strides[axis];
    const int before = out.rank - 1;
    const bool joins =
        before >= 0 && out.from_strides[before] == extent * from_stride && out.to_strides[before] == extent * to_stride;
    const int into = joins ? before : out.rank++;
    out.extents[into] = joins ? out.extents[into] * extent : extent;
    out.from_strides[into] = from_stride;
    out.to_strides[into] = to_stride;
  }
  return out;
}

bool is_even(const void* data, int bytes) { return reinterpret_cast<std::uintptr_t>(data) % (2 * bytes) == 0; }

/// A shape whose elements are so large.
struct Units {
  StridedShape shape;
  int bytes;
};

/// Neighbours as one element, as far as places and alignment allow.
Units widened(const void* from, const void* to, const StridedShape& shape, int element_bytes) {
  Units units = {simplified(shape), element_bytes};
  StridedShape& wide = units.shape;
  const int last = wide.rank - 1;
  if (last < 0 || wide.from_strides[last] != 1 || wide.to_strides[last] != 1) return units;
  const auto divides_in_two = [&] {
    bool even = is_even(from, units.bytes) && is_even(to, units.bytes) && wide.extents[last] % 2 == 0;
    for (int axis = 0; axis < last; ++axis)
      even = even && wide.from_strides[axis] % 2 == 0 && wide.to_strides[axis] % 2 == 0;
    return even;
  };
  while (units.bytes < 16 && divides_in_two()) {
    units.bytes *= 2;
    wide.extents[last] /= 2;
    for (int axis = 0; axis < last; ++axis) {
      wide.from_strides[axis] /= 2;
      wide.to_strides[axis] /= 2;
    }
  }
  wide = simplified(wide);
  return units;
}

/// body(Unit{}), for the unit of that size.
template <class Body>
void with_unit(int bytes, const Body& body) {
  switch (bytes) {
    case 1:
      return body(std::uint8_t{});
    case 2:
      return body(std::uint16_t{});
    case 4:
      return body(std::uint32_t{});
    case 8:
      return body(std::uint64_t{});
    default:
      return body(uint4{});
  }
}

void check_element_bytes(const char* operation, int bytes) {
  if (bytes != 1 && bytes != 2 && bytes != 4 && bytes != 8)
    throw Error(detail::text(operation, ": elements of ", bytes, " bytes, expected 1, 2, 4 or 8"));
}

/// All axes but two.
Axes axes_of(const StridedShape& shape, int without = -1, int nor = -1) {
  Axes axes = {};
  for (int axis = 0; axis < shape.rank; ++axis) {
    if (axis == without || axis == nor) continue;
    axes.axes[axes.rank++] = {Divisor(shape.extents[axis]), shape.from_strides[axis], shape.to_strides[axis]};
  }
  return axes;
}

/// The axis whose elements are nearest to each other in `from`, of those that are not all the same one.
int nearest_in_from(const StridedShape& shape) {
  int nearest = shape.rank - 1;
  for (int axis = shape.rank - 2; axis >= 0; --axis) {
    const Index stride = size_of(shape.from_strides[axis]);
    if (stride != 0 && stride < size_of(shape.from_strides[nearest])) nearest = axis;
  }
  return nearest;
}

/// Bits for places along an axis, at most so many.
int bits_for(Index extent, int most) {
  const auto bits = static_cast<int>(std::bit_width(static_cast<std::uint64_t>(extent - 1)));
  return bits < most ? bits : most;
}

Tiles tiles_of(const StridedShape& shape, int near_from, int bits) {
  const int near_to = shape.rank - 1;
  // As square as the extents allow.
  const int bits_to = bits_for(shape.extents[near_to], bits / 2);
  const int bits_from = bits_for(shape.extents[near_from], bits - bits_to);
  const auto axis = [&](int of, int its_bits) {
    return Tiles::Axis{static_cast<int>(shape.extents[of]), its_bits,
                       Divisor(groups(shape.extents[of], Index{1} << its_bits)), shape.from_strides[of],
                       shape.to_strides[of]};
  };
  Tiles tiles = {axis(near_from, bits_from), axis(near_to, bits_for(shape.extents[near_to], bits - bits_from)),
                 axes_of(shape, near_from, near_to), 1};
  tiles.blocks = static_cast<Index>(tiles.near_from.tiles.value()) * tiles.near_to.tiles.value();
  for (int other = 0; other < tiles.others.rank; ++other) tiles.blocks *= tiles.others.axes[other].extent.value();
  return tiles;
}

template <class Unit>
void copy_units(const Unit* from, Unit* to, const StridedShape& shape, cudaStream_t stream) {
  constexpr int bits = tile_bits<Unit>;
  const Index count = elements(shape);
  const int near_from = nearest_in_from(shape);
  if (near_from != shape.rank - 1) {
    const Tiles tiles = tiles_of(shape, near_from, bits);
    if (tiles.near_from.bits + tiles.near_to.bits == bits) {
      launch("copy_strided", copy_tiles<Unit>, tiles.blocks, copy_threads, stream, from, to, tiles);
      return;
    }
  }
  launch("copy_strided", copy_elements<Unit>, groups(count, elements_per_block), copy_threads, stream, from, to,
         axes_of(shape), count);
}

bool is_one_piece(const StridedShape& shape) {
  return shape.rank == 0 || (shape.rank == 1 && shape.from_strides[0] == 1 && shape.to_strides[0] == 1);
}

/// 16 bytes of equal elements.
struct RepeatedElement {
  unsigned char bytes[16];

  RepeatedElement(const void* value, int element_bytes) {
    for (int i = 0; i < 16; i += element_bytes) std::memcpy(bytes + i, value, static_cast<std::size_t>(element_bytes));
  }

  template <class Unit>
  Unit as() const {
    Unit unit;
    std::memcpy(&unit, bytes, sizeof(Unit));
    return unit;
  }
};

template <class Unit, int pack_width>
struct FillPacks {
  static constexpr int width = pack_width;
  struct Inputs {};
  Unit value;
  Unit* to;

  __device__ Inputs load(Index, Index) const { return {}; }
  __device__ void store(Index i, Index left, Inputs) const {
    Pack<Unit, width> pack;
    MIEN_UNROLL(width)
    for (Unit& unit : pack.numbers) unit = value;
    store_pack(pack, to + i, left);
  }
};

template <class Unit>
void fill_units(Unit value, Unit* to, Index count, cudaStream_t stream) {
  constexpr int width = widest_pack<Unit>;
  if (holds_packs<width>(to)) {
    visit_all_packs("fill", FillPacks<Unit, width>{value, to}, count, stream);
  } else {
    visit_all_packs("fill", FillPacks<Unit, 1>{value, to}, count, stream);
  }
}

template <class From>
__device__ inline float number_of(From value) {
  return to_float(value);
}
__device__ inline float number_of(std::uint8_t value) { return static_cast<float>(value); }

template <class From, class To, int pack_width>
struct CastPacks {
  static constexpr int width = pack_width;
  using Inputs = Pack<From, width>;
  const From* from;
  To* to;

  __device__ Inputs load(Index i, Index left) const { return load_pack<width>(from + i, left); }
  __device__ void store(Index i, Index left, const Inputs& inputs) const {
    Pack<To, width> results;
    MIEN_UNROLL(width)
    for (int k = 0; k < width; ++k) results.numbers[k] = from_float<To>(number_of(inputs.numbers[k]));
    store_pack(results, to + i, left);
  }
};

}  // namespace

void copy_strided(const void* from, void* to, const StridedShape& shape, int element_bytes, cudaStream_t stream) {
  check_element_bytes("copy_strided", element_bytes);
  const Units units = widened(from, to, shape, element_bytes);
  if (is_one_piece(units.shape)) {
    const auto bytes = static_cast<std::size_t>(elements(units.shape) * units.bytes);
    require_launched("copy_strided", cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream));
    return;
  }
  with_unit(units.bytes, [&]<class Unit>(Unit) {
    in_parts(units.shape, most_elements, {0, 0}, [&](const StridedShape& part, const Offsets& first) {
      copy_units(static_cast<const Unit*>(from) + first.from, static_cast<Unit*>(to) + first.to, part, stream);
    });
  });
}

void fill(const void* value, void* to, Index count, int element_bytes, cudaStream_t stream) {
  check_element_bytes("fill", element_bytes);
  const RepeatedElement repeated(value, element_bytes);
  with_unit(element_bytes,
            [&]<class Unit>(Unit) { fill_units(repeated.as<Unit>(), static_cast<Unit*>(to), count, stream); });
}

void fill_strided(const void* value, void* to, const StridedShape& shape, int element_bytes, cudaStream_t stream) {
  check_element_bytes("fill_strided", element_bytes);
  StridedShape both = shape;
  std::copy_n(shape.to_strides, StridedShape::max_rank, both.from_strides);
  const Units units = widened(to, to, both, element_bytes);
  if (is_one_piece(units.shape)) {
    fill(value, to, elements(shape), element_bytes, stream);
    return;
  }
  const RepeatedElement repeated(value, element_bytes);
  with_unit(units.bytes, [&]<class Unit>(Unit) {
    in_parts(units.shape, most_elements, {0, 0}, [&](const StridedShape& part, const Offsets& first) {
      const Index count = elements(part);
      launch("fill_strided", fill_elements<Unit>, groups(count, elements_per_block), copy_threads, stream,
             repeated.as<Unit>(), static_cast<Unit*>(to) + first.to, axes_of(part), count);
    });
  });
}

template <class From, class To>
void cast(const From* from, Index count, To* to, cudaStream_t stream) {
  constexpr int width = widest_pack<From> < widest_pack<To> ? widest_pack<From> : widest_pack<To>;
  if (holds_packs<width>(from) && holds_packs<width>(to)) {
    visit_all_packs("cast", CastPacks<From, To, width>{from, to}, count, stream);
  } else {
    visit_all_packs("cast", CastPacks<From, To, 1>{from, to}, count, stream);
  }
}

#define MIEN_FOR(T)                                                                    \
  template void cast<float, T>(const float*, Index, T*, cudaStream_t);                 \
  template void cast<__nv_bfloat16, T>(const __nv_bfloat16*, Index, T*, cudaStream_t); \
  template void cast<__half, T>(const __half*, Index, T*, cudaStream_t);               \
  template void cast<std::uint8_t, T>(const std::uint8_t*, Index, T*, cudaStream_t);
MIEN_FOR(float)
MIEN_FOR(__nv_bfloat16)
MIEN_FOR(__half)
#undef MIEN_FOR

}  // namespace mien::kernels
