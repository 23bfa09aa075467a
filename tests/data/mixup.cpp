#include <mien/data/annotations.hpp>
#include <mien/data/mixup.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

using namespace mien;

TEST_CASE("shares of mixup are drawn from a Beta distribution, the greater of both") {
  Generator generator(1);
  for (const double alpha : {0.2, 1.0, 4.0}) {
    CAPTURE(alpha);
    const data::Mixup mixup = data::draw_mixup(20000, alpha, generator);
    double mean = 0;
    double square = 0;
    for (const float share : mixup.shares) {
      CHECK_MESSAGE((share >= 0.5F && share <= 1), share);
      mean += static_cast<double>(share) / 20000;
      square += std::pow(static_cast<double>(share) - 0.5, 2) / 20000;
    }
    // The variance of Beta(alpha, alpha) about its mean, 1/2, which max(b, 1 - b) leaves as it is.
    CHECK(square == doctest::Approx(1 / (4 * (2 * alpha + 1))).epsilon(0.03));
    if (alpha == 1) CHECK(mean == doctest::Approx(0.75).epsilon(0.01));
  }
  CHECK_THROWS_AS(data::draw_mixup(3, 0, generator), ValueError);
  CHECK_THROWS_AS(data::draw_mixup(3, std::nan(""), generator), ValueError);
  // So small an alpha that both gammas are 0 in floating point.
  for (const float share : data::draw_mixup(100, 1e-4, generator).shares) CHECK(share >= 0.5F);
}

TEST_CASE("all that a sample holds is mixed with one share, and its targets too") {
  Generator generator(7);
  Tensor<float> clips({7, 2, 3, 5});
  generator.fill_uniform(clips, -1, 1);
  const auto before = clips.clone();
  const data::Mixup mixup = data::draw_mixup(7, 0.4, generator);
  auto sorted = mixup.partners;
  std::sort(sorted.begin(), sorted.end());
  CHECK(sorted == std::vector<Index>{0, 1, 2, 3, 4, 5, 6});
  const auto mixed = data::mix(clips, mixup);
  const auto targets = data::mix(data::class_targets({0, 1, 2, 2, data::no_label, 1, 0}, 3), mixup);
  const Tensor<std::uint8_t> mask = Tensor<std::uint8_t>::from({7}, {1, 0, 1, 1, 1, 1, 0});
  const auto both = data::mix_masks(mask, mixup);
  for (Index row = 0; row < 7; ++row) {
    const Index partner = mixup.partners[static_cast<std::size_t>(row)];
    const float share = mixup.shares[static_cast<std::size_t>(row)];
    for (Index i = 0; i < 30; ++i)
      CHECK(mixed.data()[row * 30 + i] ==
            doctest::Approx(share * before.data()[row * 30 + i] + (1 - share) * before.data()[partner * 30 + i]));
    float sum = 0;
    for (Index c = 0; c < 3; ++c) sum += targets(row, c);
    CHECK(sum == doctest::Approx((row == 4 ? 0 : share) + (partner == 4 ? 0 : 1 - share)));
    CHECK(both(row) == (mask(row) && mask(partner)));
  }
  CHECK(std::equal(before.data(), before.data() + before.elements(), clips.data()));
  CHECK_THROWS_AS(data::mix(Tensor<float>({6, 2}), mixup), ShapeError);

  // The same seed, the same bits; views with gaps are mixed alike.
  Generator first(9);
  Generator second(9);
  const data::Mixup a = data::draw_mixup(7, 0.2, first);
  const data::Mixup b = data::draw_mixup(7, 0.2, second);
  CHECK(a.partners == b.partners);
  CHECK(a.shares == b.shares);
  const auto view = clips.slice(-1, 0, 5, 2);
  const auto of_view = data::mix(view, mixup);
  CHECK(of_view(3, 1, 2, 1) == mixed(3, 1, 2, 2));
}
