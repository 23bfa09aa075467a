#pragma once

/// Attention by blocks of queries and keys whose scores stay in the nearest cache. A head's keys and values are copied
/// into panels once for many blocks of queries, and all products are those of matrix_product.hpp's innermost loop.

#include <array>
#include <cmath>
#include <limits>

#include "mien/backend/cpu/attention_kernels.hpp"
#include "mien/backend/cpu/compiled.hpp"
#include "mien/backend/cpu/elementwise_kernels.hpp"
#include "mien/backend/cpu/matrix_product.hpp"

namespace mien::backend {

/// Queries, keys and values of all heads where they lie: qkv [N, T, 3 E].
struct AttentionSizes {
  Index batch, tokens, heads, width;  ///< width of a head

  AttentionSizes(const Shape& qkv, Index heads_)
      : batch(qkv[0]), tokens(qkv[1]), heads(heads_), width(qkv[2] / 3 / heads_) {}

  Index embedding() const { return heads * width; }
  /// Where a head's numbers begin in [N, T, parts E], whose rows are parts * E apart; part 1 of 3 are the keys.
  Index offset(Index image, Index head, Index parts, Index part) const {
    return (image * tokens * parts + part) * embedding() + head * width;
  }
};

/// How many queries and keys a block has at most. So many queries are whole rounds of the innermost loop on processors
/// with many registers, and nearly so with few.
struct AttentionBlocks {
  static constexpr Index queries = 56;
  static constexpr Index keys = 128;
};

/// A matrix [depth, columns] as the right factor of products, in panels of columns that are padded to whole ones.
template <class T>
class ProductPanels {
 public:
  ProductPanels(Index depth, Index columns)
      : depth_(depth),
        columns_(columns),
        panels_(chunk_count(columns, matrix_product_kernels<T>().columns())),
        numbers_({std::max<Index>(1, depth * padded_columns())}) {}

  void pack(MatrixView<T> matrix) { pack(matrix, depth_); }
  /// Of the first `depth` rows alone.
  void pack(MatrixView<T> matrix, Index depth) {
    for (Index i = 0; i < panels_; ++i) pack_right(matrix, columns_, i * width(), 0, depth, panel(i));
  }

  Index padded_columns() const { return panels_ * width(); }

  /// A left factor, whose numbers are `row` and `depth` apart from one row, or one depth, to the next. Of an odd number
  /// of rows it has another, which may hold anything.
  struct Factor {
    const T* data;
    Index row, depth;
  };

  /// c = a b, or c += a b, for `rows` rows of a and the columns from `first`, the first of a panel, to `last`, over so
  /// many depths of b from `first_depth` on. Rows of c have room for whole panels.
  void multiply(Index rows, const Factor& a, Index first, Index last, Index first_depth, Index depth, T* c,
                Index c_stride, bool accumulate) const {
    const auto& kernels = matrix_product_kernels<T>();
    const ProductRows blocks(rows, kernels.rows);
    for (Index column = first; column < last; column += width()) {
      const T* const b = numbers_.data() + column * depth_ + first_depth * width();
      for (Index i = 0; i < blocks.count(); ++i) {
        T* const to = c + blocks.first(i) * c_stride + column - first;
        kernels.multiply({.rows = blocks.size(i),
                          .depth = depth,
                          .a = a.data + blocks.first(i) * a.row,
                          .a_row = a.row,
                          .a_depth = a.depth,
                          .b = b,
                          .b_depth = width(),
                          .initial = accumulate ? to : nullptr,
                          .initial_stride = c_stride,
                          .c = to,
                          .c_stride = c_stride});
      }
    }
  }

 private:
  static Index width() { return matrix_product_kernels<T>().columns(); }
  T* panel(Index i) { return numbers_.data() + i * width() * depth_; }

