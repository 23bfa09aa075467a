#pragma once

#include <cmath>
#include <cstdint>
#include <optional>
#include <vector>

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
  double focal_gamma = 0;
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

/// -(1 - p)^gamma log p, and p times its derivative for p.
struct FocalTerm {
  double loss, slope;
};

inline FocalTerm focal_term(double log_p, double gamma) {
  if (gamma == 0) return {-log_p, -1};
  const double rest = -std::expm1(log_p);
  if (rest <= 0) return {0, 0};
  const double power = std::pow(rest, gamma);
  return {-power * log_p, power * (gamma * std::exp(log_p) * log_p / rest - 1)};
}

/// The targets of rows as they count: given ones [rows, classes], or those of labels where they are undefined.
template <class T>
class CountedTargets {
 public:
  CountedTargets(const Tensor<T, Cpu>& targets, const Tensor<std::int64_t, Cpu>& labels,
                 const CrossEntropyTerms<T>& terms, Index classes)
      : targets_(targets), labels_(labels), terms_(terms), classes_(classes) {}

  /// The sum of a row's targets; 0 where it does not count.
  double mass(Index row) const {
    if (!targets_.defined()) return labels_.data()[row] == terms_.ignore_index ? 0 : 1;
    return array(targets_.data() + row * classes_, classes_).template cast<double>().sum();
  }
  /// A class's target smoothed and weighted.
  double target(Index row, Index c, double mass) const {
    const double spread = terms_.label_smoothing / static_cast<double>(classes_);
    return class_weight(terms_, c) * ((1 - terms_.label_smoothing) * share(row, c) + spread * mass);
  }
  /// What a row counts.
  double weight(Index row) const {
    double sum = 0;
    if (mass(row) > 0)
      for (Index c = 0; c < classes_; ++c) sum += class_weight(terms_, c) * share(row, c);
    return sum;
  }

 private:
  double share(Index row, Index c) const {
    if (targets_.defined()) return static_cast<double>(targets_.data()[row * classes_ + c]);
    return labels_.data()[row] == c ? 1 : 0;
  }

  const Tensor<T, Cpu>& targets_;
  const Tensor<std::int64_t, Cpu>& labels_;
  const CrossEntropyTerms<T>& terms_;
  Index classes_;
};

template <class T>
double weight_of_targets(const CountedTargets<T>& targets, Index rows, Index classes) {
  return sum_of_chunks(rows, row_grain(classes), [&](Index first, Index last) {
    double sum = 0;
    for (Index row = first; row < last; ++row) sum += targets.weight(row);
    return sum;
  });
}

/// The same with targets for each class, or with labels, and with the focal factor.
template <class T>
void soft_cross_entropy(const Tensor<T, Cpu>& log_probabilities, const Tensor<T, Cpu>& targets,
                        const Tensor<std::int64_t, Cpu>& labels, const CrossEntropyTerms<T>& terms,
                        Tensor<T, Cpu>& loss) {
  const Index classes = log_probabilities.size(-1);
  const Index rows = log_probabilities.elements() / classes;
  const CountedTargets<T> counted(targets, labels, terms, classes);
  const double total = sum_of_chunks(rows, row_grain(classes), [&](Index first, Index last) {
    double sum = 0;
    for (Index row = first; row < last; ++row) {
      const double mass = counted.mass(row);
      if (!(mass > 0)) continue;
      const T* log_p = log_probabilities.data() + row * classes;
      for (Index c = 0; c < classes; ++c) {
        const double target = counted.target(row, c, mass);
        if (target != 0) sum += target * focal_term(static_cast<double>(log_p[c]), terms.focal_gamma).loss;
      }
    }
    return sum;
  });
  const double weight = weight_of_targets(counted, rows, classes);
  loss.fill(weight > 0 ? static_cast<T>(total / weight) : T{0});
}

/// out = upstream * d(loss) / d(logits).
template <class T>
void soft_cross_entropy_gradient(const Tensor<T, Cpu>& log_probabilities, const Tensor<T, Cpu>& targets,
                                 const Tensor<std::int64_t, Cpu>& labels, const CrossEntropyTerms<T>& terms,
                                 const Tensor<T, Cpu>& upstream, Tensor<T, Cpu>& out) {
  const Index classes = log_probabilities.size(-1);
  const Index rows = log_probabilities.elements() / classes;
  const CountedTargets<T> counted(targets, labels, terms, classes);
  const double weight = weight_of_targets(counted, rows, classes);
  if (!(weight > 0)) return out.fill(T{0});
  const double factor = static_cast<double>(upstream.item()) / weight;
  parallel_for(0, rows, row_grain(classes), [&](Index first, Index last) {
    std::vector<double> slopes(static_cast<std::size_t>(classes));
    for (Index row = first; row < last; ++row) {
      const double mass = counted.mass(row);
      const T* log_p = log_probabilities.data() + row * classes;
      double sum = 0;
      for (Index c = 0; c < classes; ++c) {
        const double target = mass > 0 ? counted.target(row, c, mass) : 0;
        double& slope = slopes[static_cast<std::size_t>(c)];
        slope = target == 0 ? 0 : target * focal_term(static_cast<double>(log_p[c]), terms.focal_gamma).slope;
        sum += slope;
      }
      for (Index c = 0; c < classes; ++c)
        out.data()[row * classes + c] = mass > 0
                                            ? static_cast<T>(factor * (slopes[static_cast<std::size_t>(c)] -
                                                                       std::exp(static_cast<double>(log_p[c])) * sum))
                                            : T{0};
    }
  });
}

}  // namespace mien::backend
