// Layer normalisation over rows of [rows, channels], and its gradients.
//
//     n = (x - mean) inverse          y = n weight + bias          with g = upstream weight:
//     input gradient = (g - mean(g) - n mean(g n)) inverse         weight gradient = sum over rows of upstream n
//
// Launch: a warp takes a row, eight warps a block; reductions by shuffles. The sum over rows is that of columns.hpp: in
// two kernels, chunks of rows first.
// Bytes: x is read and y written once, 2 rows channels sizeof(T); the input gradient reads one more, the weight's reads
// two. Weight and bias are float whatever T is, and so is what belongs to them. Flops: about eight a number: bound by
// memory as soon as there are some thousand rows.
//
// A lane keeps its numbers of the row in registers, up to 32 (1024 channels): one pass over memory. Longer rows are
// read again, from the cache nearest by. The variance is the mean of squares of what the mean has been taken from,
// which keeps the digits where the mean is large against the deviation.

#include <type_traits>

#include "columns.hpp"
#include "mien/backend/cuda/kernels/layer_norm.hpp"

namespace mien::kernels {
namespace {

constexpr int layer_norm_rows = 8;
constexpr int layer_norm_threads = layer_norm_rows * warp_threads;

/// A value for each column that a lane takes: in registers, unless there may be any number of them.
template <int per_lane, class Load>
struct LaneValues {
  Load load;
  float kept[per_lane == 0 ? 1 : per_lane];

  __device__ float operator()(int i, Index column) const { return per_lane == 0 ? load(column) : kept[i]; }
};

/// The columns of a row that a lane takes: at most `per_lane`, or any number if that is 0.
template <int per_lane>
struct LaneColumns {
  Index channels;
  int lane;

  /// body(i, column) for each, in order.
  template <class Body>
  __device__ void visit(const Body& body) const {
    const Index first = lane;
    if constexpr (per_lane == 0) {
      MIEN_UNROLL(4)
      for (Index column = first; column < channels; column += warp_threads) body(0, column);
    } else {
      const int count = static_cast<int>(channels);
      MIEN_UNROLL(per_lane)
      for (int i = 0; i < per_lane; ++i)
        if (lane + i * warp_threads < count) body(i, first + i * warp_threads);
    }
  }

  /// The values load(column).
  template <class Load>
  __device__ LaneValues<per_lane, Load> keep(const Load& load) const {
    LaneValues<per_lane, Load> values = {load, {}};
    if constexpr (per_lane > 0) visit([&](int i, Index column) { values.kept[i] = load(column); });
    return values;
  }
};

/// The row of this warp, or one past the last.
__device__ inline Index layer_norm_row_of_warp() {
  return static_cast<Index>(blockIdx.x) * layer_norm_rows + static_cast<int>(threadIdx.x) / warp_threads;
}
__device__ inline int layer_norm_lane_of_thread() { return static_cast<int>(threadIdx.x) % warp_threads; }

template <class T, int per_lane>
__global__ void __launch_bounds__(layer_norm_threads, 1)
    normalise_rows(const T* __restrict__ x, const float* __restrict__ weight, const float* __restrict__ bias,
                   float epsilon, Index rows, Index channels, T* __restrict__ y, float* mean,
                   float* inverse_deviation) {
  const Index row = layer_norm_row_of_warp();
  if (row >= rows) return;
  x += row * channels;
  y += row * channels;
  const LaneColumns<per_lane> columns{channels, layer_norm_lane_of_thread()};
  const auto numbers = columns.keep([=](Index column) { return to_float(x[column]); });
  const auto count = static_cast<float>(channels);
  float sum = 0;
  columns.visit([&](int i, Index column) { sum += numbers(i, column); });
  const float centre = warp_sum(sum) / count;
  float squares = 0;
  columns.visit([&](int i, Index column) {
    const float distance = numbers(i, column) - centre;
    squares += distance * distance;
  });
  const float inverse = 1 / sqrtf(warp_sum(squares) / count + epsilon);
  columns.visit([&](int i, Index column) {
    const float normal = (numbers(i, column) - centre) * inverse;
    y[column] = from_float<T>(normal * weight[column] + bias[column]);
  });
  if (columns.lane > 0) return;
  mean[row] = centre;
  inverse_deviation[row] = inverse;
}

template <class T, int per_lane>
__global__ void __launch_bounds__(layer_norm_threads, 1)
    input_gradient_of_rows(const T* __restrict__ x, const float* __restrict__ weight, const float* mean,
                           const float* inverse_deviation, const T* __restrict__ upstream, Index rows, Index channels,
                           T* __restrict__ gradient) {
  const Index row = layer_norm_row_of_warp();
  if (row >= rows) return;
  x += row * channels;
  upstream += row * channels;
  gradient += row * channels;
  const LaneColumns<per_lane> columns{channels, layer_norm_lane_of_thread()};
  const float centre = mean[row];
  const float inverse = inverse_deviation[row];
  const auto distances = columns.keep([=](Index column) { return to_float(x[column]) - centre; });
  const auto arriving = columns.keep([=](Index column) { return to_float(upstream[column]) * weight[column]; });
  const auto count = static_cast<float>(channels);
  float sum = 0;
  float products = 0;
  columns.visit([&](int i, Index column) {
    const float value = arriving(i, column);
    sum += value;
    products += value * distances(i, column);
  });
  const float level = warp_sum(sum) / count;
  const float slope = warp_sum(products) / count * inverse * inverse;
  columns.visit([&](int i, Index column) {
    gradient[column] = from_float<T>((arriving(i, column) - level - distances(i, column) * slope) * inverse);
  });
}

struct WeightGradientSum {
  float value;

