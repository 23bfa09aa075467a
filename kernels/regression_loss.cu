// Mean squared error and concordance of predictions x and targets y [rows, outputs], over the rows that count, and the
// gradients for x.
//
//     mse = mean (x - y)^2                                 gradient = 2 upstream (x - y) / count
//     ccc = 2 s_xy / (s_x^2 + s_y^2 + (mu_x - mu_y)^2)     gradient = 2 upstream / (count d) (y - mu_y - ccc (x -
//     mu_y))
//
// Launch: sums and gradients are taken by columns (columns.hpp, column_packs.hpp). Outputs are few, two for valence and
// arousal, so that a line of the map that columns.hpp sees is as many rows as fit side by side into a warp; a second
// kernel puts together the chunks and the rows of a line, which lie in memory like rows of their own. Bytes: both are
// read once, the gradient reads them again and writes as much as one. Flops: 3 a number for the error, 9 for moments,
// in double as on the CPU: for the rows of a batch all are bound by their launches.
//
// Moments are of differences to the first number that a thread sees, and are put together by Chan, Golub and LeVeque's
// formula (1979): a constant's deviations are 0 exactly, however far from zero it is.

#include "column_packs.hpp"
#include "mien/backend/cuda/kernels/regression_loss.hpp"

namespace mien::kernels {
namespace {

/// Predictions and targets as columns.hpp sees them: a line has several rows, `width` numbers in all.
template <class T>
struct Pairs {
  const T* prediction;
  const T* target;
  const std::uint8_t* mask;
  Index rows, outputs, width;

  Pairs(const T* prediction_of_rows, const T* target_of_rows, const std::uint8_t* mask_of_rows, Index all_rows,
        Index all_outputs)
      : prediction(prediction_of_rows),
        target(target_of_rows),
        mask(mask_of_rows),
        rows(all_rows),
        outputs(all_outputs),
        width(all_outputs > 0 && all_outputs < warp_threads ? warp_threads / all_outputs * all_outputs : all_outputs) {}

  __host__ __device__ Index rows_of_line() const { return width / outputs; }
  Index lines() const { return width == 0 ? 0 : groups(rows, rows_of_line()); }

  __device__ bool counts(Index row) const { return row < rows && (mask == nullptr || mask[row] != 0); }
};

struct SquaredErrors {
  double sum, count;

  __device__ void merge(const SquaredErrors& other) {
    sum += other.sum;
    count += other.count;
  }
};

template <class T>
struct SquaredErrorsOfColumn {
  using Sum = SquaredErrors;
  Pairs<T> pairs;

  __device__ SquaredErrors operator()(Index column, Index first, Index last, int step) const {
    const Index place = column / pairs.outputs;
    SquaredErrors sums = {};
    for (Index line = first; line < last; line += step) {
      if (!pairs.counts(line * pairs.rows_of_line() + place)) continue;
      const Index i = line * pairs.width + column;
      const double difference = static_cast<double>(to_float(pairs.prediction[i])) - to_float(pairs.target[i]);
      sums.sum += difference * difference;
      sums.count += 1;
    }
    return sums;
  }
};

template <class T>
struct StoreError {
  float* count;
  T* loss;

  __device__ void operator()(Index, Index, const SquaredErrors& sums) const {
    *count = static_cast<float>(sums.count);
    *loss = from_float<T>(sums.count == 0 ? 0 : static_cast<float>(sums.sum / sums.count));
  }
};

/// A prediction and its target, where they count.
template <class T>
struct Pair {
  bool counts;
  T prediction, target;
};

template <class T>
__device__ inline Pair<T> load_pair(const Pairs<T>& pairs, Index i) {
  Pair<T> pair = {};
  if (!pairs.counts(i / pairs.outputs)) return pair;
  return {true, pairs.prediction[i], pairs.target[i]};
}

/// Stores a gradient, which is zero where a pair does not count. A last line may go on after the last row.
template <class T>
__device__ inline void store_gradient(const Pairs<T>& pairs, Index i, bool counts, float value, T* gradient) {
  if (i < pairs.rows * pairs.outputs) gradient[i] = from_float<T>(counts ? value : 0);
}

template <class T>
struct ErrorGradient {
  static constexpr int width = 1;
  static constexpr int rows = rows_under_way<width>;
  using Inputs = Pair<T>;
  Pairs<T> pairs;
  const float* count;
  const T* upstream;
  T* gradient;

  struct Columns {
    const ErrorGradient& maps;
    float factor;

