#pragma once

#include <numeric>

#include "mien/backend/cpu/elementwise_kernels.hpp"
#include "mien/backend/cpu/wide_rows.hpp"

namespace mien::backend {

/// out[i] = kernel(a[i], b[i]), chunk by chunk.
template <class T>
void combine_elements(typename ElementwiseKernels<T>::WithTensor* kernel, const Tensor<T, Cpu>& a,
                      const Tensor<T, Cpu>& b, Tensor<T, Cpu>& out) {
  const T* left = a.data();
  const T* right = b.data();
  T* result = out.data();
  parallel_for(0, out.elements(), elementwise_grain, [=](Index first, Index last) {
    kernel(last - first, left + first, right + first, result + first);
  });
}

/// out[i] = kernel(x[i], number).
template <class T>
void combine_with_number(typename ElementwiseKernels<T>::WithNumber* kernel, const Tensor<T, Cpu>& x, T number,
                         Tensor<T, Cpu>& out) {
  const T* source = x.data();
  T* result = out.data();
  parallel_for(0, out.elements(), elementwise_grain, [=](Index first, Index last) {
    kernel(last - first, source + first, number, result + first);
  });
}

template <class T>
void add(const Tensor<T, Cpu>& a, const Tensor<T, Cpu>& b, Tensor<T, Cpu>& out) {
  combine_elements(elementwise_kernels<T>().add, a, b, out);
}

template <class T>
void subtract(const Tensor<T, Cpu>& a, const Tensor<T, Cpu>& b, Tensor<T, Cpu>& out) {
  combine_elements(elementwise_kernels<T>().subtract, a, b, out);
}

template <class T>
void multiply(const Tensor<T, Cpu>& a, const Tensor<T, Cpu>& b, Tensor<T, Cpu>& out) {
  combine_elements(elementwise_kernels<T>().multiply, a, b, out);
}

template <class T>
void divide(const Tensor<T, Cpu>& a, const Tensor<T, Cpu>& b, Tensor<T, Cpu>& out) {
  combine_elements(elementwise_kernels<T>().divide, a, b, out);
}

template <class T>
void scale(const Tensor<T, Cpu>& x, T factor, Tensor<T, Cpu>& out) {
  combine_with_number(elementwise_kernels<T>().scale, x, factor, out);
}

template <class T>
void add_bias(const Tensor<T, Cpu>& x, const Tensor<T, Cpu>& bias, Tensor<T, Cpu>& out) {
  const ElementwiseKernels<T>& kernels = elementwise_kernels<T>();
  const WideRows wide(row_count(out.elements(), bias.elements()), bias.elements(), kernels.lanes);
  const Tensor<T> values = wide.repeat(bias.data());
  wide.for_each_element([&](Index first, Index count) {
    kernels.add_to_columns(count, wide.columns, x.data() + first, values.data(), out.data() + first);
  });
}

/// out[c] = the sum of column c of a [rows, channels], or of the product of a and b.
template <class T>
void sum_columns(typename ElementwiseKernels<T>::Sums* kernel, Index rows, Index channels, const T* a, const T* b,
                 T* out) {
  const WideRows wide(rows, channels, elementwise_kernels<T>().lanes);
  Tensor<T> partial({wide.parts(), wide.columns}, T{0});
  wide.for_each_part([&](Index part, Index first, Index part_rows, Index columns) {
    kernel(part_rows, columns, a + first, b == nullptr ? b : b + first, partial.data() + part * wide.columns);
  });
  wide.add_up(partial, out);
}

template <class T>
void sum_rows(const Tensor<T, Cpu>& x, Tensor<T, Cpu>& out) {
  const Index channels = out.elements();
  sum_columns<T>(elementwise_kernels<T>().column_sums, row_count(x.elements(), channels), channels, x.data(), nullptr,
                 out.data());
}

/// out [B, C] = x [B, ..., C] summed over its positions.
template <class T>
void sum_of_positions(const Tensor<T, Cpu>& x, Tensor<T, Cpu>& out) {
  if (out.empty()) return;
  const Index batch = out.size(0);
  const Index channels = out.size(1);
  const Index positions = x.elements() / (batch * channels);
  // A matrix of one column is not worth cutting into parts for so few, and not by Eigen, whose order of adding depends
  // on where in memory they lie.
  constexpr Index few = 256;
  if (channels == 1 && positions <= few)
    return parallel_for(0, batch, row_grain(positions), [&](Index first, Index last) {
      for (Index b = first; b < last; ++b)
        out.data()[b] = std::accumulate(x.data() + b * positions, x.data() + (b + 1) * positions, T{0});
    });
  parallel_for(0, batch, 1, [&](Index first, Index last) {
    for (Index b = first; b < last; ++b)
      sum_columns<T>(elementwise_kernels<T>().column_sums, positions, channels, x.data() + b * positions * channels,
                     nullptr, out.data() + b * channels);
  });
}

template <class T>
void mean_of_positions(const Tensor<T, Cpu>& x, Tensor<T, Cpu>& out) {
  if (out.empty()) return;
  sum_of_positions(x, out);
  array(out.data(), out.elements()) /= static_cast<T>(x.elements() / out.elements());
}

/// Calls `body(first, count, columns, values)` for the parts of all images of a map that has so many elements, each of
/// wide rows of `columns` elements beginning at element `first`; `values` [columns] are those of `by_image` [B, C] that
/// belong to the image.
template <class T, class Body>
void for_each_image_part(Index elements, const Tensor<T, Cpu>& by_image, const Body& body) {
  if (elements == 0) return;
  const Index images = by_image.size(0);
  const Index channels = by_image.size(1);
  const WideRows wide(elements / (images * channels), channels, elementwise_kernels<T>().lanes);
  Tensor<T> values({images, wide.columns});
  for (Index image = 0; image < images; ++image)
    for (Index i = 0; i < wide.repeats; ++i)
      std::copy_n(by_image.data() + image * channels, channels,
                  values.data() + image * wide.columns + i * channels);
  const Index grain = std::max<Index>(1, elementwise_grain / wide.elements());
  parallel_for(0, images * wide.parts(), grain, [&](Index first, Index last) {
    for (Index task = first; task < last; ++task) {
      const Index part = task % wide.parts();
      const Index image = task / wide.parts();
      body(image * wide.elements() + wide.first_of(part), wide.rows_of(part) * wide.columns_of(part),
           wide.columns_of(part), static_cast<const T*>(values.data()) + image * wide.columns);
    }
  });
}

template <class T>
void spread_over_positions(const Tensor<T, Cpu>& values, T factor, Tensor<T, Cpu>& out) {
  Tensor<T> scaled(values.shape());
  scale(values, factor, scaled);
  for_each_image_part(out.elements(), scaled, [&](Index first, Index count, Index columns, const T* row) {
    for (Index i = first; i < first + count; i += columns) std::copy_n(row, columns, out.data() + i);
  });
}

template <class T>
void scale_channels(const Tensor<T, Cpu>& x, const Tensor<T, Cpu>& weights, Tensor<T, Cpu>& out) {
  const auto kernel = elementwise_kernels<T>().scale_columns;
  for_each_image_part(out.elements(), weights, [&](Index first, Index count, Index columns, const T* row) {
    kernel(count, columns, x.data() + first, row, out.data() + first);
  });
}

template <class T>
void scale_channels_weight_gradient(const Tensor<T, Cpu>& x, const Tensor<T, Cpu>& upstream, Tensor<T, Cpu>& out) {
  const Index batch = out.size(0);
  const Index channels = out.size(1);
  if (out.empty()) return;
  const Index positions = x.elements() / (batch * channels);
  parallel_for(0, batch, 1, [&](Index first, Index last) {
    for (Index b = first; b < last; ++b) {
      const Index start = b * positions * channels;
      sum_columns<T>(elementwise_kernels<T>().column_sums_of_products, positions, channels, x.data() + start,
                     upstream.data() + start, out.data() + b * channels);
    }
  });
}

}  // namespace mien::backend
