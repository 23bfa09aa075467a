// Multi-head attention of tokens to each other, and its gradient.
//
//     out = softmax(Q K^T s) V with s = 1 / sqrt(width)          log_sum = log sum over keys of exp(q k s)
//     with P = exp(Q K^T s - log_sum), U = upstream and D = rowsum(U out):
//     S = P (U V^T - D), element by element      dQ = S K s      dK = S^T Q s      dV = P^T U
//
// Launch: a block of 256 threads takes 64 queries (for dK and dV, 64 keys) and 64 columns of a head, and goes through
// all keys (queries), 64 at a time; 35 KB of shared memory. A thread has 4 x 4 scores in registers, which pass through
// shared memory once on their way into the next product, and 4 x 4 results, or twice as many. The scores are never in
// global memory. D is a kernel of its own before: a warp a query of a head, eight a block. No block adds to what
// another one writes. Bounds name two blocks a processor, because each waits for what it loads.
// Flops, in units of 2 batch heads tokens^2 width: two for the result and seven for the gradient, since scores and what
// arrives at them are made for dQ and again for dK and dV. Heads of more than 64 columns make them again for every 64.
// Bytes: qkv and out once, and again, from the second cache, keys and values for every 64 queries. Bound by
// multiplications, which are float for every type of numbers.

#include "mien/backend/cuda/kernels/attention.hpp"
#include "packs.hpp"

namespace mien::kernels {
namespace {

constexpr int attention_tile = 64;  // queries, keys, and columns of results
constexpr int attention_threads = 256;
constexpr int attention_slice = 32;  // of a product's depth
/// Numbers from line to line in shared memory: lines begin in different banks.
constexpr int attention_slice_pitch = attention_slice + 4;
constexpr int attention_tile_pitch = attention_tile + 4;

using AttentionQuad = Pack<float, 4>;
constexpr int attention_slice_quads = attention_tile * attention_slice_pitch / 4;
constexpr int attention_score_quads = attention_tile * attention_tile_pitch / 4;

/// The tokens' numbers of one head: queries, keys, values, or something of their shape.
template <class T>
struct HeadRows {
  const T* data;
  int stride, tokens, width;
  bool has_packs;  ///< of four numbers
};

/// What a block works on: a tile of tokens and of columns of a head.
struct AttentionPart {
  int first_token, first_column, head, image;

  __device__ explicit AttentionPart(const AttentionShape& shape) {
    int block = static_cast<int>(blockIdx.x);
    const auto next = [&](Index count) {
      const int i = block % static_cast<int>(count);
      block /= static_cast<int>(count);
      return i;
    };
    first_token = next(groups(shape.tokens, attention_tile)) * attention_tile;
    first_column = next(groups(shape.width, attention_tile)) * attention_tile;
    head = next(shape.heads);
    image = block;
  }

