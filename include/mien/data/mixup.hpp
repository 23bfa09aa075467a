#pragma once

/// Mixup (Zhang et al., mixup: Beyond Empirical Risk Minimization, ICLR 2018): each sample of a batch becomes a mean of
/// itself and another one, and so do their targets. With one share s for all that a sample holds, so that the frames of
/// a clip are mixed alike,
///
///     x_i' = s_i x_i + (1 - s_i) x_p(i),   s_i = max(b, 1 - b),   b drawn from Beta(alpha, alpha)
///
/// where p is a random order of the batch. Since p is, taking the greater of b and 1 - b changes nothing in what is
/// drawn; it keeps the sample's own label the one that weighs more.
///
///     const data::Mixup mixup = data::draw_mixup(batch.frames.size(0), 0.2, default_generator());
///     const Tensor<float> frames = data::mix(batch.frames, mixup);
///     const Tensor<float> targets = data::mix(data::class_targets(batch.labels, classes), mixup);

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

#include "mien/core/random.hpp"
#include "mien/core/tensor.hpp"

namespace mien::data {

/// A draw for a batch.
struct Mixup {
  std::vector<Index> partners;  ///< p
  std::vector<float> shares;    ///< s, from 1/2 to 1
};

namespace detail {

/// The logarithm of a number drawn from Gamma(shape, 1): Marsaglia and Tsang, ACM Transactions on Mathematical Software
/// 26 (2000). Small shapes give numbers that are 0 in floating point, their logarithms are not.
inline double log_gamma_draw(double shape, Generator& generator) {
  if (shape < 1) {
    const double greater = log_gamma_draw(shape + 1, generator);
    return greater + std::log(1 - generator.uniform()) / shape;
  }
  const double d = shape - 1.0 / 3;
  const double c = 1 / std::sqrt(9 * d);
  while (true) {
    const double normal = generator.normal();
    const double uniform = 1 - generator.uniform();
    const double root = 1 + c * normal;
    if (root <= 0) continue;
    const double cube = root * root * root;
    if (std::log(uniform) < normal * normal / 2 + d - d * cube + d * std::log(cube)) return std::log(d * cube);
  }
}

inline void check_mixed(const Shape& shape, const Mixup& mixup) {
  if (shape.rank() < 1 || shape[0] != static_cast<Index>(mixup.partners.size()) ||
      mixup.shares.size() != mixup.partners.size())
    throw ShapeError(mien::detail::text("mixup of ", mixup.partners.size(), " samples with ", mixup.shares.size(),
                                        " shares, for a batch ", shape));
}

}  // namespace detail

/// Beta(alpha, alpha) is the more about 0 and 1 the smaller alpha; 0.1 to 0.4 are usual. Throws ValueError unless alpha
/// is positive.
inline Mixup draw_mixup(Index samples, double alpha, Generator& generator) {
  if (!(alpha > 0 && std::isfinite(alpha)))
    throw ValueError(mien::detail::text("mixup: alpha ", alpha, " is not positive"));
  Mixup out;
  out.partners.resize(static_cast<std::size_t>(samples));
  std::iota(out.partners.begin(), out.partners.end(), Index{0});
  generator.shuffle(out.partners);
  for (Index i = 0; i < samples; ++i) {
    const double difference =
        std::abs(detail::log_gamma_draw(alpha, generator) - detail::log_gamma_draw(alpha, generator));
    out.shares.push_back(static_cast<float>(1 / (1 + std::exp(-difference))));
  }
  return out;
}

/// x [samples, ...] mixed. Throws ShapeError for another number of samples.
inline Tensor<float> mix(const Tensor<float>& x, const Mixup& mixup) {
  detail::check_mixed(x.shape(), mixup);
  const Tensor<float> rows = x.contiguous();
  Tensor<float> out(x.shape());
  const Index length = x.size(0) == 0 ? 0 : x.elements() / x.size(0);
  for (Index row = 0; row < x.size(0); ++row) {
    const float share = mixup.shares[static_cast<std::size_t>(row)];
    const float* const own = rows.data() + row * length;
    const float* const other = rows.data() + mixup.partners[static_cast<std::size_t>(row)] * length;
    float* const to = out.data() + row * length;
    for (Index i = 0; i < length; ++i) to[i] = share * own[i] + (1 - share) * other[i];
  }
  return out;
}

/// A mask [samples] of what is mixed: 1 where both samples count.
inline Tensor<std::uint8_t> mix_masks(const Tensor<std::uint8_t>& mask, const Mixup& mixup) {
  detail::check_mixed(mask.shape(), mixup);
  Tensor<std::uint8_t> out(mask.shape());
  for (Index row = 0; row < mask.size(0); ++row)
    out(row) = mask(row) != 0 && mask(mixup.partners[static_cast<std::size_t>(row)]) != 0;
  return out;
}

}  // namespace mien::data