    __device__ Inputs load(Index i) const { return load_pair(maps.pairs, i); }
    __device__ void store(Index, Index i, const Inputs& pair) const {
      store_gradient(maps.pairs, i, pair.counts, (to_float(pair.prediction) - to_float(pair.target)) * factor,
                     maps.gradient);
    }
  };
  __device__ Columns at(Index, Index) const { return {*this, 2 * to_float(*upstream) / (*count > 1 ? *count : 1)}; }
};

/// Means and squared deviations of both numbers, and the sum of the deviations' products.
struct PairMoments {
  double count, mean_x, mean_y, deviations_x, deviations_y, products;

  __device__ void merge(const PairMoments& other) {
    if (other.count == 0) return;
    const double total = count + other.count;
    const double share = other.count / total;
    const double step_x = other.mean_x - mean_x;
    const double step_y = other.mean_y - mean_y;
    // What comes first is taken as it is: from a mean of nothing there is no exact step.
    mean_x = count == 0 ? other.mean_x : mean_x + step_x * share;
    mean_y = count == 0 ? other.mean_y : mean_y + step_y * share;
    deviations_x += other.deviations_x + step_x * step_x * (count * share);
    deviations_y += other.deviations_y + step_y * step_y * (count * share);
    products += other.products + step_x * step_y * (count * share);
    count = total;
  }
};

/// The squared deviations of numbers from their mean, from sums over their differences to one of them.
__device__ inline double deviations_of(double squares, double sum, double mean) {
  const double deviations = squares - sum * mean;
  return deviations > 0 || deviations != deviations ? deviations : 0;
}

template <class T>
struct MomentsOfColumn {
  using Sum = PairMoments;
  Pairs<T> pairs;

  __device__ PairMoments operator()(Index column, Index first, Index last, int step) const {
    const Index place = column / pairs.outputs;
    double first_x = 0;
    double first_y = 0;
    double count = 0;
    double sum_x = 0;
    double sum_y = 0;
    double squares_x = 0;
    double squares_y = 0;
    double products = 0;
    for (Index line = first; line < last; line += step) {
      if (!pairs.counts(line * pairs.rows_of_line() + place)) continue;
      const Index i = line * pairs.width + column;
      const double x = to_float(pairs.prediction[i]);
      const double y = to_float(pairs.target[i]);
      if (count == 0) {
        first_x = x;
        first_y = y;
      }
      count += 1;
      sum_x += x - first_x;
      sum_y += y - first_y;
      squares_x += (x - first_x) * (x - first_x);
      squares_y += (y - first_y) * (y - first_y);
      products += (x - first_x) * (y - first_y);
    }
    if (count == 0) return {};
    const double mean_x = sum_x / count;
    const double mean_y = sum_y / count;
    return {count,
            first_x + mean_x,
            first_y + mean_y,
            deviations_of(squares_x, sum_x, mean_x),
            deviations_of(squares_y, sum_y, mean_y),
            products - sum_x * mean_y};
  }
};

template <class T>
struct StoreConcordance {
  float* moments;
  T* coefficients;

  __device__ void operator()(Index, Index output, const PairMoments& of) const {
    const double distance = of.mean_x - of.mean_y;
    // count times the denominator
    const double total = of.deviations_x + of.deviations_y + distance * distance * of.count;
    const auto coefficient = static_cast<float>(total == 0 ? 1 : 2 * of.products / total);
    const auto mean = static_cast<float>(of.mean_y);
    float* kept = moments + output * concordance_moments;
    kept[0] = mean;
    kept[1] = static_cast<float>(of.mean_y - mean);
    kept[2] = coefficient;
    kept[3] = static_cast<float>(total == 0 ? 0 : 2 / total);
    coefficients[output] = from_float<T>(coefficient);
  }
};

template <class T>
struct ConcordanceGradient {
  static constexpr int width = 1;
  static constexpr int rows = rows_under_way<width>;
  using Inputs = Pair<T>;
  Pairs<T> pairs;
  const float* moments;
  const T* upstream;
  T* gradient;

  struct Columns {
    const ConcordanceGradient& maps;
    float mean, rest, coefficient, factor;

