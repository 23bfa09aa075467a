// Cross-entropy of log-probabilities [rows, classes] against a label a row, and its gradient for the logits.
//
//     loss = sum over rows of (-(1 - e) w_y log p_y - e / C sum_c w_c log p_c) / sum over rows of w_y
//     gradient = upstream / sum w_y ((k + s) p_c - k [c = y] - e / C w_c)     with k = (1 - e) w_y, s = e / C sum_c w_c
//
// With targets q, or the focal factor (1 - p)^g, the same of t_c = w_c ((1 - e) q_c + e / C sum_k q_k):
//
//     loss = sum over rows and classes of -t_c (1 - p_c)^g log p_c / sum of w_c q_c
//     gradient = upstream / sum w_c q_c (s_c - p_c sum_k s_k)    with s_c = t_c (1 - p_c)^g (g p_c log p_c / (1 - p_c)
//     - 1)
//
// Launch: blocks of 256 threads; a row takes one thread where only its label's number is read, else eight lanes or a
// warp, by the number of classes. Each block adds up its rows, by threads first; a second kernel of one block adds up
// the blocks, of which there are 512 at most. A single block needs no second kernel: up to 1024 rows without smoothing.
// A label that is neither a class nor ignored makes the loss and its row's gradient not-a-number.
// Bytes: a label and one number a row, with smoothing or targets all of log p and of q; the gradient reads and writes
// as much as log p has. Flops: about 4 a number: bound by memory, and for the rows of a batch by the launches.

#include "mien/backend/cuda/kernels/cross_entropy.hpp"
#include "portable.hpp"

namespace mien::kernels {
namespace {

constexpr int loss_threads = 256;
constexpr int rows_per_group = 4;  // of the lanes that share a row
constexpr Index most_blocks = 512;
constexpr int label_threads = 1024;

/// Rows that the lanes of a block take in turn.
__host__ __device__ constexpr Index rows_per_block(int lanes) { return loss_threads / lanes * rows_per_group; }

/// The rows that a block adds up, so that there are no more than `most_blocks`.
Index rows_per_sum(Index rows, int lanes) {
  const Index even = groups(rows, most_blocks);
  return even > rows_per_block(lanes) ? even : rows_per_block(lanes);
}

__device__ inline float weight_of(const CrossEntropyRows& rows, Index label) {
  return rows.class_weights == nullptr ? 1 : rows.class_weights[label];
}

/// How much of each class's loss belongs to that of a row.
__device__ inline float spread_of(const CrossEntropyRows& rows) {
  return rows.label_smoothing / static_cast<float>(rows.classes);
}

__device__ inline bool is_ignored(const CrossEntropyRows& rows, Index label) {
  return rows.has_ignored && label == rows.ignored;
}
__device__ inline bool is_class(const CrossEntropyRows& rows, Index label) {
  return label >= 0 && label < rows.classes;
}

struct Losses {
  float loss, weight;

