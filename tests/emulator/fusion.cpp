#include "mien/backend/cuda/kernels/fusion.hpp"

#include "emulator/parity.hpp"
#include "mien/models/fusion.hpp"
#include "mien/ops/softmax.hpp"
#include "mien/ops/view_fusion.hpp"

using namespace mien;
using parity::DeviceArray;

TEST_CASE_TEMPLATE("weights of two views and their gradients on a device", T, float, __nv_bfloat16, __half) {
  struct Sizes {
    Index batch, granules, channels;
  };
  // A pair for each channel or for all of them; less and more than a warp, more than a block, nothing.
  for (const auto [batch, granules, channels] :
       {Sizes{1, 1, 1}, Sizes{7, 31, 31}, Sizes{5, 65, 65}, Sizes{3, 1, 7}, Sizes{9, 1, 65}, Sizes{0, 3, 3}}) {
    CAPTURE(batch);
    CAPTURE(granules);
    CAPTURE(channels);
    const auto logits = parity::rounded<T>(parity::random({batch, 2 * granules}, 1, -4, 4));
    const auto height = parity::rounded<float>(parity::random({batch, channels}, 2));
    const auto width = parity::rounded<float>(parity::random({batch, channels}, 3));
    const auto alpha = ops::softmax_over_views(logits);
    const auto kept = parity::rounded<float>(alpha);
    const auto gradient = ops::softmax_over_views_gradient(kept, height, width);
    parity::in_every_order([&] {
      DeviceArray<T> on_logits(logits);
      DeviceArray<float> on_alpha(alpha.elements());
      kernels::softmax_over_views(on_logits.data(), batch, granules, on_alpha.data(), nullptr);
      DeviceArray<float> weights(kept);
      DeviceArray<float> of_height(height);
      DeviceArray<float> of_width(width);
      DeviceArray<T> on_gradient(gradient.elements());
      kernels::softmax_over_views_gradient(weights.data(), of_height.data(), of_width.data(), batch, granules, channels,
                                           on_gradient.data(), nullptr);
      const std::vector found{on_alpha.values(alpha.shape()), on_gradient.values(gradient.shape())};
      parity::check_close(found[0], alpha, 3e-7);
      // Of many channels a sum may be small against what went into it.
      parity::check_close(found[1], gradient, 4e-7 + parity::rounding<T>, 0.1);
      return found;
    });
  }
}

TEST_CASE("weights of views that are far apart on a device") {
  Tensor<double> logits({1, 4});
  logits(0, 0) = 200;
  logits(0, 3) = std::nan("");
  DeviceArray<float> on_logits(logits);
  DeviceArray<float> alpha(4);
  kernels::softmax_over_views(on_logits.data(), 1, 2, alpha.data(), nullptr);
  CHECK(alpha.data()[0] == 1);
  CHECK(alpha.data()[2] == 0);
  CHECK(std::isnan(alpha.data()[1]));
}

namespace {

constexpr models::DecisionRule all_rules[] = {models::DecisionRule::maximum, models::DecisionRule::average,
                                              models::DecisionRule::product, models::DecisionRule::weighted,
                                              models::DecisionRule::top_k};

/// Modalities of the CPU and of a device with the same numbers.
template <class T>
struct Modalities {
  /// The first is there in all samples, of the others each lacks some.
  Modalities(int count, Index samples, Index classes) {
    for (int m = 0; m < count; ++m) {
      auto p = parity::rounded<T>(
          ops::softmax(parity::random({samples, classes}, static_cast<std::uint64_t>(m) + 1, -3, 3)));
      std::vector<bool> present;
      marks.push_back(std::make_unique<DeviceArray<std::uint8_t>>(samples));
      for (Index b = 0; b < samples; ++b) {
        present.push_back(m == 0 || b % (m + 1) != 0);
        marks.back()->data()[b] = present.back() ? 1 : 0;
        // What a missing one says does not matter; a class that is impossible, and two that are equal, may come.
        if (!present.back()) p(b, 0) = std::nan("");
        if (b % 3 == 0) p(b, classes - 1) = 0;
        if (b % 5 == 0 && classes > 3) p(b, 3) = p(b, 1);
      }
      numbers.push_back(std::make_unique<DeviceArray<T>>(p));
      if (m == 0) {
        cpu.push_back({p});
        on_device.of[m] = {numbers.back()->data(), nullptr, 0};
      } else {
        cpu.push_back({p, present});
        on_device.of[m] = {numbers.back()->data(), marks.back()->data(), 0};
      }
    }
    on_device.samples = samples;
    on_device.classes = classes;
    on_device.modalities = count;
  }

