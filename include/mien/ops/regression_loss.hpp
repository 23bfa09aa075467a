#pragma once

/// Mean squared error and concordance correlation (Lin, A concordance correlation coefficient to evaluate
/// reproducibility, Biometrics 1989) of predictions x and targets y, both [..., D]. With population moments over all
/// leading axes pooled, separately for each of the D outputs:
///
///     CCC = 2 s_xy / (s_x^2 + s_y^2 + (mu_x - mu_y)^2)
///
/// Two equal constants have CCC 1, a constant against anything else 0. A mask [...] leaves out rows that are 0 in it.
///
/// Where several processes share a batch (core/batch_part.hpp), `whole_batch_moments` are those of all parts, and with
/// them CCC and its gradient for the rows of this one.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "mien/backend/cpu/regression_loss.hpp"
#if defined(MIEN_WITH_CUDA)
#include "mien/backend/cuda/regression_loss.hpp"
#endif
#include "mien/core/batch_part.hpp"
#include "mien/ops/arithmetic.hpp"

namespace mien::ops {

/// Throws ShapeError unless prediction and target have the same shape [..., D] and the mask, if any, has a number for
/// each row of D.
template <class T, class Device>
void check_regression(const char* operation, const Tensor<T, Device>& prediction, const Tensor<T, Device>& target,
                      const Tensor<std::uint8_t, Device>& mask) {
  const bool fits = prediction.rank() >= 2 && prediction.size(-1) > 0 && prediction.shape() == target.shape() &&
                    (!mask.defined() || mask.elements() == prediction.elements() / prediction.size(-1));
  if (!fits)
    throw ShapeError(detail::text(operation, ": prediction ", prediction.shape(), ", target ", target.shape(),
                                  ", mask ", mask.defined() ? mask.shape().to_string() : "none",
                                  "; expected [..., D], [..., D] and [...]"));
}

/// x [..., D] as a matrix without gaps.
template <class T, class Device>
Tensor<T, Device> rows_of(const Tensor<T, Device>& x) {
  return x.contiguous().view({x.elements() / x.size(-1), x.size(-1)});
}

/// The mean of (x - y)^2 over all elements whose rows count: [1]. 0 if there is none.
template <class T, class Device>
Tensor<T, Device> mse_loss(const Tensor<T, Device>& prediction, const Tensor<T, Device>& target,
                           const Tensor<std::uint8_t, Device>& mask = {}) {
  check_regression("mse_loss", prediction, target, mask);
  Tensor<T, Device> loss({1});
  backend::mse_loss(rows_of(prediction), rows_of(target), mask.contiguous(), loss);
  return loss;
}

/// The gradient of `mse_loss` for the prediction, times `upstream` [1]. That for the target is its negative.
template <class T, class Device>
Tensor<T, Device> mse_loss_gradient(const Tensor<T, Device>& prediction, const Tensor<T, Device>& target,
                                    const Tensor<std::uint8_t, Device>& mask, const Tensor<T, Device>& upstream) {
  check_regression("mse_loss_gradient", prediction, target, mask);
  require_equal_shapes("mse_loss_gradient: upstream", {1}, upstream.shape());
  Tensor<T, Device> out(prediction.shape());
  backend::mse_loss_gradient(rows_of(prediction), rows_of(target), mask.contiguous(), upstream.contiguous(), out);
  return out;
}

/// The CCC of each output: [D]. 1 where no row counts.
template <class T, class Device>
Tensor<T, Device> concordance(const Tensor<T, Device>& prediction, const Tensor<T, Device>& target,
                              const Tensor<std::uint8_t, Device>& mask = {}) {
  check_regression("concordance", prediction, target, mask);
  Tensor<T, Device> out(Shape{prediction.size(-1)});
  backend::concordance(rows_of(prediction), rows_of(target), mask.contiguous(), out);
  return out;
}

/// 1 - the mean of the outputs' CCC: [1].
template <class T, class Device>
Tensor<T, Device> ccc_loss(const Tensor<T, Device>& prediction, const Tensor<T, Device>& target,
                           const Tensor<std::uint8_t, Device>& mask = {}) {
  check_regression("ccc_loss", prediction, target, mask);
  const auto outputs = concordance(prediction, target, mask).view({1, -1, 1});
  return subtract(Tensor<T, Device>({1}, T{1}), mean_of_positions(outputs).view({1}));
}

/// The gradient of `ccc_loss` for its first argument, times `upstream` [1]; exchange the two for the second's. 0 for
/// outputs where both are constant and equal.
template <class T, class Device>
Tensor<T, Device> ccc_loss_gradient(const Tensor<T, Device>& prediction, const Tensor<T, Device>& target,
                                    const Tensor<std::uint8_t, Device>& mask, const Tensor<T, Device>& upstream) {
  check_regression("ccc_loss_gradient", prediction, target, mask);
  require_equal_shapes("ccc_loss_gradient: upstream", {1}, upstream.shape());
  const Index outputs = prediction.size(-1);
  const auto share =
      spread_over_positions<T>(upstream.view({1, 1}), {1, outputs, 1}, T{-1} / static_cast<T>(outputs)).view({outputs});
  Tensor<T, Device> out(prediction.shape());
  backend::concordance_gradient(rows_of(prediction), rows_of(target), mask.contiguous(), share, out);
  return out;
}

/// The moments of each output over the rows that count of all parts of the batch, from one exchange of six numbers an
/// output with the other processes, on the host: tensors on a GPU are waited for. The batch's own where it is not
/// shared.
template <class T, class Device>
std::vector<backend::PairMoments> whole_batch_moments(const Tensor<T, Device>& prediction,
                                                      const Tensor<T, Device>& target,
                                                      const Tensor<std::uint8_t, Device>& mask = {}) {
  check_regression("whole_batch_moments", prediction, target, mask);
  const Tensor<T> x = rows_of(prediction).template to<Cpu>();
  const Tensor<T> y = rows_of(target).template to<Cpu>();
  const Tensor<std::uint8_t> rows = mask.contiguous().template to<Cpu>();
  std::vector<double> own;
  for (Index output = 0; output < x.size(1); ++output) {
    const backend::PairMoments moments = backend::pair_moments(x, y, rows, output);
    own.insert(own.end(), {static_cast<double>(moments.count), moments.mean_a, moments.mean_b, moments.variance_a,
                           moments.variance_b, moments.covariance});
  }
  const std::vector<double> parts = gather_over_parts(own);
  std::vector<backend::PairMoments> out(static_cast<std::size_t>(x.size(1)));
  for (std::size_t at = 0; at < parts.size(); at += 6) {
    backend::PairMoments& moments = out[at / 6 % out.size()];
    moments = together(moments, {static_cast<Index>(parts[at]), parts[at + 1], parts[at + 2], parts[at + 3],
                                 parts[at + 4], parts[at + 5]});
  }
  return out;
}

/// 1 - the mean of the outputs' CCC.
inline double ccc_loss(const std::vector<backend::PairMoments>& moments) {
  double sum = 0;
  for (const backend::PairMoments& of : moments) sum += of.concordance();
  return 1 - sum / static_cast<double>(moments.size());
}

/// As `ccc_loss_gradient` above, of a loss of more rows than there are here, whose moments are given: those of
/// `whole_batch_moments(prediction, target, mask)`. Computed on the host.
template <class T, class Device>
Tensor<T, Device> ccc_loss_gradient(const Tensor<T, Device>& prediction, const Tensor<T, Device>& target,
                                    const Tensor<std::uint8_t, Device>& mask, const Tensor<T, Device>& upstream,
                                    const std::vector<backend::PairMoments>& moments) {
  check_regression("ccc_loss_gradient", prediction, target, mask);
  require_equal_shapes("ccc_loss_gradient: upstream", {1}, upstream.shape());
  const Index outputs = prediction.size(-1);
  const Tensor<T> share(Shape{outputs},
                        static_cast<T>(-static_cast<double>(upstream.item()) / static_cast<double>(outputs)));
  Tensor<T> out(prediction.shape());
  backend::concordance_gradient(
      rows_of(prediction).template to<Cpu>(), rows_of(target).template to<Cpu>(), mask.contiguous().template to<Cpu>(),
      [&](Index output) { return moments[static_cast<std::size_t>(output)]; }, share, out);
  return out.template to<Device>();
}

}  // namespace mien::ops
