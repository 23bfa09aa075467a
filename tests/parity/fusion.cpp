#include "mien/models/fusion.hpp"

#include <doctest/doctest.h>

#include <cmath>

#include "mien/backend/cuda/graph.hpp"
#include "mien/ops/softmax.hpp"
#include "random_tensor.hpp"

using namespace mien;
using models::DecisionRule;
using testing::largest_difference;

namespace {

constexpr DecisionRule all_rules[] = {DecisionRule::maximum, DecisionRule::average, DecisionRule::product,
                                      DecisionRule::weighted, DecisionRule::top_k};

using Modalities = std::vector<models::ModalityProbabilities<float>>;
using ModalitiesOnDevice = std::vector<models::ModalityProbabilities<float, Cuda>>;

Tensor<float> probabilities(const Shape& shape, std::uint64_t seed) {
  return ops::softmax(testing::random<float>(shape, seed));
}

/// Missing at the host and on the GPU alike, and with gaps in memory there.
ModalitiesOnDevice on_device(const Modalities& modalities) {
  ModalitiesOnDevice out;
  for (const auto& modality : modalities) {
    auto& copy = out.emplace_back();
    copy.present = modality.present;
    if (!modality.probabilities) continue;
    const Shape& shape = modality.probabilities->shape();
    Tensor<float, Cuda> wide(shape.with(1, 2 * shape[1]), -1.0F);
    copy.probabilities = wide.slice(1, 0, wide.size(1), 2);
    copy.probabilities->copy_from(modality.probabilities->to<Cuda>());
  }
  return out;
}

}  // namespace

TEST_CASE("decisions are fused on the GPU as on the CPU, with the same modalities used") {
  for (const Shape& shape : {Shape{1, 1}, Shape{31, 7}, Shape{9, 65}, Shape{0, 7}}) {
    const Index samples = shape[0];
    Modalities modalities{probabilities(shape, 1), std::nullopt, probabilities(shape, 2), probabilities(shape, 3)};
    for (Index b = 0; b < samples; ++b) {
      modalities[2].present.push_back(b % 3 != 0);
      modalities[3].present.push_back(b % 2 != 0);
      // What a modality says where it is missing does not matter.
      if (b % 2 == 0) (*modalities[3].probabilities)(b, 0) = std::nanf("");
    }
    for (const DecisionRule rule : all_rules)
      for (const double first : {0.0, 0.3}) {
        CAPTURE(shape.to_string());
        CAPTURE(static_cast<int>(rule));
        const models::DecisionFusionOptions options{.rule = rule, .weights = {first, 1, 0.5, 0.7}, .k = 2};
        const auto expected = models::fuse_decisions(modalities, options);
        const auto found = models::fuse_decisions(on_device(modalities), options);
        CHECK(largest_difference(found.scores.to<Cpu>(), expected.scores) < 1e-6);
        CHECK(found.used == expected.used);
        for (Index b = 0; b < samples; ++b) CHECK(found.fell_back(b) == expected.fell_back(b));
      }
  }
}

TEST_CASE("decisions that cannot be fused are refused on the GPU, and wrong numbers make no score") {
  using Probabilities = Tensor<float, Cuda>;
  const Probabilities face = probabilities({2, 3}, 1).to<Cuda>();
  const Probabilities body = probabilities({2, 3}, 2).to<Cuda>();
  const auto refused = [](const ModalitiesOnDevice& modalities, const models::DecisionFusionOptions& options = {}) {
    models::fuse_decisions(modalities, options);
  };
  CHECK_THROWS_WITH_AS(refused({{face, {true, false}}, {body, {true, false}}}),
                       "fuse_decisions: every modality is missing in sample 1; leave it out", ValueError);
  CHECK_THROWS_AS(refused({{}, {}}), ValueError);
  CHECK_THROWS_AS(refused({}), ValueError);
  CHECK_THROWS_AS(refused({face, {Probabilities({2, 4}, 0.25F)}}), ShapeError);
  CHECK_THROWS_AS(refused({{face, {true}}}), ShapeError);
  CHECK_THROWS_AS(refused({{Probabilities({3}, 0.5F)}}), ShapeError);
  CHECK_THROWS_AS(refused({face, body}, {.rule = DecisionRule::weighted, .weights = {1}}), ValueError);
  CHECK_THROWS_AS(refused({face, body}, {.rule = DecisionRule::weighted, .weights = {1, -1}}), ValueError);
  CHECK_THROWS_AS(refused({face, body}, {.rule = DecisionRule::top_k, .k = 0}), ValueError);
  CHECK_THROWS_WITH_AS(refused(ModalitiesOnDevice(9, face)), "fuse_decisions: more than 8 modalities on the GPU",
                       ValueError);

  Tensor<float> wrong = probabilities({2, 3}, 3);
  wrong(1, 2) = -1;
  const Tensor<float> scores = models::fuse_decisions<float, Cuda>({face, wrong.to<Cuda>()}).scores.to<Cpu>();
  for (Index c = 0; c < 3; ++c) {
    CHECK(std::isfinite(scores(0, c)));
    CHECK(std::isnan(scores(1, c)));
  }
}

TEST_CASE("decisions can be fused in a graph") {
  Tensor<float, Cuda> face({2, 3}, 1.0F);
  const Tensor<float> body = probabilities({2, 3}, 1);
  Tensor<float, Cuda> scores;
  const cuda::Graph graph([&] {
    scores = models::fuse_decisions<float, Cuda>({face, {body.to<Cuda>(), {true, false}}}).scores;
  });
  const Tensor<float> next = probabilities({2, 3}, 2);
  face.copy_from(next.to<Cuda>());
  graph.launch();
  CHECK(largest_difference(scores.to<Cpu>(), models::fuse_decisions<float>({next, {body, {true, false}}}).scores) <
        1e-6);
}
