#pragma once

/// Mean squared error and concordance correlation (Lin, A concordance correlation coefficient to evaluate
/// reproducibility, Biometrics 1989) of predictions x and targets y, both [..., D]. With population moments over all
/// leading axes pooled, separately for each of the D outputs:
///
///     CCC = 2 s_xy / (s_x^2 + s_y^2 + (mu_x - mu_y)^2)
///
/// Two equal constants have CCC 1, a constant against anything else 0. A mask [...] leaves out rows that are 0 in it.

#include <cstdint>

#include "mien/backend/cpu/regression_loss.hpp"
#if defined(MIEN_WITH_CUDA)
#include "mien/backend/cuda/regression_loss.hpp"
#endif
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

}  // namespace mien::ops
