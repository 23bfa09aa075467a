// Values by channel put over the rows of [rows, channels] or of every entry of [batch, positions, channels], and sums
// over those rows. Maps are of any type, values and sums of floats.
//
//     x + bias     x scale + shift     x weights     values factor          sums of x and of a b
//
// Launch: a thread takes the same 16 bytes of channels in four rows, or one channel in eight rows where packs do not
// fit, and the 256 threads of a block as many rows as they can: narrow maps keep nearly all of them busy. Sums are
// those of columns.hpp: in two kernels, chunks of rows first.
// Bytes: each map once, to read or to write. Flops: at most two a number: bound by memory.

#include "columns.hpp"
#include "mien/backend/cuda/kernels/channels.hpp"
#include "packs.hpp"

namespace mien::kernels {
namespace {

/// How a grid is laid over [batch, rows, channels].
template <int width>
struct ChannelGrid {
  static constexpr int threads = 256;
  static constexpr int rows_per_thread = width > 1 ? 4 : 8;

  Index batch, rows, packs, pack_groups, row_groups;
  int across, down;  // threads of a block

  ChannelGrid(Index entries, Index all_rows, Index channels)
      : batch(entries),
        rows(all_rows),
        packs(channels / width),
        pack_groups(groups(packs, threads)),
        row_groups(0),
        across(packs == 0 ? 1 : static_cast<int>(groups(packs, pack_groups))),
        down(threads / across) {
    row_groups = groups(rows, static_cast<Index>(down) * rows_per_thread);
  }

  Index blocks() const { return batch * row_groups * pack_groups; }
};

/// Maps x and out [batch, rows, channels], and values for the channels of each entry [batch, channels]. What a function
/// does not use is null and counts as zeros.
template <class Numbers, class Values>
struct ChannelMaps {
  const Numbers* x;
  const Values* first;
  const Values* second;
  Numbers* out;
};

template <class Numbers>
__device__ inline Numbers load_if_there(const Numbers* data, Index place) {
  if (data == nullptr) return {};
  return data[place];
}

/// out = function(x, first, second). A thread reads all of its rows before it writes one, since out may be x.
template <class T, int width, class Function>
__global__ void __launch_bounds__(ChannelGrid<width>::threads, 1)
    combine_with_channels(Function function, ChannelMaps<Pack<T, width>, Pack<float, width>> maps,
                          ChannelGrid<width> grid) {
  constexpr int count = ChannelGrid<width>::rows_per_thread;
  const int thread = static_cast<int>(threadIdx.x);
  const int down = thread / grid.across;
  const Index row_group = static_cast<Index>(blockIdx.x) / grid.pack_groups;
  const Index pack = (blockIdx.x - row_group * grid.pack_groups) * grid.across + thread - down * grid.across;
  const Index entry = row_group / grid.row_groups;
  const Index row = (row_group - entry * grid.row_groups) * grid.down * count + down;
  if (down >= grid.down || pack >= grid.packs) return;

  const auto first = load_if_there(maps.first, entry * grid.packs + pack);
  const auto second = load_if_there(maps.second, entry * grid.packs + pack);
  const Index place = (entry * grid.rows + row) * grid.packs + pack;
  const Index step = grid.down * grid.packs;
  Pack<T, width> rows[count];
  MIEN_UNROLL(count)
  for (int k = 0; k < count; ++k)
    if (row + k * grid.down < grid.rows) rows[k] = load_if_there(maps.x, place + k * step);
  MIEN_UNROLL(count)
  for (int k = 0; k < count; ++k) {
    if (row + k * grid.down >= grid.rows) break;
    Pack<T, width> results;
    MIEN_UNROLL(width)
    for (int i = 0; i < width; ++i)
      results.numbers[i] = from_float<T>(function(to_float(rows[k].numbers[i]), first.numbers[i], second.numbers[i]));
    maps.out[place + k * step] = results;
  }
}

struct AddBias {
  __device__ float operator()(float x, float bias, float) const { return x + bias; }
};
struct ScaleShift {
  __device__ float operator()(float x, float scale, float shift) const { return x * scale + shift; }
};
struct ScaleChannels {
  __device__ float operator()(float x, float weight, float) const { return x * weight; }
};
struct Spread {
  float factor;
  __device__ float operator()(float, float value, float) const { return value * factor; }
};

struct ChannelSum {
  float value;

  __device__ void merge(const ChannelSum& other) { value += other.value; }
};

/// Of a, or of a b.
template <class T, bool products>
struct SumOfChannel {
  using Sum = ChannelSum;
  const T* a;
  const T* b;
  Index columns;

  __device__ Sum operator()(Index column, Index first, Index last, int step) const {
    float sum = 0;
    for (Index row = first; row < last; row += step) {
      const Index i = row * columns + column;
      sum += products ? to_float(a[i]) * to_float(b[i]) : to_float(a[i]);
    }
    return {sum};
  }
};

struct StoreChannelSum {
  Index columns;
  float* sums;

