// What becomes of several views or modalities: the softmax over the two views of super images, its gradient, and class
// probabilities of modalities put together sample by sample.
//
//     alpha_h = 1 / (1 + exp(z_w - z_h)), alpha_w = 1 - alpha_h          gradient = alpha_h alpha_w (g_h - g_w), -that
//     maximum: max_m p_m          average, weighted: sum_m w_m p_m          product: prod_m max(p_m, 1e-12)
//     top k: votes for the k most probable classes of each modality, ties by sum_m p_m; all of them divided by their
//     sum
//
// Launch: views take a thread a pair of weights, or, for a pair that all channels share, a warp that sums them; a
// decision takes a warp a sample, eight a block, whose lanes have classes in turn.
// Bytes: a pair reads and writes four numbers; a decision reads every modality three or four times, from the cache
// after the first. Flops: some ten a number, and for `top_k` one for each pair of classes; decisions are added in
// double as on the CPU. For a batch's few rows all are bound by their launch.

#include "mien/backend/cuda/kernels/fusion.hpp"
#include "portable.hpp"

namespace mien::kernels {
namespace {

constexpr int fusion_threads = 256;
constexpr int fusion_rows = fusion_threads / warp_threads;

/// The row of this warp, or one past the last.
__device__ inline Index row_of_warp() {
  return static_cast<Index>(blockIdx.x) * fusion_rows + static_cast<int>(threadIdx.x) / warp_threads;
}
__device__ inline int lane_of_thread() { return static_cast<int>(threadIdx.x) % warp_threads; }

template <class T>
__global__ void __launch_bounds__(fusion_threads, 1)
    weigh_views(const T* logits, Index batch, Index channels, float* alpha) {
  const Index i = static_cast<Index>(blockIdx.x) * fusion_threads + threadIdx.x;
  if (i >= batch * channels) return;
  const Index height = i / channels * channels + i;  // the height's of 2 channels an entry
  const Index width = height + channels;
  const float of_height = 1 / (1 + expf(to_float(logits[width]) - to_float(logits[height])));
  alpha[height] = of_height;
  alpha[width] = 1 - of_height;
}

template <class T>
__global__ void __launch_bounds__(fusion_threads, 1)
    weigh_views_gradient(const float* alpha, const float* of_height, const float* of_width, Index batch, Index channels,
                         T* gradient) {
  const Index i = static_cast<Index>(blockIdx.x) * fusion_threads + threadIdx.x;
  if (i >= batch * channels) return;
  const Index height = i / channels * channels + i;
  const Index width = height + channels;
  const float term = alpha[height] * alpha[width] * (of_height[i] - of_width[i]);
  gradient[height] = from_float<T>(term);
  gradient[width] = from_float<T>(-term);
}

template <class T>
__global__ void __launch_bounds__(fusion_threads, 1)
    weigh_views_alike_gradient(const float* alpha, const float* of_height, const float* of_width, Index batch,
                               Index channels, T* gradient) {
  const Index entry = row_of_warp();
  if (entry >= batch) return;
  const int lane = lane_of_thread();
  float sum = 0;
  for (Index c = lane; c < channels; c += warp_threads)
    sum += of_height[entry * channels + c] - of_width[entry * channels + c];
  sum = warp_sum(sum) * (alpha[2 * entry] * alpha[2 * entry + 1]);
  if (lane < 2) gradient[2 * entry + lane] = from_float<T>(lane == 0 ? sum : -sum);
}

/// The same as of floats, for double.
__device__ inline double sum_of_warp(double value) {
  for (int by = warp_threads / 2; by > 0; by /= 2) value += __shfl_xor_sync(whole_warp, value, by);
  return value;
}
__device__ inline double greatest_of_warp(double value) {
  for (int by = warp_threads / 2; by > 0; by /= 2) value = fmax(value, __shfl_xor_sync(whole_warp, value, by));
  return value;
}

/// The modalities that have a say in one sample.
template <class T>
class Voters {
 public:
  __device__ Voters(const DecisionFusion<T>& all, Index sample) : all_(all), sample_(sample) {
    double total = 0;
    for (int m = 0; m < all.modalities; ++m) {
      if (!has(m)) continue;
      any_ = true;
      total += all.of[m].weight;
    }
    weighted_ = all.rule == DecisionRule::weighted && total > 0;  // if none weighs anything all weigh the same
  }

  __device__ bool any() const { return any_; }

  /// Whether what they say of a class is neither negative nor infinite nor not-a-number.
  __device__ bool are_valid(Index c) const {
    bool valid = true;
    for (int m = 0; m < all_.modalities; ++m) valid = valid && (!has(m) || is_valid(probability(m, c)));
    return valid;
  }

  /// The greatest probability of a class, the sum of all, or of their logarithms.
  __device__ double combined(Index c) const {
    double result = 0;
    for (int m = 0; m < all_.modalities; ++m) {
      if (!has(m)) continue;
      const double p = probability(m, c);
      if (all_.rule == DecisionRule::maximum) {
        result = fmax(result, p);
      } else if (all_.rule == DecisionRule::product) {
        result += log(fmax(least, p));
      } else {
        result += (weighted_ ? all_.of[m].weight : 1) * p;
      }
    }
    return result;
  }

