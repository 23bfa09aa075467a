#pragma once

/// The passes of batch normalisation, each of which reads every map once; see kernels/batch_norm.inc.

#include <cmath>

#include "mien/backend/cpu/compiled.hpp"
#include "mien/backend/cpu/vector.hpp"
#include "mien/backend/cpu/wide_rows.hpp"

namespace mien::backend {

/// Where a ReLU followed, its gradient counts only where y > 0. That can be told from the input again; not so where
/// something was added in between.
enum class BatchNormMask { none, input, output };

/// Values by channel.
template <class T>
struct BatchNormChannels {
  const T* mean;
  const T* factors;        ///< weight / sqrt(variance + epsilon)
  const T* shifts;         ///< bias - mean factors
  const T* input_factors;  ///< see `batch_norm_input_gradient`
  const T* input_shifts;
};

/// What the gradient's sums are made of. With a mask from the output, `masked` is written: upstream where y > 0, else
/// 0.
template <class T>
struct BatchNormGradientMaps {
  const T* x;
  const T* upstream;
  const T* y;
  T* masked;
};

/// The inner loops for one instruction set; see kernels/batch_norm.inc.
template <class T>
struct BatchNormKernels {
  Index lanes;
  void (*column_moments)(const T* x, Index rows, Index columns, T* mean, T* deviations);
  /// [with ReLU][with residual]
  void (*normalise[2][2])(Index elements, Index columns, const T* x, const T* factors, const T* shifts,
                          const T* residual, T* y);
  /// [mask]
  void (*gradient_sums[3])(const BatchNormGradientMaps<T>& maps, Index first, Index rows, Index columns,
                           const BatchNormChannels<T>& channels, T* sum_upstream, T* sum_product);
  /// [masked by the input][with the batch's statistics]
  void (*input_gradient[2][2])(Index elements, Index columns, const T* x, const T* upstream,
                               const BatchNormChannels<T>& channels, T* out);
};

}  // namespace mien::backend

#define MIEN_KERNELS "mien/backend/cpu/kernels/batch_norm.inc"
#include "mien/backend/cpu/for_each_instruction_set.inc"

