// Batch normalisation over maps [rows, columns], a column for each channel, with the residual and ReLU that follow it.
//
//     mean, variance of each column          y = relu(x factors + shifts + residual)
//     sums of u and of u (x - mean)          gradient = u factors + x input_factors + input_shifts
//
// and what belongs to the channels alone: factors and shifts from the moments, and the running moments.
//
// Launch: see columns.hpp; blocks of eight warps, 32 channels each; reductions in two kernels, chunks of rows first.
// Bytes: each map once: one to read for the moments, two or three for y, two or three for the sums (one more to write
// with a mask from the output), three for the gradient. Flops: two to five a number: bound by memory.
//
// Sums are of differences to the column's first number, which keeps the digits where the mean is large against the
// deviation; the parts' means and squared deviations are put together by Chan, Golub and LeVeque's formula (1979).

#include "columns.hpp"
#include "mien/backend/cuda/kernels/batch_norm.hpp"

namespace mien::kernels {
namespace {

/// Of differences to the column's first number.
struct Moments {
  float count, mean, deviations;

  __device__ void merge(const Moments& other) {
    if (other.count == 0) return;
    const float total = count + other.count;
    const float step = other.mean - mean;
    mean += step * (other.count / total);
    deviations += other.deviations + step * step * (count * (other.count / total));
    count = total;
  }
};

template <class T>
struct MomentsOfChannel {
  using Sum = Moments;
  const T* x;
  Index columns;

  __device__ Moments operator()(Index column, Index first, Index last, int step) const {
    if (first >= last) return {};
    const float shift = to_float(x[column]);
    float sum = 0;
    float squares = 0;
    float count = 0;
    for (Index row = first; row < last; row += step) {
      const float difference = to_float(x[row * columns + column]) - shift;
      sum += difference;
      squares += difference * difference;
      count += 1;
    }
    const float mean = sum / count;
    const float deviations = squares - sum * mean;
    return {count, mean, deviations > 0 || deviations != deviations ? deviations : 0};
  }
};

template <class T>
struct StoreMoments {
  const T* x;
  float* mean;
  float* variance;

  __device__ void operator()(Index, Index column, const Moments& moments) const {
    mean[column] = to_float(x[column]) + moments.mean;
    variance[column] = moments.deviations / moments.count;
  }
};

template <class T>
struct Normalise {
  const T* x;
  const float* factors;
  const float* shifts;
  const T* residual;
  bool relu;
  T* y;

  struct AtColumn {
    const Normalise& maps;
    float factor, shift;

    __device__ void operator()(Index i) const {
      float value = to_float(maps.x[i]) * factor + shift;
      if (maps.residual != nullptr) value += to_float(maps.residual[i]);
      // A comparison with NaN fails and keeps it.
      maps.y[i] = from_float<T>(maps.relu && value < 0 ? 0 : value);
    }
  };
  __device__ AtColumn at(Index column) const { return {*this, factors[column], shifts[column]}; }
};

/// The upstream gradient that passes the ReLU.
template <class T>
__device__ float passing(const BatchNormGradientMap<T>& map, Index i, Index column) {
  const float upstream = to_float(map.upstream[i]);
  if (map.mask == ReluMask::input)
    return to_float(map.x[i]) * map.factors[column] + map.shifts[column] > 0 ? upstream : 0;
  if (map.mask == ReluMask::output) return to_float(map.y[i]) > 0 ? upstream : 0;
  return upstream;
}

struct GradientSums {
  float upstream, product;

  __device__ void merge(const GradientSums& other) {
    upstream += other.upstream;
    product += other.product;
  }
};

template <class T>
struct GradientSumsOfColumn {
  using Sum = GradientSums;
  BatchNormGradientMap<T> map;
  T* masked;

  __device__ GradientSums operator()(Index column, Index first, Index last, int step) const {
    const float mean = map.mean[column];
    GradientSums sums = {};
    for (Index row = first; row < last; row += step) {
      const Index i = row * map.columns + column;
      const float upstream = passing(map, i, column);
      if (map.mask == ReluMask::output) masked[i] = from_float<T>(upstream);
      sums.upstream += upstream;
      sums.product += upstream * (to_float(map.x[i]) - mean);
    }
    return sums;
  }
};

/// The gradient through the batch's own statistics is factor (upstream - mean(upstream) - n mean(upstream n)) with the
/// normalised n: a factor and a shift of x for each column.
template <class T>
struct StoreGradientSums {
  BatchNormGradientMap<T> map;
  BatchNormGradientSums to;