  /// The head's rows in an array [batch, tokens, parts heads width]; part 1 of 3 are the keys.
  template <class T>
  __device__ HeadRows<T> rows(const AttentionShape& shape, const T* data, int parts = 1, int part = 0) const {
    const Index embedding = shape.heads * shape.width;
    return {data + (image * shape.tokens * parts + part) * embedding + head * shape.width,
            static_cast<int>(parts * embedding), static_cast<int>(shape.tokens), static_cast<int>(shape.width),
            shape.width % 4 == 0 && reinterpret_cast<std::uintptr_t>(data) % sizeof(Pack<T, 4>) == 0};
  }
  /// In an array [batch, heads, tokens].
  __device__ Index row_of_head(const AttentionShape& shape) const {
    return (image * shape.heads + head) * shape.tokens;
  }
};

/// Where a thread's results are in a tile: rows 4 i .. 4 i + 3, and columns j, j + 16, j + 32 and j + 48 of scores,
/// whose lines in shared memory then are in different banks, or 4 j .. 4 j + 3 of everything else.
__device__ inline int attention_row() { return static_cast<int>(threadIdx.x) / 16 * 4; }
__device__ inline int attention_lane() { return static_cast<int>(threadIdx.x) % 16; }

/// A part of some rows to shared memory, four numbers at a time.
template <int lines, int line_length, class T>
__device__ inline void copy_head_rows(const HeadRows<T>& rows, int first_row, int first_column, AttentionQuad* slice) {
  constexpr int quads = line_length / 4;
  constexpr int lines_at_once = attention_threads / quads;
  constexpr int count = lines / lines_at_once;
  const int own_quad = static_cast<int>(threadIdx.x) % quads;
  const int own_line = static_cast<int>(threadIdx.x) / quads;
  const int columns_left = rows.width - first_column - 4 * own_quad;
  MIEN_UNROLL(count)
  for (int i = 0; i < count; ++i) {
    const int line = own_line + i * lines_at_once;
    const int row = first_row + line;
    const int left = row < rows.tokens ? columns_left : 0;
    const T* const from = rows.data + static_cast<Index>(row) * rows.stride + first_column + 4 * own_quad;
    Pack<T, 4> pack;
    if (rows.has_packs && left > 0) {
      pack = *reinterpret_cast<const Pack<T, 4>*>(from);
    } else {
      MIEN_UNROLL(4)
      for (int e = 0; e < 4; ++e) pack.numbers[e] = e < left ? from[e] : from_float<T>(0);
    }
    AttentionQuad quad;
    MIEN_UNROLL(4)
    for (int e = 0; e < 4; ++e) quad.numbers[e] = to_float(pack.numbers[e]);
    slice[line * (quads + 1) + own_quad] = quad;
  }
}

/// sums[i][j] += sum over all columns of left[row i] right[column j].
template <class T>
__device__ inline void add_products_of_rows(float (&sums)[4][4], const HeadRows<T>& left, int first_left,
                                            const HeadRows<T>& right, int first_right, AttentionQuad* left_slice,
                                            AttentionQuad* right_slice) {
  MIEN_UNROLL(1)
  for (int first = 0; first < left.width; first += attention_slice) {
    __syncthreads();  // what was there has been read
    copy_head_rows<attention_tile, attention_slice>(left, first_left, first, left_slice);
    copy_head_rows<attention_tile, attention_slice>(right, first_right, first, right_slice);
    __syncthreads();
    MIEN_UNROLL(1)
    for (int k = 0; k < attention_slice; k += 4) {
      AttentionQuad of_columns[4];
      MIEN_UNROLL(4)
      for (int j = 0; j < 4; ++j)
        of_columns[j] = right_slice[((attention_lane() + 16 * j) * attention_slice_pitch + k) / 4];
      MIEN_UNROLL(4)
      for (int i = 0; i < 4; ++i) {
        const AttentionQuad of_row = left_slice[((attention_row() + i) * attention_slice_pitch + k) / 4];
        MIEN_UNROLL(4)
        for (int j = 0; j < 4; ++j) {
          MIEN_UNROLL(4)
          for (int e = 0; e < 4; ++e) sums[i][j] += of_row.numbers[e] * of_columns[j].numbers[e];
        }
      }
    }
  }
}

/// sums += scores right, for 64 rows of `right` from `first_row` on and 64 columns from `first_column` on. The scores
/// have been written when the threads come.
template <class T>
__device__ inline void add_weighted_rows(float (&sums)[4][4], const AttentionQuad* scores, const HeadRows<T>& right,
                                         int first_row, int first_column, AttentionQuad* slice) {
  MIEN_UNROLL(1)
  for (int first = 0; first < attention_tile; first += attention_slice) {
    __syncthreads();
    copy_head_rows<attention_slice, attention_tile>(right, first_row + first, first_column, slice);
    __syncthreads();
    MIEN_UNROLL(1)
    for (int k = 0; k < attention_slice; k += 4) {
      AttentionQuad of_columns[4];
      MIEN_UNROLL(4)
      for (int e = 0; e < 4; ++e) of_columns[e] = slice[(k + e) * attention_tile_pitch / 4 + attention_lane()];
      MIEN_UNROLL(4)
      for (int i = 0; i < 4; ++i) {
        const AttentionQuad of_row = scores[((attention_row() + i) * attention_tile_pitch + first + k) / 4];
        MIEN_UNROLL(4)
        for (int j = 0; j < 4; ++j) {
          MIEN_UNROLL(4)
          for (int e = 0; e < 4; ++e) sums[i][j] += of_row.numbers[e] * of_columns[e].numbers[j];
        }
      }
    }
  }
}

/// A thread's scores to shared memory.
__device__ inline void store_scores(AttentionQuad* scores, const float (&values)[4][4]) {
  float* const to = reinterpret_cast<float*>(scores) + attention_row() * attention_tile_pitch + attention_lane();
  MIEN_UNROLL(4)
  for (int i = 0; i < 4; ++i) {
    MIEN_UNROLL(4)
    for (int j = 0; j < 4; ++j) to[i * attention_tile_pitch + 16 * j] = values[i][j];
  }
}

/// A tile of results, to rows of `stride` numbers.
template <class T>
__device__ inline void store_results(const float (&sums)[4][4], const float (&factors)[4], const HeadRows<T>& like,
                                     const AttentionPart& part, T* to) {
  MIEN_UNROLL(4)
  for (int i = 0; i < 4; ++i) {
    const int token = part.first_token + attention_row() + i;
    MIEN_UNROLL(4)
    for (int j = 0; j < 4; ++j) {
      const int column = part.first_column + attention_lane() * 4 + j;
      if (token < like.tokens && column < like.width)
        to[static_cast<Index>(token) * like.stride + column] = from_float<T>(sums[i][j] * factors[i]);
    }
  }
}

/// The sum, or the greatest, of a value of each of the 16 threads that share rows, in all of them.
__device__ inline float sum_of_row_threads(float value) {
  for (int by = 8; by > 0; by /= 2) value += __shfl_xor_sync(whole_warp, value, by);
  return value;
}
__device__ inline float max_of_row_threads(float value) {
  for (int by = 8; by > 0; by /= 2) value = fmaxf(value, __shfl_xor_sync(whole_warp, value, by));
  return value;
}

__device__ inline float attention_scale(const AttentionShape& shape) {
  return 1 / sqrtf(static_cast<float>(shape.width));
}

template <class T>
__global__ void __launch_bounds__(attention_threads, 2)
    attend_tiles(const T* qkv, AttentionShape shape, T* out, float* log_sums) {
  MIEN_SHARED(AttentionQuad, query_slice, attention_slice_quads);
  MIEN_SHARED(AttentionQuad, key_slice, attention_slice_quads);
  MIEN_SHARED(AttentionQuad, scores, attention_score_quads);
  const AttentionPart part(shape);
  const auto queries = part.rows(shape, qkv, 3, 0);
  const auto keys = part.rows(shape, qkv, 3, 1);
  const auto values = part.rows(shape, qkv, 3, 2);
  const float scale = attention_scale(shape);
  float sums[4][4] = {};
  float greatest[4] = {-INFINITY, -INFINITY, -INFINITY, -INFINITY};
  float totals[4] = {};
  MIEN_UNROLL(1)
  for (int key = 0; key < keys.tokens; key += attention_tile) {
    float own[4][4] = {};
    add_products_of_rows(own, queries, part.first_token, keys, key, &query_slice[0], &key_slice[0]);
    MIEN_UNROLL(4)
    for (int i = 0; i < 4; ++i) {
      float found = -INFINITY;
      MIEN_UNROLL(4)
      for (int j = 0; j < 4; ++j) {
        own[i][j] = key + attention_lane() + 16 * j < keys.tokens ? own[i][j] * scale : -INFINITY;
        found = fmaxf(found, own[i][j]);
      }
      const float before = greatest[i];
      greatest[i] = fmaxf(before, max_of_row_threads(found));
      const float factor = before == greatest[i] ? 1 : expf(before - greatest[i]);
      float total = 0;
      MIEN_UNROLL(4)
      for (int j = 0; j < 4; ++j) {
        own[i][j] = expf(own[i][j] - greatest[i]);
        total += own[i][j];
      }
      totals[i] = totals[i] * factor + sum_of_row_threads(total);
      MIEN_UNROLL(4)
      for (int j = 0; j < 4; ++j) sums[i][j] *= factor;
    }
    store_scores(&scores[0], own);
    add_weighted_rows(sums, &scores[0], values, key, part.first_column, &key_slice[0]);
  }
  float factors[4];
  MIEN_UNROLL(4)
  for (int i = 0; i < 4; ++i) {
    factors[i] = 1 / totals[i];
    const int token = part.first_token + attention_row() + i;
    if (part.first_column == 0 && attention_lane() == 0 && token < queries.tokens)
      log_sums[part.row_of_head(shape) + token] = greatest[i] + logf(totals[i]);
  }
  const auto results = part.rows(shape, static_cast<const T*>(out));
  store_results(sums, factors, results, part, out + (results.data - out));
}

constexpr int slope_rows = attention_threads / warp_threads;

/// slopes [batch, heads, tokens] = rowsum(upstream out).
template <class T>
__global__ void __launch_bounds__(attention_threads, 2)
    slopes_of_queries(const T* out, const T* upstream, AttentionShape shape, float* slopes) {
  const Index row = static_cast<Index>(blockIdx.x) * slope_rows + static_cast<int>(threadIdx.x) / warp_threads;
  if (row >= shape.batch * shape.heads * shape.tokens) return;
  const Index token = row % shape.tokens;
  const Index head = row / shape.tokens % shape.heads;
  const Index image = row / shape.tokens / shape.heads;
  const Index first = ((image * shape.tokens + token) * shape.heads + head) * shape.width;
  float sum = 0;
  for (Index i = static_cast<int>(threadIdx.x) % warp_threads; i < shape.width; i += warp_threads)
    sum += to_float(out[first + i]) * to_float(upstream[first + i]);
  sum = warp_sum(sum);
  if (threadIdx.x % warp_threads == 0) slopes[row] = sum;
}

/// What is known of a head's query: the logarithm of its sum, and D. Nothing attends for a query that is not there.
struct QueryFacts {
  float log_sum, slope;