  Index depth_, columns_, panels_;
  Tensor<T> numbers_;
};

/// The blocks of a head's queries.
inline ProductRows attention_query_blocks(const AttentionSizes& sizes) {
  return {sizes.tokens, AttentionBlocks::queries};
}

/// `rows` rows of a head, each `factor` times what it is and close to the next, with room for one more.
template <class T>
void copy_scaled_rows(const T* from, Index stride, Index rows, Index width, T factor, T* to) {
  const auto scale = elementwise_kernels<T>().scale;
  for (Index row = 0; row < rows; ++row) scale(width, from + row * stride, factor, to + row * width);
}

template <class T>
T attention_scale(const AttentionSizes& sizes) {
  return static_cast<T>(1 / std::sqrt(static_cast<double>(sizes.width)));
}

/// A head's keys and values, and the memory of a thread that attends to them.
template <class T>
class AttentionHead {
 public:
  explicit AttentionHead(const AttentionSizes& sizes)
      : sizes_(sizes),
        keys_(sizes.width, sizes.tokens),
        values_(sizes.tokens, sizes.width),
        queries_({(AttentionBlocks::queries + 1) * sizes.width}),
        scores_({(AttentionBlocks::queries + 1) * AttentionBlocks::keys}),
        sums_({(AttentionBlocks::queries + 1) * values_.padded_columns()}) {}

  void select(const T* keys, const T* values) {
    const Index stride = 3 * sizes_.embedding();
    keys_.pack({keys, stride, true});
    values_.pack({values, stride});
  }

  /// The results of `count` queries, and the logarithms of their sums of exponentials.
  void attend(const T* queries, Index count, T* out, T* log_sums) {
    const Index width = sizes_.width;
    const Index padded = values_.padded_columns();
    copy_scaled_rows(queries, 3 * sizes_.embedding(), count, width, attention_scale<T>(sizes_), queries_.data());
    std::array<T, AttentionBlocks::queries> largest;
    std::array<T, AttentionBlocks::queries> sums{};
    largest.fill(-std::numeric_limits<T>::infinity());
    sums_.fill(T{0});
    for (Index key = 0; key < sizes_.tokens; key += AttentionBlocks::keys) {
      const Index keys = std::min(AttentionBlocks::keys, sizes_.tokens - key);
      keys_.multiply(count, {queries_.data(), width, 1}, key, key + keys, 0, width, scores_.data(),
                     AttentionBlocks::keys, false);
      for (Index row = 0; row < count; ++row) {
        const auto i = static_cast<std::size_t>(row);
        attention_kernels<T>().attend(scores_.data() + row * AttentionBlocks::keys, keys, &largest[i], &sums[i],
                                      sums_.data() + row * padded, padded);
      }
      values_.multiply(count, {scores_.data(), AttentionBlocks::keys, 1}, 0, width, key, keys, sums_.data(), padded,
                       true);
    }
    for (Index row = 0; row < count; ++row) {
      const auto i = static_cast<std::size_t>(row);
      log_sums[row] = largest[i] + std::log(sums[i]);
      elementwise_kernels<T>().scale(width, sums_.data() + row * padded, 1 / sums[i], out + row * sizes_.embedding());
    }
  }