  __device__ void operator()(Index, Index column, const GradientSums& sums) const {
    const float deviation = sqrtf(map.variance[column] + map.epsilon);
    const float product = sums.product / deviation;
    const float share = map.factors[column] / static_cast<float>(map.rows);
    const float input_factor = -share * product / deviation;
    to.upstream[column] = sums.upstream;
    to.product[column] = product;
    to.input_factors[column] = input_factor;
    to.input_shifts[column] = -share * sums.upstream - input_factor * map.mean[column];
  }
};

constexpr int channel_threads = 128;

__device__ inline Index channel_of_thread() { return static_cast<Index>(blockIdx.x) * channel_threads + threadIdx.x; }

__global__ void __launch_bounds__(channel_threads, 1)
    make_factors(const float* mean, const float* variance, const float* weight, const float* bias, float epsilon,
                 Index columns, float* factors, float* shifts) {
  const Index column = channel_of_thread();
  if (column >= columns) return;
  const float factor = weight[column] / sqrtf(variance[column] + epsilon);
  factors[column] = factor;
  shifts[column] = bias[column] - mean[column] * factor;
}

__global__ void __launch_bounds__(channel_threads, 1)
    follow_moments(const float* mean, const float* variance, float unbiased, float momentum, Index columns,
                   float* running_mean, float* running_variance) {
  const Index column = channel_of_thread();
  if (column >= columns) return;
  running_mean[column] += momentum * (mean[column] - running_mean[column]);
  running_variance[column] += momentum * (unbiased * variance[column] - running_variance[column]);
}

template <class T>
struct BatchNormInputGradient {
  BatchNormGradientMap<T> map;
  const float* input_factors;
  const float* input_shifts;
  T* gradient;

  struct AtColumn {
    const BatchNormInputGradient& maps;
    Index column;
    float factor, input_factor, input_shift;

    __device__ void operator()(Index i) const {
      const float through_upstream = passing(maps.map, i, column) * factor;
      maps.gradient[i] = from_float<T>(through_upstream + to_float(maps.map.x[i]) * input_factor + input_shift);
    }
  };
  __device__ AtColumn at(Index column) const {
    const bool constant = input_factors == nullptr;
    return {*this, column, map.factors[column], constant ? 0 : input_factors[column],
            constant ? 0 : input_shifts[column]};
  }
};

}  // namespace

Index batch_norm_workspace(Index rows, Index columns) {
  return reduction_grid(rows, columns).chunks() * columns * static_cast<Index>(sizeof(Moments) / sizeof(float));
}

template <class T>
void channel_moments(const T* x, Index rows, Index columns, float* workspace, float* mean, float* variance,
                     cudaStream_t stream) {
  reduce_all_columns("channel_moments", MomentsOfChannel<T>{x, columns}, reduction_grid(rows, columns),
                     reinterpret_cast<Moments*>(workspace), StoreMoments<T>{x, mean, variance}, stream);
}

void batch_norm_factors(const float* mean, const float* variance, const float* weight, const float* bias, float epsilon,
                        Index columns, float* factors, float* shifts, cudaStream_t stream) {
  launch("batch_norm_factors", make_factors, groups(columns, channel_threads), channel_threads, stream, mean, variance,
         weight, bias, epsilon, columns, factors, shifts);
}

void update_running_moments(const float* mean, const float* variance, Index rows, float momentum, Index columns,
                            float* running_mean, float* running_variance, cudaStream_t stream) {
  const float unbiased = static_cast<float>(rows) / static_cast<float>(rows - 1);
  launch("update_running_moments", follow_moments, groups(columns, channel_threads), channel_threads, stream, mean,
         variance, unbiased, momentum, columns, running_mean, running_variance);
}

template <class T>
void normalise(const T* x, Index rows, Index columns, const float* factors, const float* shifts, const T* residual,
               bool relu, T* y, cudaStream_t stream) {
  visit_all_columns("normalise", rows, columns, Normalise<T>{x, factors, shifts, residual, relu, y}, stream);
}

template <class T>
void batch_norm_gradient_sums(const BatchNormGradientMap<T>& map, float* workspace, T* masked,
                              const BatchNormGradientSums& sums, cudaStream_t stream) {
  reduce_all_columns("batch_norm_gradient_sums", GradientSumsOfColumn<T>{map, masked},
                     reduction_grid(map.rows, map.columns), reinterpret_cast<GradientSums*>(workspace),
                     StoreGradientSums<T>{map, sums}, stream);
}

template <class T>
void batch_norm_input_gradient(const BatchNormGradientMap<T>& map, const float* input_factors,
                               const float* input_shifts, T* gradient, cudaStream_t stream) {
  visit_all_columns("batch_norm_input_gradient", map.rows, map.columns,
                    BatchNormInputGradient<T>{map, input_factors, input_shifts, gradient}, stream);
}

#define MIEN_FOR(T)                                                                                                   \
  template void channel_moments<T>(const T*, Index, Index, float*, float*, float*, cudaStream_t);                     \
  template void normalise<T>(const T*, Index, Index, const float*, const float*, const T*, bool, T*, cudaStream_t);   \
  template void batch_norm_gradient_sums<T>(const BatchNormGradientMap<T>&, float*, T*, const BatchNormGradientSums&, \
                                            cudaStream_t);                                                            \
  template void batch_norm_input_gradient<T>(const BatchNormGradientMap<T>&, const float*, const float*, T*,          \
                                             cudaStream_t);
MIEN_FOR(float)
MIEN_FOR(__nv_bfloat16)
MIEN_FOR(__half)
#undef MIEN_FOR

}  // namespace mien::kernels
