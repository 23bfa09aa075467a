// Batch normalisation over maps [rows, columns], a column for each channel, with the residual and ReLU that follow it.
//
//     mean, variance of each column          y = relu(x factors + shifts + residual)
//     sums of u and of u (x - mean)          gradient = u factors + x input_factors + input_shifts
//
// and what belongs to the channels alone: factors and shifts from the moments, and the running moments.
//
// Launch: see column_packs.hpp; a thread takes 16 bytes of channels in four rows at once, or one channel in eight rows
// where packs do not fit, and half as many rows for gradients; reductions in two kernels, chunks of rows first.
// Bytes: each map once: one to read for the moments, two or three for y, two or three for the sums (one more to write
// with a mask from the output), three for the gradient. Flops: two to five a number: bound by memory.
//
// Sums are of differences to the column's first number, which keeps the digits where the mean is large against the
// deviation; the parts' means and squared deviations are put together by Chan, Golub and LeVeque's formula (1979).
//
// Versions: one channel a thread, a row after the other, had two bytes a load under way with maps of 16 bits, and
// merged a block's sums in one warp; packs came after it.

#include "column_packs.hpp"
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

template <class T, int pack_width>
struct MomentsOfChannels {
  static constexpr int width = pack_width;
  static constexpr int rows = rows_under_way<width>;
  using Sum = Moments;
  using Inputs = Pack<T, width>;
  const T* x;
  Index columns;

  struct Columns {
    const T* x;
    Index columns;
    Pack<T, width> shift;
    Pack<float, width> sums, squares;
    float count;