namespace mien::backend {

template <class T>
const BatchNormKernels<T>& batch_norm_kernels() {
  return for_instruction_set(portable::batch_norm_kernels<T>, avx2::batch_norm_kernels<T>,
                             avx512::batch_norm_kernels<T>);
}

/// Mean and biased variance of every channel of x [rows, C]. Each part of x has its own mean, and sums differences to
/// it, which keeps the digits where the mean is large; all parts are put together in the end.
template <class T>
void channel_moments(const Tensor<T, Cpu>& x, Tensor<T, Cpu>& mean, Tensor<T, Cpu>& variance) {
  const BatchNormKernels<T>& kernels = batch_norm_kernels<T>();
  const Index channels = mean.elements();
  const WideRows wide(row_count(x.elements(), channels), channels, kernels.lanes);
  Tensor<T> means({wide.parts(), wide.columns});
  Tensor<T> deviations({wide.parts(), wide.columns});
  wide.for_each_part([&](Index part, Index first, Index rows, Index columns) {
    kernels.column_moments(x.data() + first, rows, columns, means.data() + part * wide.columns,
                           deviations.data() + part * wide.columns);
  });
  const auto part_of = [&](const Tensor<T>& values, Index part) {
    return array(values.data() + part * wide.columns, wide.columns_of(part));
  };
  const auto elements = static_cast<T>(row_count(x.elements(), channels));

  Tensor<T> total({wide.columns}, T{0});
  for (Index part = 0; part < wide.parts(); ++part)
    array(total.data(), wide.columns_of(part)) += part_of(means, part) * static_cast<T>(wide.rows_of(part));
  wide.fold(total, mean.data());
  array(mean.data(), channels) /= elements;

  const Tensor<T> center = wide.repeat(static_cast<const T*>(mean.data()));
  array(total.data(), wide.columns).setZero();
  for (Index part = 0; part < wide.parts(); ++part)
    array(total.data(), wide.columns_of(part)) +=
        part_of(deviations, part) + (part_of(means, part) - array(center.data(), wide.columns_of(part))).square() *
                                        static_cast<T>(wide.rows_of(part));
  wide.fold(total, variance.data());
  array(variance.data(), channels) /= elements;
}

/// factors = weight / sqrt(variance + epsilon), shifts = bias - mean factors.
template <class T>
void batch_norm_factors(const Tensor<T, Cpu>& mean, const Tensor<T, Cpu>& variance, const Tensor<T, Cpu>& weight,
                        const Tensor<T, Cpu>& bias, T epsilon, Tensor<T, Cpu>& factors, Tensor<T, Cpu>& shifts) {
  const Index channels = mean.elements();
  array(factors.data(), channels) =
      array(weight.data(), channels) / (array(variance.data(), channels) + epsilon).sqrt();
  array(shifts.data(), channels) =
      array(bias.data(), channels) - array(mean.data(), channels) * array(factors.data(), channels);
}

/// y = x factors + shifts, by channel; plus a residual if it is defined; with `relu`, no less than 0.
template <class T>
void normalise(const Tensor<T, Cpu>& x, const Tensor<T, Cpu>& factors, const Tensor<T, Cpu>& shifts,
               const Tensor<T, Cpu>& residual, bool relu, Tensor<T, Cpu>& y) {
  const BatchNormKernels<T>& kernels = batch_norm_kernels<T>();
  const Index channels = factors.elements();
  const WideRows wide(row_count(x.elements(), channels), channels, kernels.lanes);
  const Tensor<T> wide_factors = wide.repeat(factors.data());
  const Tensor<T> wide_shifts = wide.repeat(shifts.data());
  const auto kernel = kernels.normalise[relu ? 1 : 0][residual.defined() ? 1 : 0];
  wide.for_each_element([&](Index first, Index count) {
    kernel(count, wide.columns, x.data() + first, wide_factors.data(), wide_shifts.data(),
           residual.defined() ? residual.data() + first : nullptr, y.data() + first);
  });
}

/// running += momentum (batch - running), the variance with Bessel's correction.
template <class T>
void update_running_moments(const Tensor<T, Cpu>& mean, const Tensor<T, Cpu>& variance, Index rows, T momentum,
                            Tensor<T, Cpu>& running_mean, Tensor<T, Cpu>& running_variance) {
  const Index channels = mean.elements();
  const T unbiased = static_cast<T>(rows) / static_cast<T>(rows - 1);
  auto center = array(running_mean.data(), channels);
  auto spread = array(running_variance.data(), channels);
  center += momentum * (array(mean.data(), channels) - center);
  spread += momentum * (unbiased * array(variance.data(), channels) - spread);
}

/// Of a map of y = x factors + shifts, perhaps with a residual and ReLU, all that its gradient depends on.
template <class T, class Device = Cpu>
struct BatchNormGradientInputs {
  const Tensor<T, Device>& x;
  const Tensor<T, Device>& upstream;
  const Tensor<Accumulated<T>, Device>& mean;
  const Tensor<Accumulated<T>, Device>& variance;
  const Tensor<Accumulated<T>, Device>& factors;
  const Tensor<Accumulated<T>, Device>& shifts;
  Accumulated<T> epsilon;
  BatchNormMask mask;
  const Tensor<T, Device>& y;  ///< where the mask needs it
};

/// Where gradients go: [C] the first two; `masked`, of the shape of x, with a mask from y only.
template <class T, class Device = Cpu>
struct BatchNormGradientTargets {
  Tensor<Accumulated<T>, Device>& bias;
  Tensor<Accumulated<T>, Device>& weight;
  Tensor<T, Device>& masked;
  Tensor<T, Device>& x;
};

/// sum_upstream = sum of upstream, sum_product = sum of upstream * (x - mean) / sqrt(variance + epsilon), of the
/// upstream that passes the ReLU. With a mask from y that is also written to `masked`.
template <class T>
void batch_norm_gradient_sums(const BatchNormGradientInputs<T>& in, Tensor<T, Cpu>& sum_upstream,
                              Tensor<T, Cpu>& sum_product, Tensor<T, Cpu>& masked) {
  const BatchNormKernels<T>& kernels = batch_norm_kernels<T>();
  const Index channels = in.mean.elements();
  const WideRows wide(row_count(in.x.elements(), channels), channels, kernels.lanes);
  const Tensor<T> mean = wide.repeat(in.mean.data());
  const Tensor<T> factors = wide.repeat(in.factors.data());
  const Tensor<T> shifts = wide.repeat(in.shifts.data());
  const bool from_y = in.mask == BatchNormMask::output;
  const BatchNormGradientMaps<T> maps{in.x.data(), in.upstream.data(), from_y ? in.y.data() : nullptr,
                                      from_y ? masked.data() : nullptr};
  Tensor<T> upstream_parts({wide.parts(), wide.columns}, T{0});
  Tensor<T> product_parts({wide.parts(), wide.columns}, T{0});
  const auto kernel = kernels.gradient_sums[static_cast<std::size_t>(in.mask)];
  wide.for_each_part([&](Index part, Index first, Index rows, Index columns) {
    kernel(maps, first, rows, columns, {mean.data(), factors.data(), shifts.data(), nullptr, nullptr},
           upstream_parts.data() + part * wide.columns, product_parts.data() + part * wide.columns);
  });
  wide.add_up(upstream_parts, sum_upstream.data());
  wide.add_up(product_parts, sum_product.data());
  array(sum_product.data(), channels) /= (array(in.variance.data(), channels) + in.epsilon).sqrt();
}

/// out = weight / s (upstream - mean(upstream) - xhat mean(upstream xhat)), s = sqrt(variance + epsilon), the gradient
/// through the batch's own statistics; or weight / s upstream, if they are constants. A mask from y must have been
/// applied to upstream before.
template <class T>
void batch_norm_input_gradient(const BatchNormGradientInputs<T>& in, bool batch_statistics,
                               const Tensor<T, Cpu>& sum_upstream, const Tensor<T, Cpu>& sum_product,
                               Tensor<T, Cpu>& out) {
  const BatchNormKernels<T>& kernels = batch_norm_kernels<T>();
  const Index channels = in.mean.elements();
  const Index rows = row_count(in.x.elements(), channels);
  Tensor<T> input_factors({channels});
  Tensor<T> input_shifts({channels});
  for (Index c = 0; c < channels; ++c) {
    const T scale = in.factors.data()[c] / static_cast<T>(rows);
    input_factors.data()[c] = -scale * sum_product.data()[c] / std::sqrt(in.variance.data()[c] + in.epsilon);
    input_shifts.data()[c] = -scale * sum_upstream.data()[c] - input_factors.data()[c] * in.mean.data()[c];
  }
  const WideRows wide(rows, channels, kernels.lanes);
  const Tensor<T> factors = wide.repeat(in.factors.data());
  const Tensor<T> shifts = wide.repeat(in.shifts.data());
  input_factors = wide.repeat(static_cast<const T*>(input_factors.data()));
  input_shifts = wide.repeat(static_cast<const T*>(input_shifts.data()));
  const auto kernel = kernels.input_gradient[in.mask == BatchNormMask::input ? 1 : 0][batch_statistics ? 1 : 0];
  wide.for_each_element([&](Index first, Index count) {
    kernel(count, wide.columns, in.x.data() + first, in.upstream.data() + first,
           {nullptr, factors.data(), shifts.data(), input_factors.data(), input_shifts.data()}, out.data() + first);
  });
}

/// Both, one after the other. With a mask from y the upstream that passes it is the gradient for the residual too.
template <class T>
void batch_norm_gradients(const BatchNormGradientInputs<T>& in, bool batch_statistics,
                          const BatchNormGradientTargets<T>& out) {
  batch_norm_gradient_sums(in, out.bias, out.weight, out.masked);
  const Tensor<T, Cpu>& upstream = in.mask == BatchNormMask::output ? out.masked : in.upstream;
  batch_norm_input_gradient<T>({in.x, upstream, in.mean, in.variance, in.factors, in.shifts, in.epsilon, in.mask, in.y},
                               batch_statistics, out.bias, out.weight, out.x);
}

}  // namespace mien::backend

#ifdef MIEN_COMPILED_TEMPLATE
#define MIEN_COMPILED_TEMPLATES(T)                                                                           \
  MIEN_COMPILED_TEMPLATE void channel_moments(const Tensor<T, Cpu>&, Tensor<T, Cpu>&, Tensor<T, Cpu>&);      \
  MIEN_COMPILED_TEMPLATE void normalise(const Tensor<T, Cpu>&, const Tensor<T, Cpu>&, const Tensor<T, Cpu>&, \
                                        const Tensor<T, Cpu>&, bool, Tensor<T, Cpu>&);                       \
  MIEN_COMPILED_TEMPLATE void batch_norm_gradient_sums(const BatchNormGradientInputs<T>&, Tensor<T, Cpu>&,   \
                                                       Tensor<T, Cpu>&, Tensor<T, Cpu>&);                    \
  MIEN_COMPILED_TEMPLATE void batch_norm_input_gradient(                                                     \
      const BatchNormGradientInputs<T>&, bool, const Tensor<T, Cpu>&, const Tensor<T, Cpu>&, Tensor<T, Cpu>&);
#include "mien/backend/cpu/for_each_compiled_type.inc"
#endif