 private:
  AttentionSizes sizes_;
  ProductPanels<T> keys_, values_;
  Tensor<T> queries_, scores_, sums_;
};

/// out [N, T, E] and log_sums [N, heads, T] of qkv [N, T, 3 E].
template <class T>
void attention(const Tensor<T, Cpu>& qkv, Index heads, Tensor<T, Cpu>& out, Tensor<T, Cpu>& log_sums) {
  if (out.empty()) return;
  const AttentionSizes sizes(qkv.shape(), heads);
  const ProductRows blocks = attention_query_blocks(sizes);
  const Index tasks = sizes.batch * heads * blocks.count();
  // Blocks of a head follow each other, so that most find its keys and values packed; whole heads, if there are many.
  constexpr Index most_chunks = 128;
  const Index images_heads = sizes.batch * heads;
  const Index grain = images_heads >= most_chunks / 2 ? blocks.count() * chunk_count(images_heads, most_chunks)
                                                      : chunk_count(tasks, most_chunks);
  parallel_for(0, tasks, grain, [&](Index first, Index last) {
    AttentionHead<T> memory(sizes);
    for (Index task = first; task < last; ++task) {
      const Index block = task % blocks.count();
      const Index head = task / blocks.count() % heads;
      const Index image = task / blocks.count() / heads;
      if (block == 0 || task == first)
        memory.select(qkv.data() + sizes.offset(image, head, 3, 1), qkv.data() + sizes.offset(image, head, 3, 2));
      const Index query = blocks.first(block);
      memory.attend(qkv.data() + sizes.offset(image, head, 3, 0) + query * 3 * sizes.embedding(), blocks.size(block),
                    out.data() + sizes.offset(image, head, 1, 0) + query * sizes.embedding(),
                    log_sums.data() + (image * heads + head) * sizes.tokens + query);
    }
  });
}

/// The gradients of one head at a time, and the memory that it takes.
template <class T>
class AttentionHeadGradient {
 public:
  explicit AttentionHeadGradient(const AttentionSizes& sizes)
      : sizes_(sizes),
        blocks_(attention_query_blocks(sizes)),
        keys_by_column_(sizes.width, sizes.tokens),
        values_by_column_(sizes.width, sizes.tokens),
        keys_(sizes.tokens, sizes.width),
        queries_(AttentionBlocks::queries, sizes.width),
        upstreams_(AttentionBlocks::queries, sizes.width),
        scaled_queries_({(AttentionBlocks::queries + 1) * sizes.width}),
        upstream_rows_(scaled_queries_.shape()),
        scores_({(AttentionBlocks::queries + 1) * AttentionBlocks::keys}),
        products_(scores_.shape()),
        query_gradient_({(AttentionBlocks::queries + 1) * padded()}),
        key_gradient_({sizes.tokens * padded()}),
        value_gradient_(key_gradient_.shape()) {}

  /// `qkv`, `gradient` begin with the head's queries, `out` and `upstream` with its results.
  void operator()(const T* qkv, const T* out, const T* log_sums, const T* upstream, T* gradient) {
    const Index embedding = sizes_.embedding();
    const MatrixView<T> keys{qkv + embedding, 3 * embedding};
    keys_by_column_.pack(keys.turned());
    values_by_column_.pack({qkv + 2 * embedding, 3 * embedding, true});
    keys_.pack(keys);
    key_gradient_.fill(T{0});
    value_gradient_.fill(T{0});
    for (Index i = 0; i < blocks_.count(); ++i) {
      const Index query = blocks_.first(i);
      add_queries(qkv + query * 3 * embedding, out + query * embedding, log_sums + query, upstream + query * embedding,
                  blocks_.size(i), gradient + query * 3 * embedding);
    }
    // The scale is in the queries already.
    store(key_gradient_, sizes_.tokens, T{1}, gradient + embedding);
    store(value_gradient_, sizes_.tokens, T{1}, gradient + 2 * embedding);
  }

 private:
  using Factor = typename ProductPanels<T>::Factor;

  Index padded() const { return keys_.padded_columns(); }