  std::vector<models::ModalityProbabilities<double>> cpu;
  std::vector<std::unique_ptr<DeviceArray<T>>> numbers;
  std::vector<std::unique_ptr<DeviceArray<std::uint8_t>>> marks;
  kernels::DecisionFusion<T> on_device = {};
};

}  // namespace

TEST_CASE_TEMPLATE("decisions of several modalities on a device", T, float, __nv_bfloat16, __half) {
  struct Sizes {
    int modalities;
    Index samples, classes;
  };
  for (const auto [count, samples, classes] :
       {Sizes{1, 1, 1}, Sizes{2, 31, 7}, Sizes{3, 9, 65}, Sizes{8, 7, 31}, Sizes{2, 0, 7}})
    for (const models::DecisionRule rule : all_rules)
      // Weights by which the first modality counts for nothing: samples that have no other weigh all the same.
      for (const bool first_counts : {true, false}) {
        CAPTURE(count);
        CAPTURE(classes);
        CAPTURE(static_cast<int>(rule));
        Modalities<T> modalities(count, samples, classes);
        models::DecisionFusionOptions options{.rule = rule, .k = 2};
        for (int m = 0; m < count; ++m) {
          const double weight = m == 0 && !first_counts ? 0 : 0.5 + m;
          modalities.on_device.of[m].weight = weight;
          if (rule == models::DecisionRule::weighted) options.weights.push_back(weight);
        }
        modalities.on_device.rule = static_cast<kernels::DecisionRule>(rule);
        modalities.on_device.k = options.k;
        const auto expected = models::fuse_decisions(modalities.cpu, options).scores;
        parity::in_every_order([&] {
          DeviceArray<T> scores(samples * classes);
          kernels::fuse_decisions(modalities.on_device, scores.data(), nullptr);
          const auto found = scores.values({samples, classes});
          parity::check_close(found, expected, parity::rounding<T>);
          return std::vector{found};
        });
      }
}

TEST_CASE("a sample without any modality, and more modalities than there is room for, on a device") {
  Modalities<float> modalities(2, 3, 4);
  modalities.on_device.of[0].present = modalities.marks[1]->data();
  DeviceArray<float> scores(3 * 4);
  kernels::fuse_decisions(modalities.on_device, scores.data(), nullptr);
  for (Index i = 0; i < 12; ++i) CHECK(std::isnan(scores.data()[i]) == (i / 4 != 1));
  modalities.on_device.modalities = 9;
  CHECK_THROWS_AS(kernels::fuse_decisions(modalities.on_device, scores.data(), nullptr), Error);
}

TEST_CASE("a probability that is none makes its sample's scores not-a-number, on a device") {
  for (const auto rule : all_rules)
    for (const float wrong : {-0.5F, INFINITY, std::nanf("")}) {
      Modalities<float> modalities(2, 4, 65);
      modalities.on_device.rule = static_cast<kernels::DecisionRule>(rule);
      modalities.on_device.k = 2;
      modalities.numbers[0]->data()[2 * 65 + 40] = wrong;
      DeviceArray<float> scores(4 * 65);
      kernels::fuse_decisions(modalities.on_device, scores.data(), nullptr);
      for (Index i = 0; i < 4 * 65; ++i) CHECK(std::isnan(scores.data()[i]) == (i / 65 == 2));
    }
}
