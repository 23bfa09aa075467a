#pragma once

#include <cstdint>
#include <optional>

#include "mien/backend/cpu/arithmetic.hpp"
#include "mien/backend/cpu/reduction.hpp"

namespace mien::backend {

/// What the rows of a cross-entropy share: a weight for each class, or an undefined tensor, and the rest of the
/// options.
template <class T, class Device = Cpu>
struct CrossEntropyTerms {
  Tensor<T, Device> class_weights;
  double label_smoothing = 0;
  std::optional<std::int64_t> ignore_index;
};

template <class T>
double class_weight(const CrossEntropyTerms<T>& terms, Index label) {
  return terms.class_weights.defined() ? static_cast<double>(terms.class_weights.data()[label]) : 1.0;
}
template <class T>
double sum_of_class_weights(const CrossEntropyTerms<T>& terms, Index classes) {
  return terms.class_weights.defined() ? array(terms.class_weights.data(), classes).template cast<double>().sum()
                                       : static_cast<double>(classes);
}

/// The sum of the class weights of all labels that count.
template <class T>
double cross_entropy_weight(const Tensor<std::int64_t, Cpu>& labels, const CrossEntropyTerms<T>& terms) {
  const std::int64_t* label = labels.data();
  return sum_of_chunks(labels.elements(), elementwise_grain, [&](Index first, Index last) {
    double sum = 0;
    for (Index row = first; row < last; ++row)
      if (label[row] != terms.ignore_index) sum += class_weight(terms, label[row]);
    return sum;
  });
}

/// The sum over rows of the cross-entropy, divided by the weight; 0 if there is none.
template <class T>
void cross_entropy(const Tensor<T, Cpu>& log_probabilities, const Tensor<std::int64_t, Cpu>& labels,
                   const CrossEntropyTerms<T>& terms, Tensor<T, Cpu>& loss) {
  const Index classes = log_probabilities.size(-1);
  const double spread = terms.label_smoothing / static_cast<double>(classes);
  const double total = sum_of_chunks(labels.elements(), row_grain(classes), [&](Index first, Index last) {
    double sum = 0;
    for (Index row = first; row < last; ++row) {
      const Index label = labels.data()[row];
      if (label == terms.ignore_index) continue;
      const T* log_p = log_probabilities.data() + row * classes;
      sum -= (1 - terms.label_smoothing) * class_weight(terms, label) * static_cast<double>(log_p[label]);
      if (spread == 0) continue;
      for (Index c = 0; c < classes; ++c) sum -= spread * class_weight(terms, c) * static_cast<double>(log_p[c]);
    }
    return sum;
  });
  const double weight = cross_entropy_weight(labels, terms);
  loss.fill(weight > 0 ? static_cast<T>(total / weight) : T{0});
}

/// out = upstream * d(loss) / d(logits).
template <class T>
void cross_entropy_gradient(const Tensor<T, Cpu>& log_probabilities, const Tensor<std::int64_t, Cpu>& labels,
                            const CrossEntropyTerms<T>& terms, const Tensor<T, Cpu>& upstream, Tensor<T, Cpu>& out) {
  const double weight = cross_entropy_weight(labels, terms);
  if (!(weight > 0)) return out.fill(T{0});
  const double factor = static_cast<double>(upstream.item()) / weight;
  const Index classes = log_probabilities.size(-1);
  const double spread = terms.label_smoothing / static_cast<double>(classes);
  const double spread_weight = spread * sum_of_class_weights(terms, classes);
  parallel_for(0, labels.elements(), row_grain(classes), [&](Index first, Index last) {
    for (Index row = first; row < last; ++row) {
      const Index label = labels.data()[row];
      auto gradient = array(out.data() + row * classes, classes);
      if (label == terms.ignore_index) {
        gradient.setZero();
        continue;
      }
      const double label_weight = (1 - terms.label_smoothing) * class_weight(terms, label);
      gradient = array(log_probabilities.data() + row * classes, classes).exp() *
                 static_cast<T>(factor * (label_weight + spread_weight));
      gradient[label] -= static_cast<T>(factor * label_weight);
      if (spread == 0) continue;
      for (Index c = 0; c < classes; ++c) gradient[c] -= static_cast<T>(factor * spread * class_weight(terms, c));
    }
  });
}

}  // namespace mien::backend