  __device__ void merge(const WeightGradientSum& other) { value += other.value; }
};

template <class T>
struct WeightGradientOfColumn {
  using Sum = WeightGradientSum;
  const T* x;
  const float* mean;
  const float* inverse_deviation;
  const T* upstream;
  Index columns;

  __device__ Sum operator()(Index column, Index first, Index last, int step) const {
    float sum = 0;
    for (Index row = first; row < last; row += step) {
      const Index i = row * columns + column;
      sum += (to_float(x[i]) - mean[row]) * inverse_deviation[row] * to_float(upstream[i]);
    }
    return {sum};
  }
};

struct StoreWeightGradientSum {
  float* sums;

  __device__ void operator()(Index, Index column, const WeightGradientSum& sum) const { sums[column] = sum.value; }
};

/// choose(std::integral_constant<int, per_lane>): how many numbers of such a row a lane keeps, or 0.
template <class Choose>
void with_numbers_per_lane(Index channels, const Choose& choose) {
  if (channels <= 2 * warp_threads) {
    choose(std::integral_constant<int, 2>{});
  } else if (channels <= 8 * warp_threads) {
    choose(std::integral_constant<int, 8>{});
  } else if (channels <= 32 * warp_threads) {
    choose(std::integral_constant<int, 32>{});
  } else {
    choose(std::integral_constant<int, 0>{});
  }
}

}  // namespace

template <class T>
void layer_norm(const T* x, const float* weight, const float* bias, float epsilon, Index rows, Index channels, T* out,
                float* mean, float* inverse_deviation, cudaStream_t stream) {
  if (rows == 0) return;
  if (channels == 0) {
    const std::size_t bytes = static_cast<std::size_t>(rows) * sizeof(float);
    require_launched("layer_norm", cudaMemsetAsync(mean, 0, bytes, stream));
    require_launched("layer_norm", cudaMemsetAsync(inverse_deviation, 0, bytes, stream));
    return;
  }
  with_numbers_per_lane(channels, [&](auto per_lane) {
    launch("layer_norm", normalise_rows<T, per_lane>, groups(rows, layer_norm_rows), layer_norm_threads, stream, x,
           weight, bias, epsilon, rows, channels, out, mean, inverse_deviation);
  });
}

template <class T>
void layer_norm_input_gradient(const T* x, const float* weight, const float* mean, const float* inverse_deviation,
                               const T* upstream, Index rows, Index channels, T* out, cudaStream_t stream) {
  if (channels == 0) return;
  with_numbers_per_lane(channels, [&](auto per_lane) {
    launch("layer_norm_input_gradient", input_gradient_of_rows<T, per_lane>, groups(rows, layer_norm_rows),
           layer_norm_threads, stream, x, weight, mean, inverse_deviation, upstream, rows, channels, out);
  });
}

Index layer_norm_workspace(Index rows, Index channels) { return reduction_grid(rows, channels).chunks() * channels; }

template <class T>
void layer_norm_weight_gradient(const T* x, const float* mean, const float* inverse_deviation, const T* upstream,
                                Index rows, Index channels, float* workspace, float* out, cudaStream_t stream) {
  reduce_all_columns("layer_norm_weight_gradient",
                     WeightGradientOfColumn<T>{x, mean, inverse_deviation, upstream, channels},
                     reduction_grid(rows, channels), reinterpret_cast<WeightGradientSum*>(workspace),
                     StoreWeightGradientSum{out}, stream);
}

#define MIEN_FOR(T)                                                                                                 \
  template void layer_norm<T>(const T*, const float*, const float*, float, Index, Index, T*, float*, float*,        \
                              cudaStream_t);                                                                        \
  template void layer_norm_input_gradient<T>(const T*, const float*, const float*, const float*, const T*, Index,   \
                                             Index, T*, cudaStream_t);                                              \
  template void layer_norm_weight_gradient<T>(const T*, const float*, const float*, const T*, Index, Index, float*, \
                                              float*, cudaStream_t);
MIEN_FOR(float)
MIEN_FOR(__nv_bfloat16)
MIEN_FOR(__half)
#undef MIEN_FOR

}  // namespace mien::kernels
