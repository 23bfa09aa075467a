#include "mien/backend/cuda/kernels/cross_entropy.hpp"

#include <utility>

#include "emulator/parity.hpp"
#include "mien/ops/cross_entropy.hpp"

using namespace mien;
using parity::DeviceArray;

namespace {

struct Sizes {
  Index rows, classes;
};

/// One row and class, classes for a part of a warp and for several, rows for more than one block of each kind.
constexpr Sizes all_sizes[] = {{0, 3}, {1, 1}, {7, 2}, {31, 65}, {65, 7}, {150, 9}, {1100, 3}};

struct Options {
  float smoothing;
  bool weighted, ignoring;
};
constexpr Options all_options[] = {
    {0, false, false}, {0, true, true}, {0.1F, false, true}, {0.1F, true, false}, {1, true, true}};

/// Labels in device memory, whose guards see what is read beside them.
class DeviceLabels {
 public:
  explicit DeviceLabels(const Tensor<std::int64_t>& labels) : labels_(labels.elements()) {
    std::copy_n(labels.data(), labels.elements(), labels_.data());
  }
  const std::int64_t* data() { return labels_.data(); }

 private:
  DeviceArray<std::int64_t> labels_;
};

/// Any classes, and here and there `ignored`.
Tensor<std::int64_t> labels_of(Sizes sizes, Index ignored) {
  Tensor<std::int64_t> labels(Shape{sizes.rows});
  Generator generator(5);
  for (Index row = 0; row < sizes.rows; ++row)
    labels.data()[row] = row % 4 == 2 ? ignored : static_cast<Index>(generator.below(sizes.classes));
  return labels;
}

}  // namespace

TEST_CASE_TEMPLATE("cross-entropy and its gradient on a device", T, float, __nv_bfloat16, __half) {
  for (const Sizes sizes : all_sizes)
    for (const auto [smoothing, weighted, ignoring] : all_options) {
      const auto [rows, classes] = sizes;
      CAPTURE(rows);
      CAPTURE(classes);
      CAPTURE(smoothing);
      CAPTURE(weighted);
      CAPTURE(ignoring);
      const Index ignored = ignoring ? -100 : 0;
      const auto labels = labels_of(sizes, ignored);
      const auto log_p = parity::rounded<T>(ops::log_softmax(parity::random({rows, classes}, 1, -3, 3)));
      const auto weights = parity::rounded<float>(parity::random({classes}, 2, 0.2, 2));
      CrossEntropyOptions options{.label_smoothing = static_cast<double>(smoothing)};
      if (weighted) options.class_weights.assign(weights.data(), weights.data() + classes);
      if (ignoring) options.ignore_index = ignored;
      const auto upstream = parity::rounded<T>(parity::random({1}, 3, 0.5, 2));
      const auto loss = ops::cross_entropy(log_p, labels, options);
      const auto gradient = ops::cross_entropy_gradient(log_p, labels, options, upstream);
      const double weight = backend::cross_entropy_weight(labels, ops::cross_entropy_terms<double, Cpu>(options));
      // Of one class alone nothing is left of what is added up.
      const double scale = upstream.item() / std::max(1.0, weight);
      parity::in_every_order([&] {
        DeviceArray<T> input(log_p);
        DeviceArray<T> arriving(upstream);
        DeviceArray<float> by_class(weights);
        DeviceLabels of_rows(labels);
        const kernels::CrossEntropyRows all{rows,      classes,  of_rows.data(), weighted ? by_class.data() : nullptr,
                                            smoothing, ignoring, ignored};
        DeviceArray<float> workspace(kernels::cross_entropy_workspace(rows));
        DeviceArray<float> totals(2);
        DeviceArray<T> on_loss(1);
        DeviceArray<T> on_gradient(rows * classes);
        kernels::cross_entropy(input.data(), all, workspace.data(), totals.data(), on_loss.data(), nullptr);
        kernels::cross_entropy_gradient(input.data(), all, totals.data(), arriving.data(), on_gradient.data(), nullptr);
        const std::vector found{on_loss.values({1}), on_gradient.values({rows, classes})};
        CHECK(static_cast<double>(totals.data()[1]) == doctest::Approx(weight).epsilon(1e-6));
        parity::check_close(found[0], loss, 1e-6 + parity::rounding<T>);
        parity::check_close(found[1], gradient, 1e-6 + parity::rounding<T>, scale);
        return found;
      });
    }
}