  __device__ QueryFacts(int query, int queries, const float* log_sums, const float* slopes)
      : log_sum(query < queries ? log_sums[query] : INFINITY), slope(query < queries ? slopes[query] : 0) {}
};

template <class T>
__global__ void __launch_bounds__(attention_threads, 2)
    query_gradient_tiles(const T* qkv, const float* log_sums, const float* slopes, const T* upstream,
                         AttentionShape shape, T* gradient) {
  MIEN_SHARED(AttentionQuad, query_slice, attention_slice_quads);
  MIEN_SHARED(AttentionQuad, key_slice, attention_slice_quads);
  MIEN_SHARED(AttentionQuad, scores, attention_score_quads);
  const AttentionPart part(shape);
  const auto queries = part.rows(shape, qkv, 3, 0);
  const auto keys = part.rows(shape, qkv, 3, 1);
  const auto values = part.rows(shape, qkv, 3, 2);
  const auto arriving = part.rows(shape, upstream);
  log_sums += part.row_of_head(shape);
  slopes += part.row_of_head(shape);
  const float scale = attention_scale(shape);
  float sums[4][4] = {};
  MIEN_UNROLL(1)
  for (int key = 0; key < keys.tokens; key += attention_tile) {
    float own[4][4] = {};
    float products[4][4] = {};
    add_products_of_rows(own, queries, part.first_token, keys, key, &query_slice[0], &key_slice[0]);
    add_products_of_rows(products, arriving, part.first_token, values, key, &query_slice[0], &key_slice[0]);
    MIEN_UNROLL(4)
    for (int i = 0; i < 4; ++i) {
      const QueryFacts facts(part.first_token + attention_row() + i, queries.tokens, log_sums, slopes);
      MIEN_UNROLL(4)
      for (int j = 0; j < 4; ++j) {
        const bool is_key = key + attention_lane() + 16 * j < keys.tokens;
        own[i][j] = is_key ? expf(own[i][j] * scale - facts.log_sum) * (products[i][j] - facts.slope) : 0;
      }
    }
    store_scores(&scores[0], own);
    add_weighted_rows(sums, &scores[0], keys, key, part.first_column, &key_slice[0]);
  }
  const float factors[4] = {scale, scale, scale, scale};
  store_results(sums, factors, queries, part, gradient + (queries.data - qkv));
}

template <class T>
__global__ void __launch_bounds__(attention_threads, 2)
    key_gradient_tiles(const T* qkv, const float* log_sums, const float* slopes, const T* upstream,
                       AttentionShape shape, T* gradient) {
  MIEN_SHARED(AttentionQuad, query_slice, attention_slice_quads);
  MIEN_SHARED(AttentionQuad, key_slice, attention_slice_quads);
  MIEN_SHARED(AttentionQuad, scores, attention_score_quads);
  const AttentionPart part(shape);
  const auto queries = part.rows(shape, qkv, 3, 0);
  const auto keys = part.rows(shape, qkv, 3, 1);
  const auto values = part.rows(shape, qkv, 3, 2);
  const auto arriving = part.rows(shape, upstream);
  log_sums += part.row_of_head(shape);
  slopes += part.row_of_head(shape);
  const float scale = attention_scale(shape);
  float of_keys[4][4] = {};
  float of_values[4][4] = {};
  MIEN_UNROLL(1)
  for (int query = 0; query < queries.tokens; query += attention_tile) {
    float own[4][4] = {};
    float products[4][4] = {};
    add_products_of_rows(own, keys, part.first_token, queries, query, &key_slice[0], &query_slice[0]);
    add_products_of_rows(products, values, part.first_token, arriving, query, &key_slice[0], &query_slice[0]);
    MIEN_UNROLL(4)
    for (int j = 0; j < 4; ++j) {
      const QueryFacts facts(query + attention_lane() + 16 * j, queries.tokens, log_sums, slopes);
      MIEN_UNROLL(4)
      for (int i = 0; i < 4; ++i) {
        own[i][j] = expf(own[i][j] * scale - facts.log_sum);
        products[i][j] = own[i][j] * (products[i][j] - facts.slope);
      }
    }
    store_scores(&scores[0], own);
    add_weighted_rows(of_values, &scores[0], arriving, query, part.first_column, &query_slice[0]);
    __syncthreads();  // the probabilities have been read
    store_scores(&scores[0], products);
    add_weighted_rows(of_keys, &scores[0], queries, query, part.first_column, &query_slice[0]);
  }
  const float scales[4] = {scale, scale, scale, scale};
  store_results(of_keys, scales, keys, part, gradient + (keys.data - qkv));
  const float ones[4] = {1, 1, 1, 1};
  store_results(of_values, ones, values, part, gradient + (values.data - qkv));
}

Index attention_blocks(const AttentionShape& shape) {
  return groups(shape.tokens, attention_tile) * groups(shape.width, attention_tile) * shape.heads * shape.batch;
}

/// Throws Error where a size is beyond what the kernels count with.
void require_attention_shape(const char* name, const AttentionShape& shape) {
  constexpr Index most = Index{1} << 30;
  if (shape.tokens > most || shape.heads * shape.width > most / 3)
    throw Error(detail::text("CUDA kernel ", name, ": ", shape.tokens, " tokens of ", 3 * shape.heads * shape.width,
                             " numbers, at most ", most, " each"));
}

}  // namespace

template <class T>
void attention(const T* qkv, const AttentionShape& shape, T* out, float* log_sums, cudaStream_t stream) {
  require_attention_shape("attention", shape);
  launch("attention", attend_tiles<T>, attention_blocks(shape), attention_threads, stream, qkv, shape, out, log_sums);
}

Index attention_workspace(const AttentionShape& shape) { return shape.batch * shape.heads * shape.tokens; }

template <class T>
void attention_gradient(const T* qkv, const T* out, const float* log_sums, const T* upstream,
                        const AttentionShape& shape, float* workspace, T* gradient, cudaStream_t stream) {
  constexpr const char* name = "attention_gradient";
  require_attention_shape(name, shape);
  launch(name, slopes_of_queries<T>, groups(attention_workspace(shape), slope_rows), attention_threads, stream, out,
         upstream, shape, workspace);
  launch(name, query_gradient_tiles<T>, attention_blocks(shape), attention_threads, stream, qkv, log_sums, workspace,
         upstream, shape, gradient);
  launch(name, key_gradient_tiles<T>, attention_blocks(shape), attention_threads, stream, qkv, log_sums, workspace,
         upstream, shape, gradient);
}

#define MIEN_FOR(T)                                                                                                  \
  template void attention<T>(const T*, const AttentionShape&, T*, float*, cudaStream_t);                             \
  template void attention_gradient<T>(const T*, const T*, const float*, const T*, const AttentionShape&, float*, T*, \
                                      cudaStream_t);
MIEN_FOR(float)
MIEN_FOR(__nv_bfloat16)
MIEN_FOR(__half)
#undef MIEN_FOR

}  // namespace mien::kernels