  void add_queries(const T* queries, const T* out, const T* log_sums, const T* upstream, Index count, T* gradient) {
    const Index width = sizes_.width;
    const Index embedding = sizes_.embedding();
    copy_scaled_rows(queries, 3 * embedding, count, width, attention_scale<T>(sizes_), scaled_queries_.data());
    copy_scaled_rows(upstream, embedding, count, width, T{1}, upstream_rows_.data());
    queries_.pack({scaled_queries_.data(), width}, count);
    upstreams_.pack({upstream, embedding}, count);
    query_gradient_.fill(T{0});
    std::array<T, AttentionBlocks::queries> slopes;
    for (Index row = 0; row < count; ++row)
      slopes[static_cast<std::size_t>(row)] = slope(out + row * embedding, upstream + row * embedding);
    for (Index key = 0; key < sizes_.tokens; key += AttentionBlocks::keys) {
      const Index keys = std::min(AttentionBlocks::keys, sizes_.tokens - key);
      T* const scores = scores_.data();
      T* const products = products_.data();
      constexpr Index stride = AttentionBlocks::keys;
      keys_by_column_.multiply(count, {scaled_queries_.data(), width, 1}, key, key + keys, 0, width, scores, stride,
                               false);
      values_by_column_.multiply(count, {upstream_rows_.data(), width, 1}, key, key + keys, 0, width, products, stride,
                                 false);
      for (Index row = 0; row < count; ++row)
        attention_kernels<T>().gradient(scores + row * stride, products + row * stride, log_sums[row],
                                        slopes[static_cast<std::size_t>(row)], keys);
      const Factor by_key{scores, 1, stride};
      const Factor products_by_key{products, 1, stride};
      upstreams_.multiply(keys, by_key, 0, width, 0, count, value_gradient_.data() + key * padded(), padded(), true);
      queries_.multiply(keys, products_by_key, 0, width, 0, count, key_gradient_.data() + key * padded(), padded(),
                        true);
      keys_.multiply(count, {products, stride, 1}, 0, width, key, keys, query_gradient_.data(), padded(), true);
    }
    store(query_gradient_, count, attention_scale<T>(sizes_), gradient);
  }

  /// What all probabilities of a query lose because they add up to one: the mean of their upstreams.
  T slope(const T* out, const T* upstream) const {
    T sum = 0;
    for (Index i = 0; i < sizes_.width; ++i) sum += out[i] * upstream[i];
    return sum;
  }

  void store(const Tensor<T>& rows, Index count, T factor, T* to) const {
    for (Index row = 0; row < count; ++row)
      elementwise_kernels<T>().scale(sizes_.width, rows.data() + row * padded(), factor,
                                     to + row * 3 * sizes_.embedding());
  }

  AttentionSizes sizes_;
  ProductRows blocks_;
  ProductPanels<T> keys_by_column_, values_by_column_, keys_, queries_, upstreams_;
  Tensor<T> scaled_queries_, upstream_rows_, scores_, products_, query_gradient_, key_gradient_, value_gradient_;
};

/// gradient [N, T, 3 E] for qkv, given what `attention` gave. Threads share out heads.
template <class T>
void attention_gradient(const Tensor<T, Cpu>& qkv, Index heads, const Tensor<T, Cpu>& out,
                        const Tensor<T, Cpu>& log_sums, const Tensor<T, Cpu>& upstream, Tensor<T, Cpu>& gradient) {
  if (out.empty()) return;
  const AttentionSizes sizes(qkv.shape(), heads);
  constexpr Index most_chunks = 128;
  const Index tasks = sizes.batch * heads;
  parallel_for(0, tasks, chunk_count(tasks, most_chunks), [&](Index first, Index last) {
    AttentionHeadGradient<T> differentiate(sizes);
    for (Index task = first; task < last; ++task) {
      const Index image = task / heads;
      const Index head = task % heads;
      const Index result = sizes.offset(image, head, 1, 0);
      const Index input = sizes.offset(image, head, 3, 0);
      differentiate(qkv.data() + input, out.data() + result, log_sums.data() + task * sizes.tokens,
                    upstream.data() + result, gradient.data() + input);
    }
  });
}

}  // namespace mien::backend

#ifdef MIEN_COMPILED_TEMPLATE
#define MIEN_COMPILED_TEMPLATES(T)                                                                       \
  MIEN_COMPILED_TEMPLATE void attention(const Tensor<T, Cpu>&, Index, Tensor<T, Cpu>&, Tensor<T, Cpu>&); \
  MIEN_COMPILED_TEMPLATE void attention_gradient(const Tensor<T, Cpu>&, Index, const Tensor<T, Cpu>&,    \
                                                 const Tensor<T, Cpu>&, const Tensor<T, Cpu>&, Tensor<T, Cpu>&);
#include "mien/backend/cpu/for_each_compiled_type.inc"
#endif