TEST_CASE("rows that do not count or weigh nothing have no cross-entropy on a device") {
  // Ignored rows first, then a class that weighs nothing; what a log-probability says does not matter then.
  for (const bool ignoring : {true, false})
    for (const double smoothing : {0.0, 0.1}) {
      CAPTURE(ignoring);
      CAPTURE(smoothing);
      constexpr Index rows = 40;
      constexpr Index classes = 3;
      Tensor<double> weights({classes}, 1.0);
      weights(1) = 0;
      Tensor<std::int64_t> labels(Shape{rows}, ignoring ? 7 : 1);
      DeviceArray<float> input(parity::random({rows, classes}, 1, -3, -1));
      DeviceArray<float> by_class(weights);
      DeviceLabels of_rows(labels);
      DeviceArray<float> upstream(Tensor<double>({1}, 1.0));
      const kernels::CrossEntropyRows all{
          rows, classes, of_rows.data(), by_class.data(), static_cast<float>(smoothing), ignoring, 7};
      DeviceArray<float> workspace(kernels::cross_entropy_workspace(rows));
      DeviceArray<float> totals(2);
      DeviceArray<float> loss(1);
      DeviceArray<float> gradient(rows * classes);
      kernels::cross_entropy(input.data(), all, workspace.data(), totals.data(), loss.data(), nullptr);
      kernels::cross_entropy_gradient(input.data(), all, totals.data(), upstream.data(), gradient.data(), nullptr);
      CHECK(loss.data()[0] == 0);
      for (Index i = 0; i < rows * classes; ++i) CHECK(gradient.data()[i] == 0);
    }
}

TEST_CASE("a label that is no class shows in the loss and in its row's gradient on a device") {
  for (const std::int64_t wrong : {-1, 3}) {
    CAPTURE(wrong);
    constexpr Index rows = 40;
    constexpr Index classes = 3;
    Tensor<std::int64_t> labels(Shape{rows}, 1);
    labels.data()[33] = wrong;
    DeviceArray<float> input(parity::random({rows, classes}, 1, -3, -1));
    DeviceLabels of_rows(labels);
    DeviceArray<float> upstream(Tensor<double>({1}, 1.0));
    const kernels::CrossEntropyRows all{rows, classes, of_rows.data(), nullptr, 0.1F, false, 0};
    DeviceArray<float> workspace(kernels::cross_entropy_workspace(rows));
    DeviceArray<float> totals(2);
    DeviceArray<float> loss(1);
    DeviceArray<float> gradient(rows * classes);
    kernels::cross_entropy(input.data(), all, workspace.data(), totals.data(), loss.data(), nullptr);
    kernels::cross_entropy_gradient(input.data(), all, totals.data(), upstream.data(), gradient.data(), nullptr);
    CHECK(std::isnan(loss.data()[0]));
    for (Index i = 0; i < rows * classes; ++i) CHECK(std::isnan(gradient.data()[i]) == (i / classes == 33));
  }
}

namespace {

/// What the kernels make of a loss with targets, or with labels where there are none, against the CPU.
template <class T>
void check_soft(Sizes sizes, Options form, double gamma, bool of_labels) {
  const auto [rows, classes] = sizes;
  CAPTURE(rows);
  CAPTURE(classes);
  CAPTURE(form.smoothing);
  CAPTURE(form.weighted);
  CAPTURE(gamma);
  CAPTURE(of_labels);
  const auto labels = labels_of(sizes, -100);
  auto shares = parity::random({rows, classes}, 4, 0, 1);
  for (Index i = 0; i < shares.elements(); ++i)
    if (i / classes % 5 == 3 || i % 3 == 1) shares.data()[i] = 0;
  const auto targets = parity::rounded<T>(shares);
  const auto log_p = parity::rounded<T>(ops::log_softmax(parity::random({rows, classes}, 1, -3, 3)));
  const auto weights = parity::rounded<float>(parity::random({classes}, 2, 0.2, 2));
  CrossEntropyOptions options{.label_smoothing = static_cast<double>(form.smoothing), .focal_gamma = gamma};
  if (form.weighted) options.class_weights.assign(weights.data(), weights.data() + classes);
  if (of_labels) options.ignore_index = -100;
  const auto terms = ops::cross_entropy_terms<double, Cpu>(options);
  const auto upstream = parity::rounded<T>(parity::random({1}, 3, 0.5, 2));
  const Tensor<double> given = of_labels ? Tensor<double>() : targets;
  Tensor<double> loss({1});
  Tensor<double> gradient({rows, classes});
  backend::soft_cross_entropy(log_p, given, labels, terms, loss);
  backend::soft_cross_entropy_gradient(log_p, given, labels, terms, upstream, gradient);
  const double weight =
      backend::weight_of_targets(backend::CountedTargets<double>(given, labels, terms, classes), rows, classes);
  const double scale = upstream.item() / std::max(1.0, weight);
  parity::in_every_order([&] {
    DeviceArray<T> input(log_p);
    DeviceArray<T> wanted(targets);
    DeviceArray<T> arriving(upstream);
    DeviceArray<float> by_class(weights);
    DeviceLabels of_rows(labels);
    const kernels::CrossEntropyRows all{rows,
                                        classes,
                                        of_labels ? of_rows.data() : nullptr,
                                        form.weighted ? by_class.data() : nullptr,
                                        form.smoothing,
                                        of_labels,
                                        -100};
    DeviceArray<float> workspace(kernels::cross_entropy_workspace(rows));
    DeviceArray<float> totals(2);
    DeviceArray<T> on_loss(1);
    DeviceArray<T> on_gradient(rows * classes);
    const T* const on_targets = of_labels ? nullptr : wanted.data();
    const auto on_gamma = static_cast<float>(gamma);
    kernels::soft_cross_entropy(input.data(), on_targets, all, on_gamma, workspace.data(), totals.data(),
                                on_loss.data(), nullptr);
    kernels::soft_cross_entropy_gradient(input.data(), on_targets, all, on_gamma, totals.data(), arriving.data(),
                                         on_gradient.data(), nullptr);
    const std::vector found{on_loss.values({1}), on_gradient.values({rows, classes})};
    CHECK(static_cast<double>(totals.data()[1]) == doctest::Approx(weight).epsilon(1e-5));
    parity::check_close(found[0], loss, 2e-6 + parity::rounding<T>);
    parity::check_close(found[1], gradient, 2e-6 + parity::rounding<T>, scale);
    return found;
  });
}

}  // namespace