  /// How many count a class among their k most probable; of equals the first are.
  __device__ double votes(Index c) const {
    double result = 0;
    for (int m = 0; m < all_.modalities; ++m) {
      if (!has(m)) continue;
      const double own = probability(m, c);
      Index before = 0;
      for (Index other = 0; other < all_.classes; ++other) {
        const double p = probability(m, other);
        if (p > own || (p == own && other < c)) ++before;
      }
      if (before < all_.k) result += 1;
    }
    return result;
  }

 private:
  static constexpr double least = 1e-12;

  __device__ bool has(int m) const { return all_.of[m].present == nullptr || all_.of[m].present[sample_] != 0; }
  static __device__ bool is_valid(double p) { return p >= 0 && p < INFINITY; }
  __device__ double probability(int m, Index c) const {
    return to_float(all_.of[m].probabilities[sample_ * all_.classes + c]);
  }

  const DecisionFusion<T>& all_;
  Index sample_;
  bool any_ = false;
  bool weighted_ = false;
};

/// A class's score before all are divided by their sum. `greatest` is that of all combined numbers.
template <class T>
__device__ double score_of(const Voters<T>& voters, DecisionRule rule, double greatest, Index c) {
  const double combined = voters.combined(c);
  if (rule == DecisionRule::product) return exp(combined - greatest);
  // Less than one vote, so that it decides between equals only.
  if (rule == DecisionRule::top_k) return voters.votes(c) + 0.5 / fmax(1.0, greatest) * combined;
  return combined;
}

template <class T>
__global__ void __launch_bounds__(fusion_threads, 1) fuse_samples(DecisionFusion<T> all, T* scores) {
  const Index sample = row_of_warp();
  if (sample >= all.samples) return;
  const int lane = lane_of_thread();
  const Voters<T> voters(all, sample);
  bool valid = voters.any();
  for (Index c = lane; c < all.classes; c += warp_threads) valid = valid && voters.are_valid(c);
  valid = __any_sync(whole_warp, valid ? 0 : 1) == 0;
  double greatest = -INFINITY;
  if (all.rule == DecisionRule::product || all.rule == DecisionRule::top_k) {
    for (Index c = lane; c < all.classes; c += warp_threads) greatest = fmax(greatest, voters.combined(c));
    greatest = greatest_of_warp(greatest);
  }
  double total = 0;
  for (Index c = lane; c < all.classes; c += warp_threads) total += score_of(voters, all.rule, greatest, c);
  total = sum_of_warp(total);
  for (Index c = lane; c < all.classes; c += warp_threads) {
    double score = NAN;
    if (valid)
      score = total > 0 ? score_of(voters, all.rule, greatest, c) / total : 1 / static_cast<double>(all.classes);
    scores[sample * all.classes + c] = from_float<T>(static_cast<float>(score));
  }
}

}  // namespace

template <class T>
void softmax_over_views(const T* logits, Index batch, Index channels, float* alpha, cudaStream_t stream) {
  launch("softmax_over_views", weigh_views<T>, groups(batch * channels, fusion_threads), fusion_threads, stream, logits,
         batch, channels, alpha);
}

template <class T>
void softmax_over_views_gradient(const float* alpha, const float* height, const float* width, Index batch,
                                 Index granules, Index channels, T* gradient, cudaStream_t stream) {
  if (granules == channels) {
    launch("softmax_over_views_gradient", weigh_views_gradient<T>, groups(batch * channels, fusion_threads),
           fusion_threads, stream, alpha, height, width, batch, channels, gradient);
  } else {
    launch("softmax_over_views_gradient", weigh_views_alike_gradient<T>, groups(batch, fusion_rows), fusion_threads,
           stream, alpha, height, width, batch, channels, gradient);
  }
}

template <class T>
void fuse_decisions(const DecisionFusion<T>& fusion, T* scores, cudaStream_t stream) {
  if (fusion.modalities > DecisionFusion<T>::most_modalities)
    throw Error(detail::text("CUDA kernel fuse_decisions: ", fusion.modalities, " modalities, at most ",
                             DecisionFusion<T>::most_modalities));
  if (fusion.classes == 0) return;
  launch("fuse_decisions", fuse_samples<T>, groups(fusion.samples, fusion_rows), fusion_threads, stream, fusion,
         scores);
}

#define MIEN_FOR(T)                                                                                               \
  template void softmax_over_views<T>(const T*, Index, Index, float*, cudaStream_t);                              \
  template void softmax_over_views_gradient<T>(const float*, const float*, const float*, Index, Index, Index, T*, \
                                               cudaStream_t);                                                     \
  template void fuse_decisions<T>(const DecisionFusion<T>&, T*, cudaStream_t);
MIEN_FOR(float)
MIEN_FOR(__nv_bfloat16)
MIEN_FOR(__half)
#undef MIEN_FOR

}  // namespace mien::kernels
