#pragma once

/// Compares the gradients of a function with differences, entry by entry of its Jacobian. For tests of one's own layers.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "mien/autograd/variable.hpp"
#include "mien/core/random.hpp"

namespace mien {

struct GradientCheckOptions {
  double step = 1e-5;  ///< half the distance of the central difference
  /// Allowed |analytic - numeric| / max(1, |analytic|, |numeric|).
  double tolerance = 1e-6;
  /// 0 compares the whole Jacobian. Else this many random combinations of the outputs, for functions with many.
  Index projections = 0;
  std::uint64_t seed = 1;
};

struct GradientCheckResult {
  double largest_error = 0;
  std::string where;  ///< the entry with the largest error, with both values
  bool passed = true;
  explicit operator bool() const { return passed; }
};

namespace detail {

/// A number that is another one as long as this lives.
class Displaced {
 public:
  Displaced(double& value, double displaced) : value_(value), before_(value) { value_ = displaced; }
  Displaced(const Displaced&) = delete;
  Displaced& operator=(const Displaced&) = delete;
  ~Displaced() { value_ = before_; }

 private:
  double& value_;
  double before_;
};

}  // namespace detail

/// `function` takes the inputs, which must all be contiguous leaves that want gradients, and returns one variable. It
/// must compute the same at every call. Values of the inputs are moved one by one and put back; their gradients are gone
/// afterwards. Throws ValueError for other inputs.
inline GradientCheckResult gradient_check(
    const std::function<Variable<double>(std::vector<Variable<double>>&)>& function,
    std::vector<Variable<double>> inputs, const GradientCheckOptions& options = {}) {
  for (const auto& input : inputs)
    if (!input.requires_gradient() || !input.value().is_contiguous())
      throw ValueError("gradient_check: every input must be a contiguous leaf that wants a gradient");

  const Variable<double> output = function(inputs);
  const Index outputs = output.value().elements();
  const Index rows = options.projections > 0 ? options.projections : outputs;
  Generator generator(options.seed);

  std::vector<Tensor<double>> upstreams;
  std::vector<std::vector<Tensor<double>>> analytic;
  for (Index row = 0; row < rows; ++row) {
    auto upstream = Tensor<double>::zeros(output.shape());
    if (options.projections > 0) {
      generator.fill_uniform(upstream, -1, 1);
    } else {
      upstream.data()[row] = 1;
    }
    for (auto& input : inputs) input.zero_gradient();
    if (output.requires_gradient()) backward(output, upstream, {.retain_graph = true});
    analytic.emplace_back();
    for (const auto& input : inputs)
      analytic.back().push_back(input.gradient().defined() ? input.gradient().clone()
                                                           : Tensor<double>::zeros(input.shape()));
    upstreams.push_back(std::move(upstream));
  }
  for (auto& input : inputs) input.zero_gradient();

  GradientCheckResult result;
  const NoGradient not_recorded;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    for (Index element = 0; element < inputs[i].value().elements(); ++element) {
      double& value = inputs[i].value().data()[element];
      const auto result_at = [&](double displaced) {
        const detail::Displaced moved(value, displaced);
        return function(inputs).value().clone();
      };
      const Tensor<double> above = result_at(value + options.step);
      const Tensor<double> below = result_at(value - options.step);
      for (Index row = 0; row < rows; ++row) {
        const auto r = static_cast<std::size_t>(row);
        double numeric = 0;
        for (Index k = 0; k < outputs; ++k)
          numeric += upstreams[r].data()[k] * (above.data()[k] - below.data()[k]) / (2 * options.step);
        const double expected = analytic[r][i].data()[element];
        const double error = std::abs(expected - numeric) / std::max({1.0, std::abs(expected), std::abs(numeric)});
        if (!(error <= result.largest_error) && !std::isnan(result.largest_error)) {
          result.largest_error = error;
          result.where = detail::text("input ", i, " ", inputs[i].shape(), " element ", element, ", output ", row,
                                      ": gradient ", expected, ", difference ", numeric);
        }
      }
    }
  }
  result.passed = result.largest_error <= options.tolerance;
  return result;
}

}  // namespace mien