  __device__ void operator()(Index entry, Index column, const ChannelSum& sum) const {
    sums[entry * columns + column] = sum.value;
  }
};

template <int width, class T, class Function>
void launch_combination(const char* name, const Function& function, const ChannelMaps<T, float>& maps, Index batch,
                        Index rows, Index channels, cudaStream_t stream) {
  using Numbers = Pack<T, width>;
  using Values = Pack<float, width>;
  const ChannelMaps<Numbers, Values> packs = {
      reinterpret_cast<const Numbers*>(maps.x), reinterpret_cast<const Values*>(maps.first),
      reinterpret_cast<const Values*>(maps.second), reinterpret_cast<Numbers*>(maps.out)};
  const ChannelGrid<width> grid(batch, rows, channels);
  launch(name, combine_with_channels<T, width, Function>, grid.blocks(), grid.threads, stream, function, packs, grid);
}

template <class T, class Function>
void combine(const char* name, const Function& function, const ChannelMaps<T, float>& maps, Index batch, Index rows,
             Index channels, cudaStream_t stream) {
  constexpr int width = widest_pack<T>;
  if (channels % width == 0 && holds_packs<width>(maps.x) && holds_packs<width>(maps.first) &&
      holds_packs<width>(maps.second) && holds_packs<width>(maps.out)) {
    launch_combination<width>(name, function, maps, batch, rows, channels, stream);
  } else {
    launch_combination<1>(name, function, maps, batch, rows, channels, stream);
  }
}

ColumnGrid sums_grid(Index batch, Index rows, Index channels) {
  ColumnGrid grid = reduction_grid(rows, channels);
  grid.batch = batch;
  return grid;
}

template <bool products, class T>
void sum_all_rows(const char* name, const T* a, const T* b, Index batch, Index rows, Index channels, float* workspace,
                  float* out, cudaStream_t stream) {
  reduce_all_columns(name, SumOfChannel<T, products>{a, b, channels}, sums_grid(batch, rows, channels),
                     reinterpret_cast<ChannelSum*>(workspace), StoreChannelSum{channels, out}, stream);
}

}  // namespace

template <class T>
void add_bias(const T* x, const float* bias, Index rows, Index channels, T* out, cudaStream_t stream) {
  combine("add_bias", AddBias{}, ChannelMaps<T, float>{x, bias, nullptr, out}, 1, rows, channels, stream);
}

template <class T>
void scale_shift(const T* x, const float* scale, const float* shift, Index rows, Index channels, T* out,
                 cudaStream_t stream) {
  combine("scale_shift", ScaleShift{}, ChannelMaps<T, float>{x, scale, shift, out}, 1, rows, channels, stream);
}

Index sum_rows_workspace(Index rows, Index channels) { return scale_channels_workspace(1, rows, channels); }

template <class T>
void sum_rows(const T* x, Index rows, Index channels, float* workspace, float* out, cudaStream_t stream) {
  sum_all_rows<false, T>("sum_rows", x, nullptr, 1, rows, channels, workspace, out, stream);
}

template <class T>
void sum_of_positions(const T* x, Index batch, Index positions, Index channels, float* workspace, float* out,
                      cudaStream_t stream) {
  sum_all_rows<false, T>("sum_of_positions", x, nullptr, batch, positions, channels, workspace, out, stream);
}

template <class T>
void sum_row_products(const T* a, const T* b, Index rows, Index channels, float* workspace, float* out,
                      cudaStream_t stream) {
  sum_all_rows<true>("sum_row_products", a, b, 1, rows, channels, workspace, out, stream);
}

template <class T>
void spread_over_positions(const float* values, float factor, Index batch, Index positions, Index channels, T* out,
                           cudaStream_t stream) {
  combine("spread_over_positions", Spread{factor}, ChannelMaps<T, float>{nullptr, values, nullptr, out}, batch,
          positions, channels, stream);
}

template <class T>
void scale_channels(const T* x, const float* weights, Index batch, Index positions, Index channels, T* out,
                    cudaStream_t stream) {
  combine("scale_channels", ScaleChannels{}, ChannelMaps<T, float>{x, weights, nullptr, out}, batch, positions,
          channels, stream);
}

Index scale_channels_workspace(Index batch, Index positions, Index channels) {
  return batch * sums_grid(batch, positions, channels).chunks() * channels;
}

template <class T>
void scale_channels_weight_gradient(const T* x, const T* upstream, Index batch, Index positions, Index channels,
                                    float* workspace, float* out, cudaStream_t stream) {
  sum_all_rows<true>("scale_channels_weight_gradient", x, upstream, batch, positions, channels, workspace, out, stream);
}

#define MIEN_FOR(T)                                                                                        \
  template void add_bias<T>(const T*, const float*, Index, Index, T*, cudaStream_t);                       \
  template void scale_shift<T>(const T*, const float*, const float*, Index, Index, T*, cudaStream_t);      \
  template void sum_rows<T>(const T*, Index, Index, float*, float*, cudaStream_t);                         \
  template void sum_of_positions<T>(const T*, Index, Index, Index, float*, float*, cudaStream_t);          \
  template void sum_row_products<T>(const T*, const T*, Index, Index, float*, float*, cudaStream_t);       \
  template void spread_over_positions<T>(const float*, float, Index, Index, Index, T*, cudaStream_t);      \
  template void scale_channels<T>(const T*, const float*, Index, Index, Index, T*, cudaStream_t);          \
  template void scale_channels_weight_gradient<T>(const T*, const T*, Index, Index, Index, float*, float*, \
                                                  cudaStream_t);
MIEN_FOR(float)
MIEN_FOR(__nv_bfloat16)
MIEN_FOR(__half)
#undef MIEN_FOR

}  // namespace mien::kernels