    __device__ Inputs load(Index i) const { return load_pair(maps.pairs, i); }
    __device__ void store(Index, Index i, const Inputs& pair) const {
      store_gradient(maps.pairs, i, pair.counts,
                     factor * (from_mean(pair.target) - coefficient * from_mean(pair.prediction)), maps.gradient);
    }
    __device__ float from_mean(T number) const { return to_float(number) - mean - rest; }
  };
  __device__ Columns at(Index, Index column) const {
    const Index output = column % pairs.outputs;
    const float* of = moments + output * concordance_moments;
    return {*this, of[0], of[1], of[2], of[3] * to_float(upstream[output])};
  }
};

/// Sums of lines, then of all that belongs to one of `columns` columns.
template <int last_lanes, class T, class Term, class Finish>
void reduce_pairs(const char* name, const Pairs<T>& pairs, const Term& term, Index columns, float* workspace,
                  const Finish& finish, cudaStream_t stream) {
  constexpr int lanes = 8;
  using Sum = typename Term::Sum;
  using Partial = PartialSums<Sum>;
  auto* const partial = reinterpret_cast<Sum*>(workspace);
  const ColumnGrid grid = reduction_grid(pairs.lines(), pairs.width);
  launch(name, reduce_columns<lanes, Term, Partial>, grid.blocks(), lanes * warp_threads, stream, term, grid,
         Partial{partial, pairs.width});
  const ColumnGrid last(grid.chunks() * pairs.width / columns, columns, 1, 1);
  launch(name, reduce_columns<last_lanes, Partial, Finish>, last.blocks(), last_lanes * warp_threads, stream,
         Partial{partial, columns}, last, finish);
}

}  // namespace

Index regression_workspace(Index rows, Index outputs) {
  const Pairs<float> pairs(nullptr, nullptr, nullptr, rows, outputs);
  const Index chunks = reduction_grid(pairs.lines(), pairs.width).chunks();
  return chunks * pairs.width * static_cast<Index>(sizeof(PairMoments) / sizeof(float));
}

template <class T>
void mse_loss(const T* prediction, const T* target, const std::uint8_t* mask, Index rows, Index outputs,
              float* workspace, float* count, T* loss, cudaStream_t stream) {
  const Pairs<T> pairs(prediction, target, mask, rows, outputs);
  reduce_pairs<32>("mse_loss", pairs, SquaredErrorsOfColumn<T>{pairs}, 1, workspace, StoreError<T>{count, loss},
                   stream);
}

template <class T>
void mse_loss_gradient(const T* prediction, const T* target, const std::uint8_t* mask, Index rows, Index outputs,
                       const float* count, const T* upstream, T* gradient, cudaStream_t stream) {
  if (rows * outputs == 0) return;
  const Pairs<T> pairs(prediction, target, mask, rows, outputs);
  visit_all_columns("mse_loss_gradient", 1, pairs.lines(), pairs.width,
                    ErrorGradient<T>{pairs, count, upstream, gradient}, stream);
}

template <class T>
void concordance(const T* prediction, const T* target, const std::uint8_t* mask, Index rows, Index outputs,
                 float* workspace, float* moments, T* coefficients, cudaStream_t stream) {
  if (outputs == 0) return;
  const Pairs<T> pairs(prediction, target, mask, rows, outputs);
  reduce_pairs<16>("concordance", pairs, MomentsOfColumn<T>{pairs}, outputs, workspace,
                   StoreConcordance<T>{moments, coefficients}, stream);
}

template <class T>
void concordance_gradient(const T* prediction, const T* target, const std::uint8_t* mask, Index rows, Index outputs,
                          const float* moments, const T* upstream, T* gradient, cudaStream_t stream) {
  if (rows * outputs == 0) return;
  const Pairs<T> pairs(prediction, target, mask, rows, outputs);
  visit_all_columns("concordance_gradient", 1, pairs.lines(), pairs.width,
                    ConcordanceGradient<T>{pairs, moments, upstream, gradient}, stream);
}

#define MIEN_FOR(T)                                                                                                    \
  template void mse_loss<T>(const T*, const T*, const std::uint8_t*, Index, Index, float*, float*, T*, cudaStream_t);  \
  template void mse_loss_gradient<T>(const T*, const T*, const std::uint8_t*, Index, Index, const float*, const T*,    \
                                     T*, cudaStream_t);                                                                \
  template void concordance<T>(const T*, const T*, const std::uint8_t*, Index, Index, float*, float*, T*,              \
                               cudaStream_t);                                                                          \
  template void concordance_gradient<T>(const T*, const T*, const std::uint8_t*, Index, Index, const float*, const T*, \
                                        T*, cudaStream_t);
MIEN_FOR(float)
MIEN_FOR(__nv_bfloat16)
MIEN_FOR(__half)
#undef MIEN_FOR

}  // namespace mien::kernels