    __device__ Inputs load(Index row) const { return load_pack<width>(x + row * columns, width); }
    __device__ void add(Index, const Inputs& numbers) {
      MIEN_UNROLL(width)
      for (int i = 0; i < width; ++i) {
        const float difference = to_float(numbers.numbers[i]) - to_float(shift.numbers[i]);
        sums.numbers[i] += difference;
        squares.numbers[i] += difference * difference;
      }
      count += 1;
    }
    __device__ Moments sum(int i) const {
      if (count == 0) return {};
      const float mean = sums.numbers[i] / count;
      const float deviations = squares.numbers[i] - sums.numbers[i] * mean;
      return {count, mean, deviations > 0 || deviations != deviations ? deviations : 0};
    }
  };
  __device__ Columns at(Index, Index column) const {
    return {x + column, columns, load_pack<width>(x + column, width), {}, {}, 0};
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

template <class T, int pack_width>
struct Normalise {
  static constexpr int width = pack_width;
  static constexpr int rows = rows_under_way<width>;
  struct Inputs {
    Pack<T, width> x, residual;
  };
  const T* x;
  const float* factors;
  const float* shifts;
  const T* residual;
  bool relu;
  T* y;

  struct Columns {
    const Normalise& maps;
    Pack<float, width> factors, shifts;

    __device__ Inputs load(Index place) const {
      return {load_pack<width>(maps.x + place, width), pack_or_zeros<width>(maps.residual, place)};
    }
    __device__ void store(Index, Index place, const Inputs& inputs) const {
      Pack<T, width> results;
      MIEN_UNROLL(width)
      for (int i = 0; i < width; ++i) {
        float value = to_float(inputs.x.numbers[i]) * factors.numbers[i] + shifts.numbers[i];
        if (maps.residual != nullptr) value += to_float(inputs.residual.numbers[i]);
        // A comparison with NaN fails and keeps it.
        results.numbers[i] = from_float<T>(maps.relu && value < 0 ? 0 : value);
      }
      store_pack<width>(results, maps.y + place, width);
    }
  };
  __device__ Columns at(Index, Index column) const {
    return {*this, load_pack<width>(factors + column, width), load_pack<width>(shifts + column, width)};
  }
};

/// Of three maps, with sums or factors beside them.
template <int width>
constexpr int gradient_rows = rows_under_way<width> / 2;

template <class T, int width>
struct GradientInputs {
  Pack<T, width> x, upstream, y;
};

template <int width, class T>
__device__ inline GradientInputs<T, width> load_gradient_inputs(const BatchNormGradientMap<T>& map, Index place) {
  return {load_pack<width>(map.x + place, width), load_pack<width>(map.upstream + place, width),
          pack_or_zeros<width>(map.mask == ReluMask::output ? map.y : nullptr, place)};
}

/// Tells which upstream gradients pass the ReLU after some neighbouring columns.
template <class T, int width>
struct PassingRelu {
  ReluMask mask;
  Pack<float, width> factors, shifts;

  __device__ PassingRelu(const BatchNormGradientMap<T>& map, Index column)
      : mask(map.mask),
        factors(load_pack<width>(map.factors + column, width)),
        shifts(pack_or_zeros<width>(map.mask == ReluMask::input ? map.shifts : nullptr, column)) {}

  __device__ float operator()(const GradientInputs<T, width>& inputs, int i) const {
    const float upstream = to_float(inputs.upstream.numbers[i]);
    if (mask == ReluMask::input)
      return to_float(inputs.x.numbers[i]) * factors.numbers[i] + shifts.numbers[i] > 0 ? upstream : 0;
    if (mask == ReluMask::output) return to_float(inputs.y.numbers[i]) > 0 ? upstream : 0;
    return upstream;
  }
};

struct GradientSums {
  float upstream, product;

  __device__ void merge(const GradientSums& other) {
    upstream += other.upstream;
    product += other.product;
  }
};

template <class T, int pack_width>
struct GradientSumsOfColumns {
  static constexpr int width = pack_width;
  static constexpr int rows = gradient_rows<width>;
  using Sum = GradientSums;
  using Inputs = GradientInputs<T, width>;
  BatchNormGradientMap<T> map;
  T* masked;

  struct Columns {
    const GradientSumsOfColumns& maps;
    Index column;
    PassingRelu<T, width> passing;
    Pack<float, width> mean, upstream, products;

    __device__ Inputs load(Index row) const {
      return load_gradient_inputs<width>(maps.map, row * maps.map.columns + column);
    }
    __device__ void add(Index row, const Inputs& inputs) {
      Pack<T, width> arriving;
      MIEN_UNROLL(width)
      for (int i = 0; i < width; ++i) {
        const float value = passing(inputs, i);
        arriving.numbers[i] = from_float<T>(value);
        upstream.numbers[i] += value;
        products.numbers[i] += value * (to_float(inputs.x.numbers[i]) - mean.numbers[i]);
      }
      if (maps.map.mask == ReluMask::output)
        store_pack<width>(arriving, maps.masked + row * maps.map.columns + column, width);
    }
    __device__ GradientSums sum(int i) const { return {upstream.numbers[i], products.numbers[i]}; }
  };
  __device__ Columns at(Index, Index column) const {
    return {*this, column, PassingRelu<T, width>(map, column), load_pack<width>(map.mean + column, width), {}, {}};
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

template <class T, int pack_width>
struct BatchNormInputGradient {
  static constexpr int width = pack_width;
  static constexpr int rows = gradient_rows<width>;
  using Inputs = GradientInputs<T, width>;
  BatchNormGradientMap<T> map;
  const float* input_factors;
  const float* input_shifts;
  T* gradient;

  struct Columns {
    const BatchNormInputGradient& maps;
    PassingRelu<T, width> passing;
    Pack<float, width> input_factors, input_shifts;

    __device__ Inputs load(Index place) const { return load_gradient_inputs<width>(maps.map, place); }
    __device__ void store(Index, Index place, const Inputs& inputs) const {
      Pack<T, width> results;
      MIEN_UNROLL(width)
      for (int i = 0; i < width; ++i) {
        const float through_upstream = passing(inputs, i) * passing.factors.numbers[i];
        results.numbers[i] = from_float<T>(through_upstream + to_float(inputs.x.numbers[i]) * input_factors.numbers[i] +
                                           input_shifts.numbers[i]);
      }
      store_pack<width>(results, maps.gradient + place, width);
    }
  };
  __device__ Columns at(Index, Index column) const {
    return {*this, PassingRelu<T, width>(map, column), pack_or_zeros<width>(input_factors, column),
            pack_or_zeros<width>(input_shifts, column)};
  }
};

template <class T>
bool inputs_fit_packs(const BatchNormGradientMap<T>& map) {
  return fits_packs<T>(map.columns, map.x, map.upstream, map.y, map.mean, map.factors, map.shifts);
}

template <class T>
PackReductionGrid sums_grid(Index rows, Index columns) {
  return {1, rows, columns, widest_pack<T>};
}

}  // namespace

Index batch_norm_workspace(Index rows, Index columns) {
  return partial_sums(1, rows, columns) * static_cast<Index>(sizeof(Moments) / sizeof(float));
}

template <class T>
void channel_moments(const T* x, Index rows, Index columns, float* workspace, float* mean, float* variance,
                     cudaStream_t stream) {
  with_pack_width<T>(fits_packs<T>(columns, x), [&](auto width) {
    reduce_all_packs("channel_moments", MomentsOfChannels<T, width>{x, columns}, sums_grid<T>(rows, columns),
                     reinterpret_cast<Moments*>(workspace), StoreMoments<T>{x, mean, variance}, stream);
  });
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
  with_pack_width<T>(fits_packs<T>(columns, x, factors, shifts, residual, y), [&](auto width) {
    visit_all_columns("normalise", 1, rows, columns, Normalise<T, width>{x, factors, shifts, residual, relu, y},
                      stream);
  });
}

template <class T>
void batch_norm_gradient_sums(const BatchNormGradientMap<T>& map, float* workspace, T* masked,
                              const BatchNormGradientSums& sums, cudaStream_t stream) {
  with_pack_width<T>(inputs_fit_packs(map) && fits_packs<T>(map.columns, masked), [&](auto width) {
    reduce_all_packs("batch_norm_gradient_sums", GradientSumsOfColumns<T, width>{map, masked},
                     sums_grid<T>(map.rows, map.columns), reinterpret_cast<GradientSums*>(workspace),
                     StoreGradientSums<T>{map, sums}, stream);
  });
}

template <class T>
void batch_norm_input_gradient(const BatchNormGradientMap<T>& map, const float* input_factors,
                               const float* input_shifts, T* gradient, cudaStream_t stream) {
  const bool packs = inputs_fit_packs(map) && fits_packs<T>(map.columns, input_factors, input_shifts, gradient);
  with_pack_width<T>(packs, [&](auto width) {
    visit_all_columns("batch_norm_input_gradient", 1, map.rows, map.columns,
                      BatchNormInputGradient<T, width>{map, input_factors, input_shifts, gradient}, stream);
  });
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