TEST_CASE_TEMPLATE("cross-entropy of targets and the focal loss on a device", T, float, __nv_bfloat16, __half) {
  for (const Sizes sizes : all_sizes)
    for (const auto& [form, gamma] :
         {std::pair{Options{0, false, false}, 0.0}, {Options{0.1F, true, false}, 0.5}, {Options{0, true, false}, 2.0}})
      for (const bool of_labels : {false, true}) check_soft<T>(sizes, form, gamma, of_labels);
}

TEST_CASE("a label that is no class shows in the focal loss on a device, certainty does not") {
  constexpr Index rows = 40;
  constexpr Index classes = 3;
  Tensor<std::int64_t> labels(Shape{rows}, 1);
  auto log_p = Tensor<double>({rows, classes}, -1000.0);
  for (Index row = 0; row < rows; ++row) log_p(row, row % classes) = 0;
  DeviceArray<float> input(log_p);
  DeviceArray<float> upstream(Tensor<double>({1}, 1.0));
  DeviceArray<float> workspace(kernels::cross_entropy_workspace(rows));
  DeviceArray<float> totals(2);
  DeviceArray<float> loss(1);
  DeviceArray<float> gradient(rows * classes);
  const auto run = [&] {
    const float* const no_targets = nullptr;
    DeviceLabels of_rows(labels);
    const kernels::CrossEntropyRows all{rows, classes, of_rows.data(), nullptr, 0.1F, false, 0};
    kernels::soft_cross_entropy(input.data(), no_targets, all, 0.5F, workspace.data(), totals.data(), loss.data(),
                                nullptr);
    kernels::soft_cross_entropy_gradient(input.data(), no_targets, all, 0.5F, totals.data(), upstream.data(),
                                         gradient.data(), nullptr);
  };
  run();
  CHECK(std::isfinite(loss.data()[0]));
  for (Index i = 0; i < rows * classes; ++i) CHECK(std::isfinite(gradient.data()[i]));
  labels.data()[33] = 3;
  run();
  CHECK(std::isnan(loss.data()[0]));
  for (Index i = 0; i < rows * classes; ++i) CHECK(std::isnan(gradient.data()[i]) == (i / classes == 33));
}

TEST_CASE("the first label that is no class on a device") {
  const auto first_wrong = [](const Tensor<std::int64_t>& labels, bool has_ignored, Index ignored) {
    DeviceLabels of_rows(labels);
    DeviceArray<std::int64_t> found(1);
    parity::in_every_order([&] {
      kernels::count_wrong_labels(of_rows.data(), labels.elements(), 5, has_ignored, ignored, found.data(), nullptr);
      return std::vector{Tensor<double>({1}, static_cast<double>(found.data()[0]))};
    });
    return found.data()[0];
  };
  Tensor<std::int64_t> labels(Shape{2500}, 4);
  CHECK(first_wrong(Tensor<std::int64_t>(Shape{0}), false, 0) == -1);
  CHECK(first_wrong(labels, false, 0) == -1);
  labels.data()[2400] = 5;
  CHECK(first_wrong(labels, false, 0) == 2400);
  labels.data()[1031] = -1;
  labels.data()[2055] = -1;
  CHECK(first_wrong(labels, false, 0) == 1031);
  CHECK(first_wrong(labels, true, -1) == 2400);
  CHECK(first_wrong(labels, true, 4) == 1031);
}