  __device__ void merge(const Losses& other) {
    loss += other.loss;
    weight += other.weight;
  }
};

/// The sum of all threads' losses, in the first of them.
__device__ inline Losses sum_of_block(const Losses& own) {
  MIEN_SHARED(Losses, sums, loss_threads);
  const int thread = static_cast<int>(threadIdx.x);
  sums[thread] = own;
  for (int half = loss_threads / 2; half > 0; half /= 2) {
    __syncthreads();
    if (thread < half) sums[thread].merge(sums[thread + half]);
  }
  return sums[thread];
}

template <class T>
__device__ void store_loss(const Losses& sums, float* totals, T* loss) {
  totals[0] = sums.loss;
  totals[1] = sums.weight;
  *loss = from_float<T>(sums.weight > 0 ? sums.loss / sums.weight : 0);
}

/// Adds up a block's rows: for the second kernel, or for good where there is one block alone.
template <class T>
__device__ void finish_block(const Losses& own, Losses* partial, float* totals, T* loss) {
  const Losses sums = sum_of_block(own);
  if (threadIdx.x != 0) return;
  if (gridDim.x == 1) {
    store_loss(sums, totals, loss);
  } else {
    partial[blockIdx.x] = sums;
  }
}

template <class T, int lanes>
__global__ void __launch_bounds__(loss_threads, 1)
    sum_losses(const T* log_probabilities, CrossEntropyRows rows, Index rows_of_block, Losses* partial, float* totals,
               T* loss) {
  const int lane = static_cast<int>(threadIdx.x) % lanes;
  const float spread = spread_of(rows);
  const Index first = static_cast<Index>(blockIdx.x) * rows_of_block;
  const Index last = first + rows_of_block < rows.rows ? first + rows_of_block : rows.rows;
  Losses own = {};
  for (Index row = first + static_cast<int>(threadIdx.x) / lanes; row < last; row += loss_threads / lanes) {
    const Index label = rows.labels[row];
    if (is_ignored(rows, label)) continue;
    if (!is_class(rows, label)) {
      own = {NAN, own.weight + 1};
      continue;
    }
    const T* log_p = log_probabilities + row * rows.classes;
    if (lane == 0) {
      const float weight = weight_of(rows, label);
      own.loss -= (1 - rows.label_smoothing) * weight * to_float(log_p[label]);
      own.weight += weight;
    }
    if (spread == 0) continue;
    for (Index c = lane; c < rows.classes; c += lanes) own.loss -= spread * weight_of(rows, c) * to_float(log_p[c]);
  }
  finish_block(own, partial, totals, loss);
}

template <class T>
__global__ void __launch_bounds__(loss_threads, 1)
    add_up_losses(const Losses* partial, Index blocks, float* totals, T* loss) {
  Losses own = {};
  for (Index block = threadIdx.x; block < blocks; block += loss_threads) own.merge(partial[block]);
  const Losses sums = sum_of_block(own);
  if (threadIdx.x == 0) store_loss(sums, totals, loss);
}

/// The sum of the weights of all classes, in each of the lanes that add it up.
template <int lanes>
__device__ float sum_of_weights(const CrossEntropyRows& rows, int lane) {
  float sum = 0;
  for (Index c = lane; c < rows.classes; c += lanes) sum += weight_of(rows, c);
  for (int by = lanes / 2; by > 0; by /= 2) sum += __shfl_xor_sync(whole_warp, sum, by);
  return sum;
}

template <class T, int lanes>
__global__ void __launch_bounds__(loss_threads, 1)
    gradient_of_rows(const T* log_probabilities, CrossEntropyRows rows, const float* totals, const T* upstream,
                     T* gradient) {
  const int lane = static_cast<int>(threadIdx.x) % lanes;
  const float spread = spread_of(rows);
  const float spread_weight = spread == 0 ? 0 : spread * sum_of_weights<lanes>(rows, lane);
  const bool any = totals[1] > 0;
  const float factor = any ? to_float(*upstream) / totals[1] : 0;
  Index row = static_cast<Index>(blockIdx.x) * rows_per_block(lanes) + static_cast<int>(threadIdx.x) / lanes;
  for (int i = 0; i < rows_per_group && row < rows.rows; ++i, row += loss_threads / lanes) {
    const Index label = rows.labels[row];
    const bool counts = any && !is_ignored(rows, label);
    float label_weight = NAN;
    if (is_class(rows, label)) label_weight = (1 - rows.label_smoothing) * weight_of(rows, label);
    for (Index c = lane; c < rows.classes; c += lanes) {
      const Index place = row * rows.classes + c;
      float value = 0;
      if (counts) {
        value = expf(to_float(log_probabilities[place])) * (factor * (label_weight + spread_weight));
        if (c == label) value -= factor * label_weight;
        if (spread != 0) value -= factor * spread * weight_of(rows, c);
      }
      gradient[place] = from_float<T>(value);
    }
  }
}

// --- targets and the focal factor ---

/// -(1 - p)^g log p, and p times its derivative for p.
struct FocalTerm {
  float loss, slope;
};

__device__ inline FocalTerm focal_term(float log_p, float gamma) {
  if (gamma == 0) return {-log_p, -1};
  const float rest = -expm1f(log_p);
  if (rest <= 0) return {0, 0};
  const float power = powf(rest, gamma);
  return {-power * log_p, power * (gamma * expf(log_p) * log_p / rest - 1)};
}

/// The target of a class in a row, before smoothing: of the targets, or of the label where there are none.
template <class T>
__device__ float share_of(const T* targets, const CrossEntropyRows& rows, Index row, Index c) {
  if (targets != nullptr) return to_float(targets[row * rows.classes + c]);
  return rows.labels[row] == c ? 1 : 0;
}

/// The sum of a row's targets, in each of its lanes: 0 where it does not count, not-a-number where the label is no
/// class. All lanes of a warp have to come, those whose row is not `inside` too.
template <class T, int lanes>
__device__ float mass_of(const T* targets, const CrossEntropyRows& rows, Index row, bool inside, int lane) {
  if (targets == nullptr) {
    if (!inside || is_ignored(rows, rows.labels[row])) return 0;
    return is_class(rows, rows.labels[row]) ? 1 : NAN;
  }
  float sum = 0;
  if (inside)
    for (Index c = lane; c < rows.classes; c += lanes) sum += share_of(targets, rows, row, c);
  for (int by = lanes / 2; by > 0; by /= 2) sum += __shfl_xor_sync(whole_warp, sum, by);
  return sum;
}

/// A class's target as it counts: smoothed and weighted.
__device__ inline float target_of(const CrossEntropyRows& rows, Index c, float share, float mass) {
  return weight_of(rows, c) * ((1 - rows.label_smoothing) * share + spread_of(rows) * mass);
}

template <class T, int lanes>
__global__ void __launch_bounds__(loss_threads, 1)
    sum_soft_losses(const T* log_probabilities, const T* targets, CrossEntropyRows rows, float gamma,
                    Index rows_of_block, Losses* partial, float* totals, T* loss) {
  const int lane = static_cast<int>(threadIdx.x) % lanes;
  const Index first = static_cast<Index>(blockIdx.x) * rows_of_block;
  const Index last = first + rows_of_block < rows.rows ? first + rows_of_block : rows.rows;
  Losses own = {};
  for (Index begin = first; begin < last; begin += loss_threads / lanes) {
    const Index row = begin + static_cast<int>(threadIdx.x) / lanes;
    const float mass = mass_of<T, lanes>(targets, rows, row, row < last, lane);
    if (mass != mass) own = {NAN, own.weight + 1};
    if (!(mass > 0)) continue;
    for (Index c = lane; c < rows.classes; c += lanes) {
      const float share = share_of(targets, rows, row, c);
      own.weight += weight_of(rows, c) * share;
      const float target = target_of(rows, c, share, mass);
      if (target != 0) own.loss += target * focal_term(to_float(log_probabilities[row * rows.classes + c]), gamma).loss;
    }
  }
  finish_block(own, partial, totals, loss);
}

template <class T, int lanes>
__global__ void __launch_bounds__(loss_threads, 1)
    gradient_of_soft_rows(const T* log_probabilities, const T* targets, CrossEntropyRows rows, float gamma,
                          const float* totals, const T* upstream, T* gradient) {
  const int lane = static_cast<int>(threadIdx.x) % lanes;
  const bool any = totals[1] > 0;
  const float factor = any ? to_float(*upstream) / totals[1] : 0;
  Index row = static_cast<Index>(blockIdx.x) * rows_per_block(lanes) + static_cast<int>(threadIdx.x) / lanes;
  for (int i = 0; i < rows_per_group; ++i, row += loss_threads / lanes) {
    const bool inside = row < rows.rows;
    const float mass = mass_of<T, lanes>(targets, rows, row, inside, lane);
    const bool counts = inside && any && mass > 0;
    const auto slope_of = [&](Index c) {
      const float target = target_of(rows, c, share_of(targets, rows, row, c), mass);
      return target == 0 ? 0 : target * focal_term(to_float(log_probabilities[row * rows.classes + c]), gamma).slope;
    };
    float slopes = 0;
    if (counts)
      for (Index c = lane; c < rows.classes; c += lanes) slopes += slope_of(c);
    for (int by = lanes / 2; by > 0; by /= 2) slopes += __shfl_xor_sync(whole_warp, slopes, by);
    if (!inside) continue;
    for (Index c = lane; c < rows.classes; c += lanes) {
      const Index place = row * rows.classes + c;
      float value = mass != mass ? NAN : 0;
      if (counts) value = factor * (slope_of(c) - expf(to_float(log_probabilities[place])) * slopes);
      gradient[place] = from_float<T>(value);
    }
  }
}

__global__ void __launch_bounds__(label_threads, 1) find_wrong_label(CrossEntropyRows rows, std::int64_t* first_wrong) {
  MIEN_SHARED(Index, found, label_threads);
  const int thread = static_cast<int>(threadIdx.x);
  Index first = rows.rows;
  for (Index row = thread; row < rows.rows && first == rows.rows; row += label_threads) {
    const Index label = rows.labels[row];
    if (!is_class(rows, label) && !is_ignored(rows, label)) first = row;
  }
  found[thread] = first;
  for (int half = label_threads / 2; half > 0; half /= 2) {
    __syncthreads();
    if (thread < half && found[thread + half] < found[thread]) found[thread] = found[thread + half];
  }
  if (thread == 0) *first_wrong = found[0] == rows.rows ? -1 : found[0];
}

template <class T, int lanes>
void launch_loss(const T* log_probabilities, const CrossEntropyRows& rows, float* workspace, float* totals, T* loss,
                 cudaStream_t stream) {
  auto* const partial = reinterpret_cast<Losses*>(workspace);
  const Index of_block = rows_per_sum(rows.rows, lanes);
  const Index blocks = rows.rows == 0 ? 1 : groups(rows.rows, of_block);
  launch("cross_entropy", sum_losses<T, lanes>, blocks, loss_threads, stream, log_probabilities, rows, of_block,
         partial, totals, loss);
  if (blocks > 1) launch("cross_entropy", add_up_losses<T>, 1, loss_threads, stream, partial, blocks, totals, loss);
}

template <class T, int lanes>
void launch_gradient(const T* log_probabilities, const CrossEntropyRows& rows, const float* totals, const T* upstream,
                     T* gradient, cudaStream_t stream) {
  launch("cross_entropy_gradient", gradient_of_rows<T, lanes>, groups(rows.rows, rows_per_block(lanes)), loss_threads,
         stream, log_probabilities, rows, totals, upstream, gradient);
}

template <class T, int lanes>
void launch_soft_loss(const T* log_probabilities, const T* targets, const CrossEntropyRows& rows, float gamma,
                      float* workspace, float* totals, T* loss, cudaStream_t stream) {
  auto* const partial = reinterpret_cast<Losses*>(workspace);
  const Index of_block = rows_per_sum(rows.rows, lanes);
  const Index blocks = rows.rows == 0 ? 1 : groups(rows.rows, of_block);
  launch("soft_cross_entropy", sum_soft_losses<T, lanes>, blocks, loss_threads, stream, log_probabilities, targets,
         rows, gamma, of_block, partial, totals, loss);
  if (blocks > 1)
    launch("soft_cross_entropy", add_up_losses<T>, 1, loss_threads, stream, partial, blocks, totals, loss);
}

template <class T, int lanes>
void launch_soft_gradient(const T* log_probabilities, const T* targets, const CrossEntropyRows& rows, float gamma,
                          const float* totals, const T* upstream, T* gradient, cudaStream_t stream) {
  launch("soft_cross_entropy_gradient", gradient_of_soft_rows<T, lanes>, groups(rows.rows, rows_per_block(lanes)),
         loss_threads, stream, log_probabilities, targets, rows, gamma, totals, upstream, gradient);
}

constexpr Index few_classes = 8;

}  // namespace

Index cross_entropy_workspace(Index rows) {
  return groups(rows, rows_per_sum(rows, warp_threads)) * static_cast<Index>(sizeof(Losses) / sizeof(float));
}

template <class T>
void cross_entropy(const T* log_probabilities, const CrossEntropyRows& rows, float* workspace, float* totals, T* loss,
                   cudaStream_t stream) {
  if (rows.label_smoothing == 0) {
    launch_loss<T, 1>(log_probabilities, rows, workspace, totals, loss, stream);
  } else if (rows.classes <= few_classes) {
    launch_loss<T, few_classes>(log_probabilities, rows, workspace, totals, loss, stream);
  } else {
    launch_loss<T, warp_threads>(log_probabilities, rows, workspace, totals, loss, stream);
  }
}

template <class T>
void cross_entropy_gradient(const T* log_probabilities, const CrossEntropyRows& rows, const float* totals,
                            const T* upstream, T* gradient, cudaStream_t stream) {
  if (rows.classes <= few_classes) {
    launch_gradient<T, few_classes>(log_probabilities, rows, totals, upstream, gradient, stream);
  } else {
    launch_gradient<T, warp_threads>(log_probabilities, rows, totals, upstream, gradient, stream);
  }
}

template <class T>
void soft_cross_entropy(const T* log_probabilities, const T* targets, const CrossEntropyRows& rows, float focal_gamma,
                        float* workspace, float* totals, T* loss, cudaStream_t stream) {
  if (rows.classes <= few_classes) {
    launch_soft_loss<T, few_classes>(log_probabilities, targets, rows, focal_gamma, workspace, totals, loss, stream);
  } else {
    launch_soft_loss<T, warp_threads>(log_probabilities, targets, rows, focal_gamma, workspace, totals, loss, stream);
  }
}

template <class T>
void soft_cross_entropy_gradient(const T* log_probabilities, const T* targets, const CrossEntropyRows& rows,
                                 float focal_gamma, const float* totals, const T* upstream, T* gradient,
                                 cudaStream_t stream) {
  if (rows.classes <= few_classes) {
    launch_soft_gradient<T, few_classes>(log_probabilities, targets, rows, focal_gamma, totals, upstream, gradient,
                                         stream);
  } else {
    launch_soft_gradient<T, warp_threads>(log_probabilities, targets, rows, focal_gamma, totals, upstream, gradient,
                                          stream);
  }
}

void count_wrong_labels(const std::int64_t* labels, Index rows, Index classes, bool has_ignored, Index ignored,
                        std::int64_t* first_wrong, cudaStream_t stream) {
  const CrossEntropyRows all{rows, classes, labels, nullptr, 0, has_ignored, ignored};
  launch("count_wrong_labels", find_wrong_label, 1, label_threads, stream, all, first_wrong);
}

#define MIEN_FOR(T)                                                                                              \
  template void cross_entropy<T>(const T*, const CrossEntropyRows&, float*, float*, T*, cudaStream_t);           \
  template void cross_entropy_gradient<T>(const T*, const CrossEntropyRows&, const float*, const T*, T*,         \
                                          cudaStream_t);                                                         \
  template void soft_cross_entropy<T>(const T*, const T*, const CrossEntropyRows&, float, float*, float*, T*,    \
                                      cudaStream_t);                                                             \
  template void soft_cross_entropy_gradient<T>(const T*, const T*, const CrossEntropyRows&, float, const float*, \
                                               const T*, T*, cudaStream_t);
MIEN_FOR(float)
MIEN_FOR(__nv_bfloat16)
MIEN_FOR(__half)
#undef MIEN_FOR

}  // namespace mien::kernels
